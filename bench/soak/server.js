/**
 * One process of the soak test's servers: node server.js KIND [JSON]
 *
 *   http           the same tools over Streamable HTTP and SSE, over the same with bearer tokens, and over WebSocket,
 *                  on the ports `{ open, protected, websocket }`
 *   stdio          the same tools over stdio
 *   authorization  an authorization server on `{ port }` whose access tokens live for `{ tokenSeconds }`
 *
 * Tells its parent `ready`, where it has one that listens.
 */

const { StdioServerTransport } = require('@modelcontextprotocol/sdk/server/stdio.js');
const { WebSocketServer } = require('ws');
const { createProtocolServer, startMcpServer } = require('../../__test__/support/mcp-server');
const { TOOLS, numberedTools } = require('../../__test__/support/tools');
const { delay } = require('../../__test__/support/wait');

const MIB = 1024 * 1024;
/** `startMcpServer` keeps what it received, for tests. Nobody asks here. */
const FORGET_REQUESTS_MS = 500;

const tools = [
  ...TOOLS,
  { name: 'large', inputSchema: { type: 'object' } },
  { name: 'slow', inputSchema: { type: 'object' } },
];
const PROTOCOL = { tools: [...tools, ...numberedTools(27)], callTool };

async function callTool({ name, arguments: args }, { signal }) {
  if (name === 'slow') await untilCancelled(signal);
  return { content: [{ type: 'text', text: name === 'large' ? 'x'.repeat(args.mib * MIB) : String(args.text) }] };
}

/** Bounded, for clients that are killed. */
const untilCancelled = (signal) =>
  Promise.race([delay(30_000), new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))]);

async function serveHttp(ports) {
  const servers = [
    await startMcpServer({ ...PROTOCOL, port: ports.open }),
    await startMcpServer({ ...PROTOCOL, port: ports.protected, fault: refuseWithoutToken }),
  ];
  setInterval(() => {
    for (const server of servers) server.requests.length = 0;
  }, FORGET_REQUESTS_MS);

  const sockets = new WebSocketServer({ host: '127.0.0.1', port: ports.websocket, handleProtocols: () => 'mcp' });
  sockets.on('connection', (socket) => createProtocolServer(PROTOCOL).connect(new SocketTransport(socket)));
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

/** Every other token is said to live for an hour: its end is learned from a 401. */
async function authorize({ port, tokenSeconds }) {
  const { OAuth2Server } = await import('oauth2-mock-server');
  const server = new OAuth2Server();
  await server.issuer.keys.generate('RS256');
  let issued = 0;
  server.service.on('beforeTokenSigning', (token) => {
    token.payload.exp = Math.floor(Date.now() / 1000) + tokenSeconds;
  });
  server.service.on('beforeResponse', ({ body }) => {
    issued += 1;
    body.expires_in = issued % 2 ? tokenSeconds : 3600;
  });
  await server.start(port, '127.0.0.1');
}

const KINDS = {
  http: serveHttp,
  authorization: authorize,
  stdio: () => createProtocolServer(PROTOCOL).connect(new StdioServerTransport()),
};

async function main([kind, options = '{}']) {
  await KINDS[kind](JSON.parse(options));
  process.send?.('ready');
  process.on('disconnect', () => process.exit());
}

main(process.argv.slice(2));
