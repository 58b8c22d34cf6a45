/** One refresh for all processes, whatever becomes of them. */

const { completeAuthorization, useAuthorization } = require('./support/authorization');
const { startProcess } = require('./support/processes');
const { startRedis } = require('./support/redis');
const { startRace } = require('./support/refresh-race');
const { openRedisServices } = require('./support/redis-services');
const { connected } = require('./support/results');
const { TOOLS } = require('./support/tools');
const { delay, until } = require('./support/wait');

const LOCK_MS = 1500;

describe('three processes with twenty calls each, at a server that revokes the grant on reuse', () => {
  const ROUNDS = 3;

  // A claim that is written while another process has yet to read is best effort: docs/oauth.md, "Several processes".
  test.each([
    ['with the host’s leases, at the same moment', { withLeases: true }],
    ['with the host’s lock, at the same moment', { withLock: true }],
    ['with claims in the flow store, one a moment earlier', { afterClaim: true }],
  ])(
    '%s: one refresh, and every call succeeds',
    async (_, { afterClaim = false, ...by }) => {
      const race = await startRace({ ...by, tokenDelayMs: 300 });
      try {
        for (let round = 0; round < ROUNDS; round += 1) {
          const outcome = await race.round({ afterClaim });
          expect(outcome).toMatchObject({ refreshes: 1, failures: [] });
        }
      } finally {
        await race.close();
      }
    },
    300_000,
  );
});

