/** Leases of the host's flow manager: of all processes one refreshes, one writes, and none across a teardown. */

const { randomUUID } = require('node:crypto');
const { LeasingFlowManager } = require('./support/flows');
const { COORDINATED, UNAVAILABLE, WatchedFlowManager, fenceOf, useLeases } = require('./support/leases');
const { startRedis } = require('./support/redis');
const { openRedisServices } = require('./support/redis-services');
const { never, until } = require('./support/wait');

const suite = useLeases();

describe('a refresh', () => {
  test('asks for the leases that LibreChat asks for, and gives them back', async () => {
    const { echo, flowManager, user, refreshes } = await suite.signedIn({ services: { getTenantId: () => 'acme' } });
    expect(await echo('hello')).toContain('hello');
    expect(refreshes()).toBe(1);
    const fence = ['acme', user.id, 'srv'];
    expect(flowManager.asked).toEqual([
      ['generation', fence],
      ['lease', ['refresh', ...fence], { leaseMs: 120_000, waitMs: 0 }],
      ['lease', fence, { expectedGeneration: 0 }],
    ]);
    expect(flowManager.held.size).toBe(0);
  });

  test('asks for the fence alone where the config does not coordinate', async () => {
    const { echo, flowManager, user } = await suite.signedIn({ config: {} });
    expect(await echo('hello')).toContain('hello');
    const fence = ['', user.id, 'srv'];
    expect(flowManager.asked).toEqual([
      ['generation', fence],
      ['lease', fence, { expectedGeneration: 0 }],
    ]);
  });

  test('fails for now while another process refreshes, and asks nobody to sign in', async () => {
    const config = { ...COORDINATED, oauthRefreshWaitTimeout: 50 };
    const { echo, reinit, flowManager, flight, refreshes } = await suite.signedIn({ config });
    const lease = await flowManager.acquireLease(flight, {});
    const failed = await reinit();
    expect(failed).toMatchObject({ success: false, oauthRequired: false, oauthUrl: null, error: UNAVAILABLE });
    const error = await echo('hello').catch((error) => error);
    expect(error).toMatchObject({
      ...UNAVAILABLE,
      message: expect.stringContaining('OAuth token refresh is temporarily unavailable for "srv"'),
    });
    expect(refreshes()).toBe(0);
    await lease.release();
    expect(await echo('hello')).toContain('hello');
    expect(refreshes()).toBe(1);
    expect(flowManager.held.size).toBe(0);
  });

  test('uses what another process has stored meanwhile', async () => {
    const { echo, flowManager, flight, refreshes, store, user } = await suite.signedIn();
    const lease = await flowManager.acquireLease(flight, {});
    const answer = echo('hello');
    await until('a try', () => flowManager.asked.filter(([, [name]]) => name === 'refresh').length > 2);
    await store.expire(user.id, 600_000);
    await lease.release();
    expect(await answer).toContain('hello');
    expect(refreshes()).toBe(0);
    expect(flowManager.held.size).toBe(0);
  });

  test.each([
    ['throws', async () => Promise.reject(new Error('the cache is away')), 'the cache is away'],
    ['gives something else', async () => ({ generation: 0 }), 'must resolve to an object with release()'],
  ])('is not sent where acquireLease %s', async (_, acquireLease, why) => {
    const { echo, reinit, flowManager, refreshes } = await suite.signedIn();
    const healthy = flowManager.acquireLease;
    flowManager.acquireLease = acquireLease;
    const error = (await reinit()).error;
    expect(error).toMatchObject(UNAVAILABLE);
    const thrown = await echo('hello').catch((error) => error);
    expect(thrown).toMatchObject(UNAVAILABLE);
    const causes = [];
    for (let cause = thrown; cause; cause = cause.cause) causes.push(cause.message);
    expect(causes.join('\n')).toContain(why);
    expect(refreshes()).toBe(0);
    flowManager.acquireLease = healthy;
    expect(await echo('hello')).toContain('hello');
  });

  test('is not sent where acquireLease hangs, and a lease that comes too late is given back', async () => {
    const { reinit, flowManager, refreshes } = await suite.signedIn();
    const release = jest.fn(async () => {});
    let answer = never;
    flowManager.acquireLease = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    expect((await reinit()).error).toMatchObject(UNAVAILABLE);
    expect(refreshes()).toBe(0);
    answer({ generation: 0, release });
    await until('its end', () => release.mock.calls.length === 1);
  }, 60_000);

  test.each([2, 3])('is stored although the fence fails, but not after three times: %i', async (times) => {
    const { reinit, flowManager, fence, refreshes } = await suite.signedIn();
    const { acquireLease } = flowManager;
    let left = times;
    flowManager.acquireLease = async (id, options) => {
      if (id === fence && left-- > 0) throw new Error('the cache is away');
      return acquireLease.call(flowManager, id, options);
    };
    const stored = { success: true };
    expect(await reinit()).toMatchObject(times < 3 ? stored : { success: false, error: UNAVAILABLE });
    expect(refreshes()).toBe(1);
    expect(flowManager.held.size).toBe(0);
  });

  test('that a teardown overtakes is not stored', async () => {
    const { reinit, flowManager, user, store, runtime, refreshes } = await suite.signedIn();
    const held = suite.authorizationServer.hold('received');
    const answer = reinit();
    const release = await held;
    const { deleteTokens: deleteToken } = store.services.tokenMethods;
    await flowManager.tearDown(user.id, async () => {
      await runtime.tokens.deleteUserTokens({ userId: user.id, serverName: 'srv', deleteToken });
      await runtime.oauth.deleteFlowAndStateMapping(`${user.id}:srv`, flowManager);
    });
    release();
    expect(await answer).toMatchObject({ oauthRequired: true, oauthUrl: expect.any(String) });
    expect(refreshes()).toBe(1);
    expect(await store.rows(user.id)).toEqual({});
    expect(flowManager.held.size).toBe(0);
  });

  test('that waits for another process to write ends when the runtime closes', async () => {
    // Longer than a test may take.
    const config = { ...COORDINATED, oauthPersistenceWaitTimeout: 600_000 };
    const { echo, server, store, user, runtime, flowManager, fence } = await suite.signedIn({ config });
    expect(await echo('hello')).toContain('hello');
    server.refused.add((await store.plain(user.id)).mcp_oauth);
    await flowManager.acquireLease(fence, {});
    flowManager.asked = [];
    const answer = echo('again').catch((error) => error);
    await until('its wait', () => flowManager.asked.some(([, , options]) => options?.waitMs === 600_000));
    await runtime.close();
    expect(await answer).toMatchObject({ code: expect.stringMatching(/^MCP_/) });
  });

  test('during a teardown nobody refreshes, and no flow begins', async () => {
    const { reinit, flowManager, fence, refreshes } = await suite.signedIn();
    const teardown = await flowManager.acquireLease(fence, { advanceGeneration: true });
    expect(await reinit()).toMatchObject({ success: false, error: { message: expect.stringContaining('teardown') } });
    expect(refreshes()).toBe(0);
    await teardown.release();
    expect((await reinit()).success).toBe(true);
    expect(refreshes()).toBe(1);
  });

  test('that fails for now asks nobody to sign in', async () => {
    const { reinit, echo, refreshes } = await suite.signedIn();
    await suite.authorizationServer.fail(503);
    try {
      expect(await reinit()).toMatchObject({ success: false, oauthUrl: null, error: UNAVAILABLE });
    } finally {
      await suite.authorizationServer.fail();
    }
    expect(await echo('hello')).toContain('hello');
    expect(refreshes()).toBe(1);
  });
});

