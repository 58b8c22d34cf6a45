const { randomUUID } = require('node:crypto');
const http = require('node:http');
const https = require('node:https');
const { Server } = require('@modelcontextprotocol/sdk/server/index.js');
const { StreamableHTTPServerTransport } = require('@modelcontextprotocol/sdk/server/streamableHttp.js');
const { SSEServerTransport } = require('@modelcontextprotocol/sdk/server/sse.js');
const { CallToolRequestSchema, ListToolsRequestSchema, McpError } = require('@modelcontextprotocol/sdk/types.js');
const { freePort } = require('./ports');
const { TOOLS } = require('./tools');
const { delay, until } = require('./wait');

/**
 * A small MCP server on a free loopback port: Streamable HTTP at /mcp, HTTP+SSE at /sse.
 *
 * @param options.tools         what it offers
 * @param options.callTool      `(params, extra) => result` of `tools/call`; `echo` unless given
 * @param options.capabilities  what it announces
 * @param options.instructions  for models
 * @param options.tasks         `{ taskStore, taskMessageQueue }` of the SDK, for tool calls that become tasks
 * @param options.pageSize      tools per page of `tools/list`
 * @param options.listDelayMs   time `tools/list` takes
 * @param options.listError     `{ code, message }` that `tools/list` answers with
 * @param options.fault         see `server.fault`
 * @param options.onUpgrade     `(request, socket, head)` of those who want another protocol
 * @param options.tls           options of a TLS server: it is at https://localhost then
 */
async function startMcpServer(options = {}) {
  const requests = [];
  const sessions = new Map();
  const eventStreams = new Map();
  const sockets = new Set();
  const unanswered = new Set();

  // By itself Node ends a socket that was idle for 5 s, on a busy machine with a request on its way.
  const { createServer } = options.tls ? https : http;
  const listener = createServer({ keepAliveTimeout: 10_000, ...options.tls }, (request, response) => {
    handle(request, response).catch((error) => {
      if (!response.headersSent) response.writeHead(500);
      response.end(String(error.stack));
    });
  });
  listener.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });

  if (options.onUpgrade) listener.on('upgrade', options.onUpgrade);

  const server = {
    requests,
    sessions,
    /** `(exchange) => boolean`, maybe later: answers in the server's place (see faults.js); true when it did. */
    fault: options.fault,
    openSockets: () => sockets.size,
    /** Requests that were neither answered to the end nor given up by the client, event streams included. */
    inFlight: () => unanswered.size,
    /** Whether a client listens to what is announced. */
    hasListener: () => [...unanswered].some(({ req, headersSent }) => req.method === 'GET' && headersSent),
    received: (method) => requests.filter((entry) => entry.message?.method === method),
    /** Announces something to every session, over its GET stream. */
    notify: (method) =>
      Promise.all([...sessions.values()].map((transport) => transport.send({ jsonrpc: '2.0', method }))),
    /** Waits for a message with this method to arrive. */
    arrival: (method) => until(`arrival of ${method}`, () => server.received(method).length > 0),
    close: () =>
      new Promise((resolve) => {
        listener.close(resolve);
        for (const socket of sockets) socket.destroy();
      }),
  };

  async function handle(request, response) {
    const { pathname, searchParams } = new URL(request.url, 'http://localhost');
    unanswered.add(response);
    response.on('close', () => unanswered.delete(response));
    const body = request.method === 'POST' ? await read(request) : undefined;
    const message = body === undefined ? undefined : parse(body);
    requests.push({
      method: request.method,
      path: pathname,
      url: request.url,
      headers: request.headers,
      body,
      message,
      client: options.tls && request.socket.getPeerCertificate().subject?.CN,
    });

    if (await server.fault?.({ request, response, message })) return;
    if (pathname === '/mcp') await streamableHttp(request, response, message);
    else if (pathname === '/sse' && request.method === 'GET') await openEventStream(response);
    else if (pathname === '/messages') await postToEventStream(request, response, message, searchParams);
    else response.writeHead(404).end();
  }

  async function streamableHttp(request, response, message) {
    const sessionId = request.headers['mcp-session-id'];
    let transport = sessions.get(sessionId);
    if (!transport) {
      if (sessionId) return response.writeHead(404).end();
      if (message?.method !== 'initialize') return response.writeHead(400).end();
      transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => sessions.set(id, transport),
        onsessionclosed: (id) => sessions.delete(id),
      });
      await createProtocolServer(options).connect(transport);
    }
    return transport.handleRequest(request, response, message);
  }

  async function openEventStream(response) {
    const transport = new SSEServerTransport('/messages', response);
    eventStreams.set(transport.sessionId, transport);
    response.on('close', () => eventStreams.delete(transport.sessionId));
    await createProtocolServer(options).connect(transport);
  }

  async function postToEventStream(request, response, message, searchParams) {
    const transport = eventStreams.get(searchParams.get('sessionId'));
    if (!transport) return response.writeHead(404).end();
    return transport.handlePostMessage(request, response, message);
  }

  await new Promise((resolve) => listener.listen(options.port ?? 0, '127.0.0.1', resolve));
  const { port } = listener.address();
  server.address = `${options.tls ? 'localhost' : '127.0.0.1'}:${port}`;
  const origin = `${options.tls ? 'https' : 'http'}://${server.address}`;
  server.url = `${origin}/mcp`;
  server.sseUrl = `${origin}/sse`;
  server.config = (extra) => ({
    type: 'streamable-http',
    url: server.url,
    requiresOAuth: false,
    source: 'yaml',
    ...extra,
  });
  return server;
}

const echo = (params) => ({ content: [{ type: 'text', text: String(params.arguments?.text) }] });

function createProtocolServer(options) {
  const { tools = TOOLS, callTool = echo, capabilities = { tools: {} } } = options;
  const { instructions, tasks, pageSize, listDelayMs, listError } = options;
  const server = new Server({ name: 'small-server', version: '1.0.0' }, { capabilities, instructions, ...tasks });
  if (!capabilities.tools) return server;
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => callTool(params, extra));
  server.setRequestHandler(ListToolsRequestSchema, async ({ params }) => {
    if (listDelayMs) await delay(listDelayMs);
    if (listError) throw new McpError(listError.code, listError.message);
    if (!pageSize) return { tools };
    const start = Number(params?.cursor ?? 0);
    const end = start + pageSize;
    return { tools: tools.slice(start, end), ...(end < tools.length && { nextCursor: String(end) }) };
  });
  return server;
}

async function read(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A loopback address on which nothing listens. */
async function closedAddress() {
  const server = await startMcpServer({ port: await freePort() });
  await server.close();
  return server;
}

module.exports = { closedAddress, createProtocolServer, startMcpServer };
