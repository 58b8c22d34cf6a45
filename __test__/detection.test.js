/** Whether a server wants a login, and of whom: what it is asked, and what is believed. */

const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { createMCPRuntime } = require('./support/addon');
const { startAuthorizationServer } = require('./support/authorization-server');
const { ECHO } = require('./support/calls');
const { useEnvironment } = require('./support/environment');
const { answer, hang } = require('./support/faults');
const { useFixtures } = require('./support/fixtures');
const { closedAddress } = require('./support/mcp-server');
const { until } = require('./support/wait');

const KEY = 'the-key-of-the-operator';
const RESOURCE = '/.well-known/oauth-protected-resource';
const SERVER = '/.well-known/oauth-authorization-server';
const HIDDEN = '/documents/of-the-resource';

const directory = mkdtempSync(join(tmpdir(), 'mcp-detection-'));
useEnvironment({ XDG_DATA_HOME: directory, DETECTION_KEY: KEY });
const fixtures = useFixtures();
const user = { id: 'detection' };

let authorizationServer;
beforeAll(async () => {
  authorizationServer = await startAuthorizationServer();
});
afterAll(async () => {
  await authorizationServer?.close();
  rmSync(directory, { recursive: true, force: true });
});

/**
 * The small server, which refuses some requests to it and publishes documents.
 *
 * @param isRefused         of a request to its endpoint
 * @param options.status    that it refuses with
 * @param options.challenge `(origin) => string`
 * @param options.documents `(origin) => texts`, by path
 */
async function guarded(isRefused, { status = 401, challenge, documents = () => ({}) } = {}) {
  const server = await fixtures.server();
  const origin = `http://${server.address}`;
  server.fault = (exchange) => {
    const { request, response } = exchange;
    const { pathname } = new URL(request.url, origin);
    const document = documents(origin)[pathname];
    if (document) return answer(200, document, 'application/json')(exchange);
    if (pathname !== '/mcp' || !isRefused(exchange)) return false;
    if (challenge) response.setHeader('www-authenticate', challenge(origin));
    return answer(status)(exchange);
  };
  return server;
}

/** The document that names the authorization server. */
const resourceOf = (origin, path = '/mcp') =>
  JSON.stringify({ resource: `${origin}${path}`, authorization_servers: [authorizationServer.issuer] });

const named = (path) => (origin) => `Bearer resource_metadata="${origin}${path}"`;
const always = () => true;
const never = () => false;

/** A runtime without a host, that knows of the server `srv` what the config says. */
function embedded({ address }, config, services) {
  const mcpSettings = { allowedAddresses: [address, authorizationServer.address] };
  return fixtures.keep(createMCPRuntime({ config: { mcpServers: { srv: config }, mcpSettings }, ...services }));
}

const http = (server, extra) => ({ type: 'streamable-http', url: server.url, ...extra });
const reinit = (runtime, extra) => runtime.reinitMCPServer({ user, serverName: 'srv', ...extra });

const isOfAuthorizationServer = (url) => url.startsWith(`${authorizationServer.issuer}/`);

describe('detectOAuthRequirement believes', () => {
  const serverDocument = (origin) =>
    JSON.stringify({ issuer: origin, authorization_endpoint: `${origin}/a`, token_endpoint: `${origin}/t` });
  const publishes = (path, document) => ({ documents: (origin) => ({ [path]: document(origin) }) });

  test.each([
    ['no 401 alone', false, always, {}],
    ['no challenge of another scheme', false, always, { challenge: () => 'Basic realm="Bearer"' }],
    ['no 403 alone', false, always, { status: 403 }],
    ['no other status', false, always, { status: 404, challenge: () => 'Bearer' }],
    ['a Bearer challenge', '401-challenge-metadata', always, { challenge: () => 'Bearer' }],
    ['a 401 with a document of the resource', 'protected-resource-metadata', always, publishes(RESOURCE, resourceOf)],
    ['a 401 with one of the authorization server', 'no-metadata-found', always, publishes(SERVER, serverDocument)],
    ['a document of an open server', 'protected-resource-metadata', never, publishes(RESOURCE, resourceOf)],
    ['no document of another resource', false, never, publishes(RESOURCE, (origin) => resourceOf(origin, '/other'))],
    [
      'the well-known document where the challenge leads nowhere',
      '401-challenge-metadata',
      always,
      { challenge: named('/nowhere'), ...publishes(`${RESOURCE}/mcp`, resourceOf) },
    ],
  ])('%s', async (_, method, isRefused, options) => {
    const server = await guarded(isRefused, options);
    const { runtime } = fixtures.runtime({ allow: [server, authorizationServer] });
    const allowed = [server.address, authorizationServer.address];
    expect(await runtime.oauth.detectOAuthRequirement(server.url, null, allowed)).toMatchObject({
      requiresOAuth: method !== false,
      method: method || 'no-metadata-found',
    });
    expect(server.requests.filter(({ path }) => path === '/mcp').map(({ method }) => method)).toEqual(
      options.status === 404 ? ['POST', 'GET'] : ['POST'],
    );
  });
});