describe('a login', () => {
  /** A user who has come back to the authorization server’s redirect URI, and whose tokens nobody has stored. */
  async function signingIn(config) {
    const flowManager = new WatchedFlowManager();
    const host = await suite.host({ config, services: { flowManager } });
    const waiting = host.reinit({ returnOnOAuth: false, oauthStart: (url) => url });
    const flowId = `${host.user.id}:srv`;
    await until('the flow', () => flowManager.getFlowState(flowId, 'mcp_oauth'));
    const { metadata } = await flowManager.getFlowState(flowId, 'mcp_oauth');
    const complete = async () => {
      const parameters = await suite.authorizationServer.signIn(metadata.authorizationUrl);
      const { tokens } = host.runtime;
      await host.runtime.oauth.completeOAuthFlow(
        flowId,
        parameters.get('code'),
        flowManager,
        {},
        {
          state: parameters.get('state'),
          iss: parameters.get('iss'),
        },
      );
      return tokens;
    };
    return { ...host, flowManager, metadata, flowId, waiting, complete, fence: fenceOf(host.user.id) };
  }

  test('is begun and stored under the fence, and ends the wait of those who wait for tokens', async () => {
    const { flowManager, metadata, waiting, complete, flowId, fence, store, user } = await signingIn({
      oauthPersistenceWaitTimeout: 7000,
    });
    // LibreChat's callback route waits so long.
    expect(metadata.oauthPersistenceWaitTimeout).toBe(7000);
    expect(flowManager.asked).toContainEqual(['lease', JSON.parse(fence), { expectedGeneration: 0 }]);
    const handler = jest.fn();
    await flowManager.initFlow(flowId, 'mcp_get_tokens');
    const librechats = flowManager.createFlowWithHandler(flowId, 'mcp_get_tokens', handler);
    await complete();
    expect((await waiting).success).toBe(true);
    expect(flowManager.asked).toContainEqual(['lease', JSON.parse(fence), { expectedGeneration: 0, waitMs: 7000 }]);
    expect(flowManager.held.size).toBe(0);
    // Whoever waits is given what is stored.
    const { mcp_oauth: access_token } = await store.plain(user.id);
    expect(await librechats).toMatchObject({ access_token, credential_set_id: expect.any(String) });
    expect(handler).not.toHaveBeenCalled();
  });

  test('that an uninstall overtakes is not stored', async () => {
    const { flowManager, waiting, complete, store, user } = await signingIn();
    await complete();
    await flowManager.tearDown(user.id);
    expect(await waiting).toMatchObject({ success: false });
    expect(await store.rows(user.id)).toEqual({});
    expect(flowManager.held.size).toBe(0);
  });

  test('is not stored while another process writes', async () => {
    const { flowManager, waiting, complete, fence, store, user } = await signingIn({ oauthPersistenceWaitTimeout: 50 });
    const lease = await flowManager.acquireLease(fence, {});
    await complete();
    expect(await waiting).toMatchObject({ success: false });
    expect(await store.rows(user.id)).toEqual({});
    await lease.release();
    expect(flowManager.held.size).toBe(0);
  });
});

