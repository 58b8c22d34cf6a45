/** Runtimes in several processes that share a Redis through `librechat-mcp-native/redis`. */

const { Redis } = require('ioredis');
const { redisServices } = require('../redis');
const { useAuthorization } = require('./support/authorization');
const { createUser } = require('./support/host');
const { startIdentityProvider } = require('./support/identity-provider');
const { startProcess } = require('./support/processes');
const { startRedis } = require('./support/redis');
const { STANDALONE } = require('./support/redis-clients');
const { openRedisServices } = require('./support/redis-services');
const { startRace } = require('./support/refresh-race');
const { connected } = require('./support/results');
const { registerSecrets } = require('./support/secrets');
const { TOOLS } = require('./support/tools');
const { until } = require('./support/wait');

const RISK = 'two processes may use one refresh token';

const suite = useAuthorization();
let redis;
beforeAll(async () => {
  redis = await startRedis();
}, 300_000);
afterAll(() => redis?.close());

/** This process and another one, which serve one user. */
async function setup({ openIdConfig, config, connect = STANDALONE.ioredis, at = redis } = {}) {
  const { authorizationServer, fixtures, mongo } = suite;
  const { client } = fixtures.keep(await connect([at.port]));
  const { tokenMethods, ...services } = redisServices(client);
  const host = await suite.host({ config, services });
  const allow = [host.server.address, authorizationServer.address];
  const parameters = { mongo, redis: at.port, config: host.server.config(config), allow, openIdConfig };
  const other = fixtures.keep(startProcess('redis-host.js', parameters));
  const told = (text) => host.logger.text().split(text).length - 1;
  return { ...host, services, client, other, told };
}

test('a login that one process began is completed by another, and the call that waits goes on', async () => {
  const { user, reinit, flowManager, other, echo } = await setup();
  const waiting = reinit({ returnOnOAuth: false, oauthStart: async () => {} });
  const flow = () => flowManager.getFlowState(`${user.id}:srv`, 'mcp_oauth');
  await until('the flow', flow);
  const { state, codeVerifier, authorizationUrl } = (await flow()).metadata;
  registerSecrets(state, codeVerifier);
  const parameters = await suite.authorizationServer.signIn(authorizationUrl);
  expect(await other.ask({ callback: parameters.toString() })).toMatchObject({ value: 'completed' });
  expect(await waiting).toEqual(connected('srv', TOOLS));
  expect(await echo('here')).toContain('here');
  const { value, log } = await other.ask({ call: { user, text: 'there' } });
  expect(JSON.stringify(value)).toContain('there');
  for (const secret of [state, codeVerifier]) expect(log).not.toContain(secret);
});

test.each([
  ['its lock', { withLock: true }],
  ['its leases', { withLeases: true }],
])(
  'three processes with twenty calls each refresh once, by %s',
  async (_, by) => {
    const race = await startRace({ ...by, ownFlows: true, tokenDelayMs: 300 });
    try {
      for (let round = 0; round < 3; round += 1) {
        expect(await race.round()).toMatchObject({ refreshes: 1, failures: [] });
      }
    } finally {
      await race.close();
    }
  },
  300_000,
);

test('while a Redis with the lock alone does not answer, an expired token is refreshed, and the log names the risk', async () => {
  const { lock, flowManager } = suite.fixtures.keep(await openRedisServices(redis.url));
  const host = await suite.host({ services: { lock, flowManager } });
  const told = (text) => host.logger.text().split(text).length - 1;
  await host.authorize();
  await host.store.expire(host.user.id);
  try {
    await redis.pause();
    expect(await host.reinit()).toEqual(connected('srv', TOOLS));
    expect(await host.echo('away')).toContain('away');
    expect(told(RISK)).toBe(1);
  } finally {
    redis.resume();
  }
  await host.store.expire(host.user.id);
  expect(await host.reinit({ forceNew: true })).toEqual(connected('srv', TOOLS));
  expect(told('[MCP] lock answers again')).toBe(1);
});

describe.each(Object.entries(STANDALONE))('with the lock and the leases of %s', (_, connect) => {
  test.each([
    ['does not answer', (redis) => redis.pause(), (redis) => redis.resume()],
    ['is gone', (redis) => redis.kill(), (redis) => redis.restart({ isEmpty: true })],
  ])(
    'while Redis %s, each process refreshes what has expired, and with its lock again after that',
    async (_, goes, returns) => {
      const at = suite.fixtures.keep(await startRedis());
      const { authorize, client, echo, other, reinit, store, told, user } = await setup({ connect, at });
      const before = suite.authorizationServer.refreshes().length;
      const refreshes = () => suite.authorizationServer.refreshes().length - before;
      await authorize();
      await store.expire(user.id);
      await goes(at);
      expect(await reinit()).toEqual(connected('srv', TOOLS));
      expect(await echo('here')).toContain('here');
      expect([refreshes(), told(RISK)]).toEqual([1, 1]);
      await store.expire(user.id);
      const { value, log } = await other.ask({ call: { user, text: 'there' } });
      expect(JSON.stringify(value)).toContain('there');
      expect([refreshes(), log.split(RISK).length - 1]).toEqual([2, 1]);

      await returns(at);
      const answers = async () => (await client.ping()) === 'PONG';
      await until('Redis', () => answers().catch(() => false));
      await store.expire(user.id);
      expect(await reinit({ forceNew: true })).toEqual(connected('srv', TOOLS));
      expect([refreshes(), told('[MCP] lock answers again'), told(RISK)]).toEqual([3, 1, 1]);
    },
  );
});

test('while leases are away by which refreshes are coordinated, a refresh fails for now, and nobody is asked to sign in', async () => {
  const config = { oauthRefreshCoordination: true };
  const { authorize, echo, reinit, restart, store, user } = await setup({ config });
  await authorize();
  try {
    await redis.pause();
    expect(await echo('valid')).toContain('valid');
    await store.expire(user.id);
    await restart();
    const failure = { code: 'MCP_TOKEN_REFRESH_UNAVAILABLE', retryable: true };
    expect(await reinit()).toMatchObject({ success: false, oauthRequired: false, oauthUrl: null, error: failure });
    await expect(echo('expired')).rejects.toMatchObject(failure);
  } finally {
    redis.resume();
  }
  expect(await echo('again')).toContain('again');
});

test('a token that one process has exchanged is used by another, and Redis holds nothing in clear text', async () => {
  const assertion = 'assertion-of-the-user';
  const idp = suite.fixtures.keep(await startIdentityProvider());
  const [first, second] = [await setup({ openIdConfig: idp.config }), await setup({ openIdConfig: idp.config })];
  const federatedTokens = { access_token: assertion, expires_at: Math.floor(Date.now() / 1000) + 3600 };
  const user = createUser({ provider: 'openid', federatedTokens });
  const exchange = { user: { ...user, openidId: `subject-${user.id}` }, assertion };
  for (const { other } of [first, second]) {
    const { value, error } = await other.ask({ exchange });
    expect({ value, error }).toMatchObject({ value: { access_token: `for-${assertion}-1` } });
  }
  expect(idp.exchanges).toHaveLength(1);
  const client = new Redis(redis.url);
  const keys = await client.keys('librechat-mcp:token:*');
  const values = await Promise.all(keys.map((key) => client.get(key)));
  client.disconnect();
  expect(values).toHaveLength(1);
  expect([...keys, ...values].join(' ')).not.toContain(assertion);
});
