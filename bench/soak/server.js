/**
 * One process of the soak test's servers: node server.js KIND [JSON]
 *
 *   http           the same tools over Streamable HTTP and SSE, over the same with bearer tokens, and over WebSocket, and
 *                  a server of MCP 2026-07-28, on the ports `{ open, protected, websocket, modern }`
 *   stdio          the same tools over stdio
 *   exchange       an identity provider that gives tokens on behalf of users, which live for `{ tokenSeconds }`
 *   authorization  an authorization server on `{ port }` whose access tokens live for `{ tokenSeconds }`
 *
 * Tells its parent when it listens, where it has one.
 */

const { StdioServerTransport } = require('@modelcontextprotocol/sdk/server/stdio.js');
const { WebSocketServer } = require('ws');
const { startIdentityProvider } = require('../../__test__/support/identity-provider');
const { createProtocolServer, startMcpServer } = require('../../__test__/support/mcp-server');
const { startModernServer } = require('../../__test__/support/modern-server');
const { RESOURCE, createProtocol } = require('./tools');

/** The servers of the tests keep what they received. Nobody asks here. */
const FORGET_REQUESTS_MS = 500;

const forget = (...lists) =>
  setInterval(() => {
    for (const list of lists) list.length = 0;
  }, FORGET_REQUESTS_MS);

async function serveHttp(ports) {
  const protocol = createProtocol(process.pid);
  const open = await startMcpServer({ ...protocol, port: ports.open, fault: subscribe });
  const guarded = await startMcpServer({ ...protocol, port: ports.protected, fault: refuseWithoutToken });
  forget(open.requests, guarded.requests, protocol.tasks.taskStore.ids);

  /** Every resource changes as soon as somebody subscribes to it. */
  function subscribe({ request, response, message }) {
    if (!/^resources\/(un)?subscribe$/.test(message?.method)) return false;
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result: {} }));
    const { uri } = message.params;
    const updated = { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } };
    const session = open.sessions.get(request.headers['mcp-session-id']);
    session?.send(updated).catch(() => {});
    return true;
  }

  let calls = 0;
  const modern = await startModernServer({
    port: ports.modern,
    resources: { [RESOURCE]: 'text' },
    capabilities: { tools: { listChanged: true }, resources: { subscribe: true, listChanged: true } },
    cacheHints: { 'tools/list': { ttlMs: 1000, cacheScope: 'private' } },
    /** Each call changes the resource, and now and then the list of tools. */
    callTool(_, name) {
      calls += 1;
      modern.notify.resourceUpdated(RESOURCE);
      if (calls % 10 === 0) modern.notify.toolsChanged();
      return { content: [{ type: 'text', text: name }] };
    },
  });
  forget(modern.requests);

  const sockets = new WebSocketServer({ host: '127.0.0.1', port: ports.websocket, handleProtocols: () => 'mcp' });
  sockets.on('connection', (socket) => createProtocolServer(protocol).connect(new SocketTransport(socket)));
}

function refuseWithoutToken({ request, response }) {
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  if (token && endOf(token) > Date.now()) return false;
  response.writeHead(401, { 'www-authenticate': `Bearer${token ? ' error="invalid_token"' : ''}` });
  response.end();
  return true;
}

const endOf = (jwt) => JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url')).exp * 1000;

/** The SDK has this transport for clients only. */
class SocketTransport {
  constructor(socket) {
    this.socket = socket;
  }

  async start() {
    this.socket.on('message', (data) => this.onmessage?.(JSON.parse(data)));
    this.socket.on('error', (error) => this.onerror?.(error));
    this.socket.on('close', () => this.onclose?.());
  }

  async send(message) {
    this.socket.send(JSON.stringify(message));
  }

  async close() {
    this.socket.close();
  }
}

/** Every other token of a user is said to live for an hour: its end is learned from a 401. Those of the program live longer. */
async function authorize({ port, tokenSeconds }) {
  const { OAuth2Server } = await import('oauth2-mock-server');
  const server = new OAuth2Server();
  await server.issuer.keys.generate('RS256');
  const isOfUser = ({ body }) => body.grant_type !== 'client_credentials';
  let issued = 0;
  server.service.on('beforeTokenSigning', (token, request) => {
    token.payload.exp = Math.floor(Date.now() / 1000) + (isOfUser(request) ? 1 : 20) * tokenSeconds;
  });
  server.service.on('beforeResponse', (response, request) => {
    if (isOfUser(request)) issued += 1;
    response.body.expires_in = isOfUser(request) && issued % 2 === 0 ? 3600 : tokenSeconds;
  });
  await server.start(port, '127.0.0.1');
}

/** Exchanges tokens on behalf of users, and tells its parent how it is asked. */
async function exchange({ tokenSeconds }) {
  const provider = await startIdentityProvider({ lifetime: tokenSeconds });
  forget(provider.exchanges);
  return provider.config;
}

const KINDS = {
  http: serveHttp,
  authorization: authorize,
  exchange,
  stdio: () => createProtocolServer(createProtocol('of stdio')).connect(new StdioServerTransport()),
};

async function main([kind, options = '{}']) {
  const started = await KINDS[kind](JSON.parse(options));
  process.send?.(started ?? 'ready');
  process.on('disconnect', () => process.exit());
}

main(process.argv.slice(2));