describe('the configured headers', () => {
  const isStranger = ({ request }) => request.headers['x-api-key'] !== KEY;
  const headers = { 'X-Api-Key': '${DETECTION_KEY}' };
  const publishing = { challenge: named(HIDDEN), documents: (origin) => ({ [HIDDEN]: resourceOf(origin) }) };

  test.each([
    ['with nothing', {}],
    ['with a challenge and metadata', publishing],
  ])('are sent: a server that refuses whoever lacks them, %s, wants no login', async (_, options) => {
    const server = await guarded(isStranger, options);
    expect(await reinit(embedded(server, http(server, { headers })))).toMatchObject({ success: true });
    expect(server.requests.filter(({ headers }) => headers['x-api-key'] !== KEY)).toEqual([]);
  });

  test('are sent by detectOAuthRequirement, given the config', async () => {
    const server = await guarded(isStranger, publishing);
    const { runtime } = fixtures.runtime({ allow: [server, authorizationServer] });
    const allowed = [server.address, authorizationServer.address];
    const detect = async (config) =>
      (await runtime.oauth.detectOAuthRequirement(server.url, null, allowed, config)).requiresOAuth;
    expect([await detect(), await detect(http(server, { headers }))]).toEqual([true, false]);
  });

  test('reach nobody else whose metadata it names', async () => {
    const other = await guarded(always, publishing);
    const server = await guarded(always, { challenge: () => named(HIDDEN)(`http://${other.address}`) });
    const mcpSettings = { allowedAddresses: [server, other, authorizationServer].map(({ address }) => address) };
    const config = { mcpServers: { srv: http(server, { headers }) }, mcpSettings };
    await reinit(fixtures.keep(createMCPRuntime({ config })));
    expect(server.received('ping').map(({ headers }) => headers['x-api-key'])).toContain(KEY);
    expect(other.requests.map(({ path }) => path)).toContain(HIDDEN);
    expect(other.requests.filter(({ headers }) => JSON.stringify(headers).includes(KEY))).toEqual([]);
  });
});

test('a server that wants a key is not logged in to: the 401 is told', async () => {
  const server = await guarded(always);
  const { oauthRequired, error } = await reinit(embedded(server, http(server)));
  expect([oauthRequired, error.code]).toEqual([false, 'MCP_AUTHORIZATION_REQUIRED']);
});

test('a server of HTTP+SSE is not asked with HEAD, and hidden documents are not waited for', async () => {
  const server = await fixtures.server();
  server.fault = (exchange) =>
    exchange.request.method === 'HEAD' || exchange.request.url.startsWith('/.well-known/') ? hang()(exchange) : false;
  const runtime = embedded(server, { type: 'sse', url: server.sseUrl });
  expect(await reinit(runtime)).toMatchObject({ success: true, oauthRequired: false });
  expect(server.requests.map(({ method }) => method)).not.toContain('HEAD');
});

test('callers at the same time, and those that come later, share one answer', async () => {
  const server = await fixtures.server();
  const runtime = embedded(server, http(server));
  const results = await Promise.all(Array.from({ length: 5 }, () => reinit(runtime)));
  expect(results.map(({ success }) => success)).toEqual(Array(5).fill(true));
  await reinit(runtime);
  const asked = server.received('ping').filter(({ headers }) => !headers['mcp-session-id']);
  expect(asked).toHaveLength(1);
});

test('an abort ends it', async () => {
  const server = await fixtures.server({ fault: hang() });
  const abort = new AbortController();
  const result = reinit(embedded(server, http(server, { initTimeout: 600_000 })), { signal: abort.signal });
  await server.arrival('ping');
  abort.abort();
  expect((await result).error.code).toBe('MCP_ABORTED');
  await until('the end of the request', () => server.inFlight() === 0);
  expect(server.received('initialize')).toEqual([]);
});

