/** Tokens on behalf of users: whose reach the server, what happens when they end, processes that share them. */

const { default: KeyvRedis } = require('@keyv/redis');
const { useFixtures } = require('./support/fixtures');
const { openIdUser } = require('./support/host');
const { startIdentityProvider } = require('./support/identity-provider');
const { startRedis } = require('./support/redis');
const { runScript } = require('./support/script');
const { delay } = require('./support/wait');

const fixtures = useFixtures();
const provider = 'openai';

async function setup({ config, services, ...options } = {}) {
  const idp = fixtures.keep(await startIdentityProvider(options));
  const server = await fixtures.server();
  const host = fixtures.runtime({
    servers: { srv: server.config({ obo: { scopes: 'api://server/.default' }, ...config }) },
    allow: [server],
    services: { openIdConfig: () => idp.config, ...services },
  });
  const call = (user, text) =>
    host.runtime.manager.callTool({ user, serverName: 'srv', toolName: 'echo', toolArguments: { text }, provider });
  /** The bearer of each tool call, with the text that was sent. */
  const bearers = () =>
    server.requests
      .filter(({ message }) => message?.method === 'tools/call')
      .map(({ headers, message }) => [message.params.arguments.text, headers.authorization]);
  return { ...host, idp, server, call, bearers };
}

/** Answers 401 to requests with these tokens. */
function refuse(server, ...tokens) {
  server.fault = ({ request, response }) => {
    if (!tokens.some((token) => request.headers.authorization === `Bearer ${token}`)) return false;
    response.writeHead(401).end();
    return true;
  };
}

describe('whose token', () => {
  test.each([
    ['connections of users', undefined],
    ['headers with the user’s name', { headers: { 'X-User': '{{LIBRECHAT_USER_ID}}' } }],
  ])('a hundred users at once, %s: each request has its own user’s', async (_, config) => {
    const { idp, call, bearers, logger } = await setup({ config });
    const users = Array.from({ length: 100 }, (_, index) => openIdUser(`assertion-${index}`));
    await Promise.all(users.map((user) => call(user, user.federatedTokens.access_token)));
    expect(bearers()).toHaveLength(100);
    for (const [assertion, bearer] of bearers()) expect(bearer).toBe(`Bearer for-${assertion}-1`);
    expect(idp.exchanges).toHaveLength(100);
    expect(logger.text()).not.toMatch(/assertion-\d|secret-of-the-client/);
  });
});

test('exchanges and lookups are counted', async () => {
  const { runtime, call } = await setup();
  const user = openIdUser('one');
  await call(user, 'a');
  await call(user, 'b');
  const { oboCacheLookups, oboExchanges, oboExchangeDuration } = runtime.stats();
  expect(oboCacheLookups.miss).toBe(1);
  expect(oboCacheLookups.hit).toBeGreaterThanOrEqual(1);
  expect(oboExchanges).toEqual({ srv: { ok: 1 } });
  expect(oboExchangeDuration).toMatchObject({ count: 1 });
});

describe('a token that ends during a connection', () => {
  test('expired: the next call has another one', async () => {
    const { idp, call, bearers } = await setup({ lifetime: 1 });
    const user = openIdUser('one');
    await call(user, 'a');
    await delay(1100);
    idp.lifetime = 3600;
    await call(user, 'b');
    await call(user, 'c');
    const [first, second, third] = bearers().map(([, bearer]) => bearer);
    expect(second).not.toBe(first);
    expect(third).toBe(second);
  });

  test('revoked: the server’s 401 leads to another one, and the call is made', async () => {
    const { server, call, bearers } = await setup();
    const user = openIdUser('one');
    await call(user, 'a');
    refuse(server, 'for-one-1');
    const [text] = await call(user, 'b');
    expect(JSON.stringify(text)).toContain('b');
    expect(bearers()).toEqual([
      ['a', 'Bearer for-one-1'],
      ['b', 'Bearer for-one-1'],
      ['b', 'Bearer for-one-2'],
    ]);
  });

  test('revoked while the tools are listed for `pinTools`: the same', async () => {
    let tenant = 'one';
    const { server, call, bearers } = await setup({
      config: { pinTools: 'block' },
      services: { getTenantId: () => tenant },
    });
    const user = openIdUser('one');
    await call(user, 'a');
    refuse(server, 'for-one-1');
    // Nobody of this tenant has seen the tools.
    tenant = 'two';
    await call(user, 'b');
    expect(bearers()).toEqual([
      ['a', 'Bearer for-one-1'],
      ['b', 'Bearer for-one-2'],
    ]);
  });

  test('refused for good: the call fails, and nobody else’s token is tried', async () => {
    const { server, call, bearers, logger } = await setup();
    const [one, other] = [openIdUser('one'), openIdUser('other')];
    await call(one, 'a');
    await call(other, 'a');
    refuse(server, 'for-one-1', 'for-one-2');
    await expect(call(one, 'b')).rejects.toMatchObject({ status: 401 });
    await call(other, 'c');
    const of = (text) => bearers().filter(([sent]) => sent === text);
    for (const [, bearer] of of('b')) expect(bearer).toMatch(/^Bearer for-one-[12]$/);
    expect(of('c')).toEqual([['c', 'Bearer for-other-1']]);
    expect(logger.text()).not.toMatch(/for-one|for-other/);
  });
});

test('two processes with one Redis exchange once, and Redis holds nothing in clear text', async () => {
  const idp = fixtures.keep(await startIdentityProvider({ delayMs: 200 }));
  const redis = fixtures.keep(await startRedis());
  const parameters = {
    redis: redis.url,
    openIdConfig: idp.config,
    credentialsKey: '5a'.repeat(32),
    user: openIdUser('assertion-of-the-user'),
    assertion: 'assertion-of-the-user',
  };
  for (let process = 0; process < 2; process += 1) {
    const { code, output } = await runScript('exchange.js', parameters);
    expect({ code, output }).toMatchObject({ code: 0 });
    const { tokens, log } = JSON.parse(output);
    expect(tokens).toEqual(['for-assertion-of-the-user-1']);
    expect(log).not.toMatch(/assertion-of-the-user|secret-of-the-client/);
    expect(idp.exchanges).toHaveLength(1);
  }
  const store = new KeyvRedis(redis.url);
  const client = await store.getClient();
  const keys = await client.keys('*');
  const values = await Promise.all(keys.map((key) => client.get(key)));
  await store.disconnect();
  expect(values).toHaveLength(1);
  expect([...keys, ...values].join(' ')).not.toContain('assertion-of-the-user');
});