describe('beside other processes', () => {
  const suite = useAuthorization();
  let redis;
  beforeAll(async () => {
    redis = await startRedis();
  }, 300_000);
  afterAll(() => redis?.close());

  /** A user whose token has expired, and a process that begins to refresh it. */
  async function setup({ withLock = true, withLeases = false, lockMs = LOCK_MS, config } = {}) {
    const { fixtures, mongo, authorizationServer } = suite;
    const shared = await openRedisServices(redis.url, { lockMs, withLeases });
    const { flowManager, lock, endLease } = fixtures.keep(shared);
    const host = await suite.host({ config, services: { flowManager, ...(withLock && { lock }) } });
    await host.authorize();
    await host.store.expire(host.user.id);
    const parameters = {
      mongo,
      redis: redis.url,
      withLock,
      withLeases,
      lockMs,
      config: host.server.config(config),
      allow: [host.server.address, authorizationServer.address],
    };
    const other = startProcess('refresh.js', parameters);
    fixtures.keep({ close: other.kill });
    const before = authorizationServer.refreshes().length;
    return { ...host, other, endLease, refreshes: () => authorizationServer.refreshes().length - before };
  }

  /** Has the other process get to that point, and kills it there. */
  async function killedAt(hangAt, options) {
    const host = await setup(options);
    const { id } = host.user;
    expect(await host.other.ask({ users: [host.user], calls: 1, hangAt })).toEqual({ reached: hangAt, user: id });
    await host.other.kill();
    return host;
  }

  /** The same, while the authorization server holds its request. */
  async function killedWhileHeld(moment) {
    const host = await setup();
    const held = suite.authorizationServer.hold(moment);
    host.other.ask({ users: [host.user], calls: 1 }).catch(() => {});
    await held;
    await host.other.kill();
    return host;
  }

  test.each([
    ['the host’s lock', true],
    ['claims', false],
  ])('with %s: waits while LibreChat’s own manager refreshes, and uses what that stored', async (_, withLock) => {
    const { user, server, runtime, flowManager, store, echo, refreshes } = await setup({ withLock });
    const { oauth, tokens } = runtime;
    const allowed = [server.address, suite.authorizationServer.address];
    // As LibreChat's MCPConnectionFactory does it.
    const refreshTokens = async (token, known) => {
      await delay(500);
      return oauth.refreshOAuthTokens(token, { ...known, serverUrl: server.url }, {}, {}, null, allowed);
    };
    const row = { userId: user.id, serverName: 'srv', ...store.services.tokenMethods };
    const librechats = flowManager.createFlowWithHandler(`${user.id}:srv`, 'mcp_get_tokens', () =>
      tokens.getTokens({ ...row, refreshTokens }),
    );
    await until('its flow', () => flowManager.getFlowState(`${user.id}:srv`, 'mcp_get_tokens'));
    expect(await echo('hello')).toContain('hello');
    expect(refreshes()).toBe(1);
    expect(await librechats).toMatchObject({ access_token: (await store.plain(user.id)).mcp_oauth });
  });

  test.each([
    ['the host’s lock', true],
    ['claims', false],
  ])(
    'with %s: LibreChat’s own manager waits while this one refreshes, and uses what that stored',
    async (_, withLock) => {
      const { user, flowManager, store, echo, refreshes } = await setup({ withLock });
      const ours = echo('hello');
      await until('its flow', () => flowManager.getFlowState(`${user.id}:srv`, 'mcp_get_tokens'));
      const handler = jest.fn();
      const librechats = [1, 2, 3].map(() =>
        flowManager.createFlowWithHandler(`${user.id}:srv`, 'mcp_get_tokens', handler),
      );
      expect(await ours).toContain('hello');
      const { mcp_oauth } = await store.rows(user.id);
      const { mcp_oauth: access_token } = await store.plain(user.id);
      const { credential_set_id } = mcp_oauth.metadata;
      for (const tokens of await Promise.all(librechats)) {
        expect(tokens).toMatchObject({ access_token, token_type: 'Bearer', credential_set_id });
        expect(tokens.expires_at).toBeGreaterThan(Date.now());
      }
      expect(handler).not.toHaveBeenCalled();
      expect(refreshes()).toBe(1);
    },
  );

  test('killed before the request: the next one refreshes when the lock has expired', async () => {
    const host = await killedAt('before findToken mcp_oauth_client');
    expect(host.refreshes()).toBe(0);
    expect(await host.echo('hello')).toContain('hello');
    expect(host.refreshes()).toBe(1);
  });

  test('killed before the request, with a claim: the next one refreshes when the claim is old', async () => {
    const host = await killedAt('before findToken mcp_oauth_client', { withLock: false });
    const { flowManager, user } = host;
    const key = flowManager.key(`${user.id}:srv`, 'mcp_get_tokens');
    const claim = await flowManager.keyv.get(key);
    await flowManager.keyv.set(key, { ...claim, createdAt: claim.createdAt - 19_000 });
    expect(await host.echo('hello')).toContain('hello');
    expect(host.refreshes()).toBe(1);
    expect(await flowManager.keyv.get(key)).toMatchObject({ status: 'COMPLETED' });
  });

  test('killed with a lease: retryable failures until that ends, nobody is asked, and the next one refreshes', async () => {
    const config = { oauthRefreshCoordination: true, oauthRefreshWaitTimeout: 100 };
    const options = { withLock: false, withLeases: true, lockMs: 600_000, config };
    const host = await killedAt('before findToken mcp_oauth_client', options);
    const failure = { code: 'MCP_TOKEN_REFRESH_UNAVAILABLE', retryable: true };
    expect(await host.reinit()).toMatchObject({ success: false, oauthRequired: false, oauthUrl: null, error: failure });
    await expect(host.echo('hello')).rejects.toMatchObject(failure);
    expect(host.refreshes()).toBe(0);
    await host.endLease(JSON.stringify(['refresh', '', host.user.id, 'srv']));
    expect(await host.echo('hello')).toContain('hello');
    expect(host.refreshes()).toBe(1);
  });

  test('killed with the request sent, and not carried out: the refresh token is still good', async () => {
    const host = await killedWhileHeld('received');
    expect(await host.echo('hello')).toContain('hello');
    expect(host.refreshes()).toBe(1);
  });

  test('killed after storing, before anybody was told: the token is used at once', async () => {
    const host = await killedAt('after updateToken mcp_oauth_client');
    expect(await host.echo('hello')).toContain('hello');
    expect(host.refreshes()).toBe(1);
  });

  // Nobody has the new refresh token any more, or knows whose it is, and the old one counts as stolen: only the user can help.
  test.each([
    ['killed with the request carried out, and not answered', () => killedWhileHeld('carried out')],
    ['killed with the answer, before anything was stored', () => killedAt('before updateToken mcp_oauth')],
    ['killed when one row was stored', () => killedAt('before updateToken mcp_oauth_refresh')],
    ['killed when two rows were stored', () => killedAt('before updateToken mcp_oauth_client')],
  ])('%s: the user is asked, and nothing stands in the way', async (_, killed) => {
    const host = await killed();
    const again = await host.reinit();
    expect(again).toMatchObject({ success: true, oauthRequired: true, oauthUrl: expect.any(String) });
    await completeAuthorization(host, await suite.authorizationServer.signIn(again.oauthUrl));
    expect(await host.reinit()).toEqual(connected('srv', TOOLS));
  });
});
