/** Enterprise-managed authorization: where ID tokens, ID-JAGs and tokens go, and where they never do. */

const { default: KeyvRedis } = require('@keyv/redis');
const { Keyv } = require('keyv');
const addon = require('./support/addon');
const { startParty, startServersProvider, useEnterprise } = require('./support/enterprise');
const { rejection } = require('./support/live-tokens');
const { startRedis } = require('./support/redis');
const { recordError } = require('./support/secrets');
const { never, until } = require('./support/wait');

const { fixtures, setup } = useEnterprise();

async function failure(promise) {
  const error = await rejection(promise);
  recordError(error);
  return error;
}

/** A client without a secret: the MCP server says which authorization server it has. */
const PUBLIC = {
  isPublic: true,
  oauth: () => ({ issuer: undefined, client_secret: undefined }),
};

describe('an authorization server that somebody swaps', () => {
  test('the first one stays: the other gets nothing, and no ID-JAG is made for it', async () => {
    const world = await setup(PUBLIC);
    const { idp, as, announced, call, user, registry } = world;
    const evil = fixtures.keep(await startServersProvider(idp, { isPublic: true }));
    registry.allowedAddresses.push(evil.address);
    await call({ user: user('alice') });
    announced.issuer = evil.issuer;
    const error = await failure(call({ user: user('bob') }));
    expect(error).toMatchObject({ code: 'OBO_EXCHANGE_FAILED', detail: 'invalid_response', mendedBy: 'server' });
    expect(JSON.stringify(error.cause?.cause?.message ?? error.message)).toContain('another authorization server');
    expect(evil.requests).toEqual([]);
    expect(idp.requests.map(({ form }) => form.audience)).toEqual([as.issuer]);
  });

  test('metadata of another issuer', async () => {
    const { idp, as, call, user } = await setup(PUBLIC);
    as.metadata = { issuer: 'https://somebody-else.example' };
    const error = await failure(call({ user: user('alice') }));
    expect(error).toMatchObject({ code: 'OBO_EXCHANGE_FAILED', mendedBy: 'server' });
    expect([idp.requests, as.requests]).toEqual([[], []]);
  });

  test('a token endpoint at another origin than its issuer', async () => {
    const { idp, as, call, user, registry } = await setup(PUBLIC);
    const evil = fixtures.keep(await startServersProvider(idp, { isPublic: true }));
    registry.allowedAddresses.push(evil.address);
    as.metadata = { token_endpoint: evil.tokenUrl };
    expect(await failure(call({ user: user('alice') }))).toMatchObject({ mendedBy: 'server' });
    expect([idp.requests, as.requests, evil.requests]).toEqual([[], [], []]);
  });

  test('of the config: what the MCP server names is not asked', async () => {
    const { idp, as, announced, call, user, calls } = await setup();
    const evil = fixtures.keep(await startServersProvider(idp));
    announced.issuer = evil.issuer;
    await call({ user: user('alice') });
    expect(calls()).toEqual([['hi', 'alice']]);
    expect(idp.requests.map(({ form }) => form.audience)).toEqual([as.issuer]);
    expect(evil.requests).toEqual([]);
  });
});

describe('redirects are not followed', () => {
  test.each(['idp', 'as'])('of the %s', async (party) => {
    const world = await setup();
    const evil = fixtures.keep(await startParty({}, () => ({})));
    world.registry.allowedAddresses.push(evil.address);
    world[party].answer = () => ({ status: 307, headers: { location: evil.tokenUrl }, access_token: undefined });
    const error = await failure(world.call({ user: world.user('alice') }));
    expect(error).toMatchObject({ code: 'OBO_EXCHANGE_FAILED', retryable: false });
    expect(evil.requests).toEqual([]);
    expect(world.server.received('initialize')).toEqual([]);
  });
});