describe('the leases of the example', () => {
  let redis;
  beforeAll(async () => {
    redis = await startRedis();
  }, 300_000);
  afterAll(() => redis?.close());

  test.each(['memory', 'Redis'])('in %s', async (where) => {
    const inRedis = async () =>
      suite.fixtures.keep(await openRedisServices(redis.url, { withLeases: true })).flowManager;
    const flowManager = where === 'memory' ? new LeasingFlowManager() : await inRedis();
    const id = randomUUID();
    const at = (options) => flowManager.acquireLease(id, { waitMs: 0, ...options });
    expect(await flowManager.getLeaseGeneration(id)).toBe(0);
    const first = await at({ expectedGeneration: 0 });
    expect(first.generation).toBe(0);
    expect(await at()).toBeNull();
    // Who works on it does not hide the generation; who tears it down does.
    expect(await flowManager.getLeaseGeneration(id)).toBe(0);
    const waiting = at({ waitMs: 10_000, advanceGeneration: true });
    await first.release();
    const teardown = await waiting;
    expect(teardown.generation).toBe(1);
    expect(await flowManager.getLeaseGeneration(id)).toBeNull();
    await first.release();
    expect(await at()).toBeNull();
    await teardown.release();
    expect(await flowManager.getLeaseGeneration(id)).toBe(1);
    expect(await at({ expectedGeneration: 0 })).toBeNull();
    // The time of one that nobody releases ends.
    expect((await at({ leaseMs: 1 })).generation).toBe(1);
    expect((await at({ waitMs: 10_000 })).generation).toBe(1);
    expect(await at({ waitMs: 30 })).toBeNull();
  });
});
