/**
 * The servers of the run under faults: node server.js SEED [PORTS], without ports over stdio.
 *
 *   /sessions   Streamable HTTP with sessions and a GET stream, which ends now and then
 *   /plain      the same with neither
 *   /modern     Streamable HTTP of 2026-07-28
 *   /sse        HTTP+SSE
 *
 * and WebSocket on the port `websocket`. Told `calm`, they do nothing wrong any more. Tells its parent `ready`, and of
 * every call that came twice although it was worked on.
 */

const { randomUUID } = require('node:crypto');
const http = require('node:http');
const { createInterface } = require('node:readline');
const { WebSocketServer } = require('ws');
const { delay } = require('../../../__test__/support/wait');
const { createRandom, seedOf } = require('../random');
const { Events, httpExchange, socketExchange, sseExchange, stdioExchange } = require('./exchanges');
const { LOSSES, TABLES, faultOf } = require('./table');

const MODERN = '2026-07-28';
const TOOLS = [{ name: 'echo', inputSchema: { type: 'object', properties: { text: { type: 'string' } } } }];
/** How often something else than a call goes wrong, in percent. */
const OTHER_FAULTS = 4;
const LONGEST_STREAM_MS = 30_000;

const [seedText, portsText] = process.argv.slice(2);
const seed = Number(seedText);
let isCalm = false;

/** Calls that were worked on. */
const done = new Set();
/** Those that came before and were refused for their session: the second time nothing is wrong. */
const refused = new Set();

function worked(call) {
  if (done.has(call)) process.send?.({ twice: call });
  done.add(call);
}

const MODERN_RESULT = { resultType: 'complete', ttlMs: 0, cacheScope: 'private' };

function resultOf({ method, params }, isModern) {
  const common = isModern ? MODERN_RESULT : {};
  const described = { capabilities: { tools: {} }, serverInfo: { name: 'faulty', version: '1' } };
  switch (method) {
    case 'server/discover':
      return isModern ? { ...common, ...described, supportedVersions: [MODERN] } : undefined;
    case 'initialize':
      return isModern ? undefined : { ...described, protocolVersion: '2025-06-18' };
    case 'tools/list':
      return { ...common, tools: TOOLS };
    case 'tools/call':
      return { ...common, content: [{ type: 'text', text: params.arguments.text }] };
    case 'ping':
      return {};
    default:
      return undefined;
  }
}

function answerTo(message, isModern) {
  const { id } = message;
  const result = resultOf(message, isModern);
  if (result) return { jsonrpc: '2.0', id, result };
  return { jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } };
}

const isRequest = ({ id, method }) => id !== undefined && method !== undefined;

/** Works on a call as the table says, over any transport. */
async function workOn(wire, exchange, message, isModern = false) {
  const call = message.params.arguments.text;
  const answer = answerTo(message, isModern);
  const name = refused.has(call) ? 'none' : faultOf(seed, wire, call);
  const isLoss = name.startsWith('a lost session: ');
  if (isLoss && exchange.lose && exchange.hasSession) refused.add(call);
  else worked(call);
  const random = createRandom(seedOf(seed + 1, call));
  if (exchange.json && TABLES[wire][name][1] && ['none', 'a late answer'].includes(name) && random.below(2)) {
    return exchange.json(JSON.stringify(answer));
  }
  // Without a session none can be lost.
  if (isLoss && !exchange.hasSession) await exchange.send(JSON.stringify(answer));
  else await TABLES[wire][name][2](exchange, answer, random);
  if (name !== 'no answer') exchange.end();
}

/** By user: how many messages other than calls have come. */
const counts = new Map();

/** What goes wrong with anything but a call: `undefined`, mostly. */
function otherFault(user) {
  const count = (counts.get(user) ?? 0) + 1;
  counts.set(user, count);
  const random = createRandom(seedOf(seed, `${user}/${count}`));
  if (isCalm || random.below(100) >= OTHER_FAULTS) return undefined;
  return random.pick(['reset', 500, 503, 'late', 'page']);
}

const readBody = async (request) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  return JSON.parse(body || 'null');
};

/** By id: how it is refused, where it is lost. */
const sessions = new Map();
/** By id of an HTTP+SSE session. */
const streams = new Map();

const userOf = (request) => String(request.headers['x-user']);