describe('a server that refuses only', () => {
  const refusing = (method) =>
    guarded(({ message }) => message?.method === method, {
      challenge: named(HIDDEN),
      documents: (origin) => ({ [HIDDEN]: resourceOf(origin) }),
    });

  test('calls: the reinit after the refusal hands the URL out', async () => {
    const server = await refusing('tools/call');
    const runtime = embedded(server, http(server));
    expect(await reinit(runtime)).toMatchObject({ success: true, oauthRequired: false });
    await expect(runtime.manager.callTool({ ...ECHO, user })).rejects.toMatchObject({
      code: 'MCP_AUTHORIZATION_REQUIRED',
    });
    const { oauthRequired, oauthUrl } = await reinit(runtime);
    expect([oauthRequired, isOfAuthorizationServer(oauthUrl)]).toEqual([true, true]);
  });

  test('its list of tools: the URL is handed out at once', async () => {
    const server = await refusing('tools/list');
    const { oauthRequired, oauthUrl } = await reinit(embedded(server, http(server)));
    expect([oauthRequired, isOfAuthorizationServer(oauthUrl)]).toEqual([true, true]);
  });

  test('calls, and its config says that it wants no login: that is believed', async () => {
    const server = await refusing('tools/call');
    const runtime = embedded(server, http(server, { requiresOAuth: false }));
    await expect(runtime.manager.callTool({ ...ECHO, user })).rejects.toMatchObject({
      code: 'MCP_AUTHORIZATION_REQUIRED',
    });
    expect(await reinit(runtime)).toMatchObject({ success: true, oauthRequired: false });
  });
});

describe('a login', () => {
  const wanting = (path, text = resourceOf) =>
    guarded(always, { challenge: named(HIDDEN), documents: (origin) => ({ [path]: text(origin) }) });

  test.each([
    ['of a server whose challenge leads nowhere', RESOURCE, resourceOf],
    ['with metadata that begins with a byte order mark', HIDDEN, (origin) => `\ufeff${resourceOf(origin)}`],
  ])('%s begins at its authorization server', async (_, path, text) => {
    const server = await wanting(path, text);
    const { oauthUrl } = await reinit(embedded(server, http(server)));
    expect(isOfAuthorizationServer(oauthUrl)).toBe(true);
  });

  test('keeps the prompt that the operator wrote into the authorization URL', async () => {
    const server = await wanting(HIDDEN);
    const { issuer } = authorizationServer;
    const oauth = { client_id: 'c', token_url: `${issuer}/token`, scope: 'mcp offline_access' };
    const prompts = async (query) => {
      const authorization_url = `${issuer}/auth${query}`;
      const { oauthUrl } = await reinit(embedded(server, http(server, { oauth: { ...oauth, authorization_url } })));
      return new URL(oauthUrl).searchParams.getAll('prompt');
    };
    expect([await prompts('?prompt=select_account'), await prompts('')]).toEqual([['select_account'], ['consent']]);
  });

  test('is not waited for by a call whose caller has no oauthStart, and not begun', async () => {
    const server = await wanting(HIDDEN);
    const runtime = embedded(server, http(server));
    const before = authorizationServer.requests.length;
    const refused = { code: 'MCP_AUTHORIZATION_REQUIRED', message: expect.stringContaining('authentication required') };
    await expect(runtime.manager.callTool({ ...ECHO, user })).rejects.toMatchObject(refused);
    await expect(runtime.client('srv', { user }).listTools()).rejects.toMatchObject(refused);
    expect(authorizationServer.requests.length).toBe(before);
  });
});

describe('inspectServer: an `oauth` without requiresOAuth says that users log in', () => {
  const oauth = { client_id: 'c' };

  test.each([
    ['whatever an open server answers', async () => http(await fixtures.server(), { oauth })],
    ['where the server is not there', async () => http(await closedAddress(), { oauth })],
    ['where the server is not asked', async () => http(await closedAddress(), { oauth, startup: false })],
  ])('%s', async (_, configOf) => {
    const config = await configOf();
    const { runtime } = fixtures.runtime({ allow: [{ address: new URL(config.url).host }] });
    expect(await runtime.inspectServer('srv', config)).toMatchObject({ requiresOAuth: true });
  });
});
