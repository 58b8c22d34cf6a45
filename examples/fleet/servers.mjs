/**
 * What the pods need around them, in one process: node servers.mjs OPTIONS, as JSON.
 *
 * An authorization server and three MCP servers with sessions: `shared`, which has one connection for all users of a pod,
 * `personal`, which is told who the user is, and `protected`, which wants tokens. What they see is counted:
 * `initialize` and calls of the MCP servers, and what became of refresh tokens.
 *
 * @typedef {object} Options
 * @property {Record<'authorization' | 'shared' | 'personal' | 'protected' | 'control', number>} ports
 * @property {number} accessTokenSeconds
 * @property {string} password  of all users
 */

import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { createAuthorizationServer } from '../librechat/servers/authorization-server.mjs';
import { MapAdapter, withdraw } from './adapter.mjs';

/** @type {Options} */
const { ports, accessTokenSeconds, password } = JSON.parse(process.argv[2]);
const SCOPES = ['mcp'];
const WHOAMI = {
  name: 'whoami',
  description: 'Tells who asks',
  inputSchema: { type: /** @type {const} */ ('object') },
};
const METADATA_PATH = '/.well-known/oauth-protected-resource/mcp';

const counts = { initialize: { shared: 0, personal: 0, protected: 0 }, calls: 0, refused: 0 };
/** How often each refresh token was redeemed. @type {Map<string, number>} */
const redeemed = new Map();

const { issuer, provider, listen } = createAuthorizationServer({
  port: ports.authorization,
  accessTokenSeconds,
  account: { password },
  resourceServer: { client_id: 'protected-server', client_secret: randomUUID() },
  scopes: SCOPES,
  adapter: MapAdapter,
});

provider.use(async (context, next) => {
  await next();
  const { grant_type: grant, refresh_token: token } = context.oidc?.params ?? {};
  if (context.path !== '/token' || grant !== 'refresh_token') return;
  redeemed.set(String(token), (redeemed.get(String(token)) ?? 0) + 1);
  if (context.status !== 200) counts.refused += 1;
});

/**
 * @param {(extra: any) => string} nameOf  of who asks
 */
function createServer(nameOf) {
  const server = new Server({ name: 'fleet', version: '1.0.0' }, { capabilities: { tools: {} } });
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: [WHOAMI] }));
  server.setRequestHandler(CallToolRequestSchema, (_, extra) => {
    counts.calls += 1;
    return { content: [{ type: 'text', text: `You are ${nameOf(extra)}` }] };
  });
  return server;
}

/** @param {http.IncomingMessage} request */
async function messageOf(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text ? JSON.parse(text) : undefined;
}

/**
 * @param {keyof typeof counts.initialize} name
 * @param {(extra: any) => string} nameOf
 * @param {(request: any, response: http.ServerResponse) => Promise<boolean>} [guard]  whether it has answered itself
 */
function startServer(name, nameOf, guard) {
  /** @type {Map<unknown, StreamableHTTPServerTransport>} */
  const sessions = new Map();
  http
    .createServer({ keepAliveTimeout: 60_000 }, async (request, response) => {
      if (await guard?.(request, response)) return;
      const message = await messageOf(request).catch(() => undefined);
      const id = request.headers['mcp-session-id'];
      const known = sessions.get(id);
      if (known) return known.handleRequest(request, response, message);
      if (message?.method !== 'initialize') return response.writeHead(id ? 404 : 400).end();
      counts.initialize[name] += 1;
      const transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        enableJsonResponse: true,
        onsessioninitialized: (session) => void sessions.set(session, transport),
        onsessionclosed: (session) => void sessions.delete(session),
      });
      await createServer(nameOf).connect(transport);
      return transport.handleRequest(request, response, message);
    })
    .listen(ports[name], '127.0.0.1');
}

const origin = `http://127.0.0.1:${ports.protected}`;

/**
 * RFC 9728, and a look at the token.
 *
 * @param {any} request
 * @param {http.ServerResponse} response
 */
async function guard(request, response) {
  if (request.url === METADATA_PATH) {
    const document = { resource: `${origin}/mcp`, authorization_servers: [issuer], scopes_supported: SCOPES };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document));
    return true;
  }
  const text = /^Bearer (.+)$/.exec(request.headers.authorization)?.[1];
  const token = text && (await provider.AccessToken.find(text));
  if (token && token.aud === `${origin}/mcp`) {
    request.auth = { token: text, clientId: token.clientId, scopes: SCOPES, extra: { user: token.accountId } };
    return false;
  }
  const error = text ? ', error="invalid_token"' : '';
  const challenge = `Bearer resource_metadata="${origin}${METADATA_PATH}"${error}`;
  response.writeHead(401, { 'www-authenticate': challenge }).end();
  return true;
}

startServer('shared', () => 'one of many');
startServer('personal', ({ requestInfo }) => requestInfo.headers['x-user']);
startServer('protected', ({ authInfo }) => authInfo.extra.user, guard);
await listen();

/** `GET /counts`, and `POST /withdraw?user=…`: that user's access tokens are of no use any more. */
http
  .createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', origin);
    if (pathname === '/withdraw') withdraw(searchParams.get('user'));
    const refreshes = { refreshTokens: redeemed.size, mostOfOneToken: Math.max(0, ...redeemed.values()) };
    response.end(JSON.stringify({ ...counts, ...refreshes }));
  })
  .listen(ports.control, '127.0.0.1');