async function serve(request, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost');
  if (pathname === '/sse') return openSse(response);
  const message = await readBody(request);
  if (pathname === '/messages') return takeSse(streams.get(searchParams.get('session')), message, response);
  if (request.method === 'DELETE') {
    sessions.delete(request.headers['mcp-session-id']);
    return response.writeHead(200).end();
  }
  const hasSessions = pathname === '/sessions';
  if (request.method === 'GET') return hasSessions ? openGet(request, response) : response.writeHead(405).end();
  return takePost(request, response, message, hasSessions, pathname === '/modern');
}

async function takePost(request, response, message, hasSessions, isModern) {
  const id = request.headers['mcp-session-id'];
  const begins = ['initialize', 'server/discover'].includes(message.method);
  if (hasSessions && !begins) {
    const loss = sessions.has(id) ? sessions.get(id) : '404';
    if (loss) return refuseFor(response, loss, message);
  }
  if (!isRequest(message)) return response.writeHead(202).end();
  const call = message.method === 'tools/call' && message.params.arguments.text;
  if (call) {
    const lose = (name) => {
      sessions.set(id, name);
      refuseFor(response, name, message);
    };
    const exchange = httpExchange(request, response, createRandom(seedOf(seed + 2, call)), lose);
    exchange.hasSession = hasSessions;
    return workOn('http', exchange, message, isModern);
  }
  switch (otherFault(userOf(request))) {
    case 'reset':
      return request.socket.resetAndDestroy();
    case 500:
      return response.writeHead(500).end('Internal error');
    case 503:
      return response.writeHead(503).end();
    case 'page':
      return response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html>');
    case 'late':
      await delay(300);
  }
  const headers = { 'content-type': 'application/json' };
  if (hasSessions && message.method === 'initialize') {
    headers['mcp-session-id'] = randomUUID();
    sessions.set(headers['mcp-session-id'], undefined);
  }
  response.writeHead(200, headers).end(JSON.stringify(answerTo(message, isModern)));
}

function refuseFor(response, loss, { id }) {
  const [status, body, type] = LOSSES[loss];
  response.writeHead(status, { 'content-type': type });
  response.end(body.replace('"id":null', `"id":${JSON.stringify(id ?? null)}`));
}

/** A stream that says nothing of use, and ends. */
async function openGet(request, response) {
  const random = createRandom(seedOf(seed, `${userOf(request)} listens`));
  const stream = new Events(response);
  await stream.send('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}');
  await delay(random.below(LONGEST_STREAM_MS));
  if (isCalm) return;
  if (random.below(2)) stream.end();
  else request.socket.resetAndDestroy();
}

async function openSse(response) {
  const stream = new Events(response);
  const id = randomUUID();
  streams.set(id, stream);
  response.on('close', () => streams.delete(id));
  response.write(`event: endpoint\ndata: /messages?session=${id}\n\n`);
}

async function takeSse(stream, message, response) {
  if (!stream) return response.writeHead(404).end();
  response.writeHead(202).end();
  await take('sse', sseExchange(stream), message);
}

/** A message over a transport whose answers go over one stream. */
async function take(wire, exchange, message) {
  if (!isRequest(message)) return;
  if (message.method === 'tools/call') await workOn(wire, exchange, message);
  else await exchange.send(JSON.stringify(answerTo(message, false)));
}

function serveStdio() {
  createInterface({ input: process.stdin })
    .on('line', (line) => take('stdio', stdioExchange(), JSON.parse(line)))
    .on('close', () => process.exit());
}

async function serveAll(ports) {
  const server = http.createServer({ keepAliveTimeout: 30_000 }, (request, response) => {
    serve(request, response).catch(() => request.socket.destroy());
  });
  server.listen(ports.http, '127.0.0.1');
  const sockets = new WebSocketServer({ host: '127.0.0.1', port: ports.websocket, handleProtocols: () => 'mcp' });
  sockets.on('connection', (socket) => {
    socket.on('error', () => {});
    socket.on('message', (data) => take('websocket', socketExchange(socket), JSON.parse(data)).catch(() => {}));
  });
  process.on('message', (word) => {
    isCalm = word === 'calm';
  });
  process.on('disconnect', () => process.exit());
  process.send('ready');
}

if (portsText) serveAll(JSON.parse(portsText));
else serveStdio();