describe('whose config', () => {
  test.each([
    ['a user’s', { source: 'user' }],
    ['one that is stored', { source: 'user', dbId: 'db1' }],
    ['a plugin’s', { source: 'plugin' }],
  ])('%s gets nothing', async (_, config) => {
    const { idp, call, user, server } = await setup({ config });
    expect(await failure(call({ user: user('alice') }))).toMatchObject({
      code: 'MCP_INVALID_CONFIG',
      message: expect.stringContaining("operator's config only"),
    });
    expect([idp.requests, server.received('initialize')]).toEqual([[], []]);
  });

  test('one that the host does not trust', async () => {
    const { idp, call, user } = await setup({ services: () => ({ oboTrustChecker: async () => false }) });
    expect(await failure(call({ user: user('alice') }))).toMatchObject({ code: 'OBO_NOT_TRUSTED' });
    expect(idp.requests).toEqual([]);
  });

  test('over WebSocket there is no place for a user’s token', async () => {
    const address = '127.0.0.1:9';
    const config = { type: 'websocket', url: `ws://${address}/mcp` };
    const { idp, call, user } = await setup({ config, allow: [address] });
    expect(await failure(call({ user: user('alice') }))).toMatchObject({
      code: 'MCP_INVALID_CONFIG',
      message: expect.stringContaining('oauth.grant: enterprise is not available over the websocket transport'),
    });
    expect(idp.requests).toEqual([]);
  });

  test('an issuer that nobody knows', async () => {
    const { idp, call, user } = await setup({
      oauth: ({ as }) => ({ issuer: undefined, token_url: as.tokenUrl }),
    });
    const error = await failure(call({ user: user('alice') }));
    expect(error).toMatchObject({ code: 'OBO_EXCHANGE_FAILED', detail: 'configuration', mendedBy: 'operator' });
    expect(idp.requests).toEqual([]);
  });

  test('an identity provider that nobody has configured', async () => {
    const { call, user, as } = await setup({ oauth: () => ({ identity_provider: undefined }) });
    const error = await failure(call({ user: user('alice') }));
    expect(error).toMatchObject({ code: 'OBO_EXCHANGE_FAILED', detail: 'configuration', mendedBy: 'operator' });
    expect(as.requests).toEqual([]);
  });
});

describe('whose connection', () => {
  const config = {
    type: 'streamable-http',
    url: 'https://a.example/mcp',
    oauth: { grant: 'enterprise', client_id: 'c' },
  };

  test('is each user’s own, and nobody authorizes with the server', () => {
    expect(addon.requiresUserScopedConnection(config)).toBe(true);
    expect(addon.canUseAppConnection(config)).toBe(false);
    expect(addon.isOAuthServer(config)).toBe(false);
    expect(addon.isOAuthServer({ ...config, requiresOAuth: true })).toBe(false);
    expect(addon.requiresOAuthMachinery(config)).toBe(true);
  });

  test('who may not configure on-behalf-of may not configure it either', () => {
    const check = (incoming, existing) => addon.checkOboPermission({ existing, incoming, canConfigureObo: false });
    expect(check(config)).toEqual({ allowed: false, status: 403, lockedFields: ['oauth'] });
    expect(check({ ...config, url: 'https://b.example/mcp' }, config)).toMatchObject({ lockedFields: ['url'] });
    expect(check({ ...config, title: 'A' }, config)).toEqual({ allowed: true });
  });

  test('an inspection asks nobody, and finds no OAuth', async () => {
    const { runtime, server, serverConfig } = await setup();
    const inspected = await runtime.inspectServer('srv', serverConfig);
    expect(inspected.requiresOAuth).toBe(false);
    expect(inspected.tools).toBeUndefined();
    expect(server.requests).toEqual([]);
  });
});

test('two processes with one Redis exchange once, and Redis holds nothing in clear text', async () => {
  const redis = fixtures.keep(await startRedis());
  const cache = new Keyv({ store: new KeyvRedis(redis.url), namespace: 'exchanged' });
  fixtures.keep({ close: () => cache.disconnect() });
  const { idp, as, call, another, user, calls } = await setup({
    services: () => ({ credentialsKey: '5a'.repeat(32), exchangedTokens: () => cache }),
  });
  const alice = user('alice');
  await call({ user: alice });
  const params = {
    user: alice,
    serverName: 'srv',
    toolName: 'echo',
    toolArguments: { text: 'there' },
    provider: 'openai',
  };
  await another().runtime.manager.callTool(params);
  expect(calls()).toEqual([
    ['hi', 'alice'],
    ['there', 'alice'],
  ]);
  expect([idp.requests.length, as.requests.length]).toEqual([1, 1]);
  const store = new KeyvRedis(redis.url);
  const client = await store.getClient();
  const keys = await client.keys('*');
  const values = await Promise.all(keys.map((key) => client.get(key)));
  await store.disconnect();
  expect(values).toHaveLength(1);
  expect([...keys, ...values].join(' ')).not.toMatch(/for-alice|eyJ|alice/);
});

test('who gives up waits for nobody', async () => {
  const { as, call, user } = await setup();
  as.answer = never;
  const stop = new AbortController();
  const called = failure(call({ user: user('alice'), options: { signal: stop.signal } }));
  await until('the token request', () => as.requests.length > 0);
  stop.abort();
  expect(await called).toMatchObject({ code: 'MCP_ABORTED' });
});
