const http = require('node:http');
const { once } = require('node:events');
const { Readable } = require('node:stream');
const { createMcpHandler, McpServer } = require('@modelcontextprotocol/server');

const LISTEN = 'subscriptions/listen';

/**
 * A server of MCP 2026-07-28 on a loopback port: the official SDK, with tools, resources and prompts.
 *
 * @param options.port          a free one unless given
 * @param options.tools         names of tools; read for each request
 * @param options.callTool      `(context, name) => result` of its tools
 * @param options.resources     texts by URI; read for each request
 * @param options.prompts       names of prompts
 * @param options.handlers      `(request, context) => result` by method, in place of what it does by itself
 * @param options.capabilities  what it announces beside what it has
 * @param options.cacheHints    `{ ttlMs, cacheScope }` by method
 * @param options.answer        `(message, request, response) => boolean`: answers in the server's place; true when it did
 */
async function startModernServer(options = {}) {
  const { tools = ['echo'], resources = {}, prompts = [], handlers = {}, capabilities, cacheHints, answer } = options;
  const { callTool = (_, name) => ({ content: [{ type: 'text', text: name }] }) } = options;
  const requests = [];
  const streams = new Map();
  const sockets = new Set();
  const server = { tools, resources, requests, answer };

  const factory = () => {
    const mcp = new McpServer({ name: 'modern', version: '1.0.0' }, { capabilities, cacheHints });
    for (const name of server.tools) {
      mcp.registerTool(name, { description: name }, (context) => callTool(context, name));
    }
    for (const [uri, text] of Object.entries(server.resources)) {
      mcp.registerResource(uri, uri, {}, () => ({ contents: [{ uri, text: server.resources[uri] ?? text }] }));
    }
    for (const name of prompts) {
      mcp.registerPrompt(name, {}, () => ({ messages: [] }));
    }
    for (const [method, handle] of Object.entries(handlers)) mcp.server.setRequestHandler(method, handle);
    return mcp;
  };
  const handler = createMcpHandler(factory);

  async function handle(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const message = body ? JSON.parse(body) : undefined;
    requests.push({ method: request.method, headers: request.headers, message });
    response.on('close', () => streams.delete(response));
    const opened = () => {
      if (message?.method === LISTEN && !response.writableEnded) streams.set(response, message.params.notifications);
    };
    if (await server.answer?.(message, request, response)) return opened();
    const url = `http://127.0.0.1:${listener.address().port}${request.url}`;
    const end = new AbortController();
    response.on('close', () => end.abort());
    const init = { method: request.method, headers: request.headers, signal: end.signal };
    const answered = await handler.fetch(new Request(url, body ? { ...init, body } : init));
    response.writeHead(answered.status, Object.fromEntries(answered.headers));
    opened();
    if (!answered.body) return response.end();
    const readable = Readable.fromWeb(answered.body);
    readable.on('error', () => response.destroy());
    readable.pipe(response);
  }

  const listener = http.createServer({ keepAliveTimeout: 10_000 }, (request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  listener.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  listener.listen(options.port ?? 0, '127.0.0.1');
  await once(listener, 'listening');
  const address = `127.0.0.1:${listener.address().port}`;
  const url = `http://${address}/mcp`;
  return Object.assign(server, {
    address,
    url,
    config: (extra) => ({ type: 'streamable-http', url, requiresOAuth: false, source: 'yaml', ...extra }),
    notify: handler.notify,
    received: (method) => requests.filter((entry) => entry.message?.method === method),
    /** Filters of the streams of changes that were asked for, in order. */
    filters: () => server.received(LISTEN).map((entry) => entry.message.params.notifications),
    /** The streams of changes that are open: filters by response. */
    streams,
    close: () =>
      new Promise((resolve) => {
        listener.close(resolve);
        for (const socket of sockets) socket.destroy();
      }),
  });
}

module.exports = { startModernServer };
