/** Leases of the host's flow manager: of all processes one refreshes, one writes, and none across a teardown. */

const { randomUUID } = require('node:crypto');
const addon = require('./support/addon');
const { useAuthorization } = require('./support/authorization');
const { LeasingFlowManager } = require('./support/flows');
const { startRedis } = require('./support/redis');
const { openRedisServices } = require('./support/redis-services');
const { until } = require('./support/wait');

const suite = useAuthorization();

const COORDINATED = { oauthRefreshCoordination: true };
const UNAVAILABLE = { code: 'MCP_TOKEN_REFRESH_UNAVAILABLE', retryable: true };

const fenceOf = (userId, tenant = '') => JSON.stringify([tenant, userId, 'srv']);
const flightOf = (userId, tenant = '') => JSON.stringify(['refresh', tenant, userId, 'srv']);

/** A flow manager that tells what leases it was asked for, and which of them are still held. */
class WatchedFlowManager extends LeasingFlowManager {
  asked = [];
  held = new Set();

  async getLeaseGeneration(id) {
    this.asked.push(['generation', JSON.parse(id)]);
    return super.getLeaseGeneration(id);
  }

  async acquireLease(id, options) {
    this.asked.push(['lease', JSON.parse(id), options]);
    const lease = await super.acquireLease(id, options);
    if (!lease) return null;
    this.held.add(lease);
    const release = async () => {
      this.held.delete(lease);
      await lease.release();
    };
    return { ...lease, release };
  }

  /** What an uninstall does: what was begun before it is of no use any more. */
  async tearDown(userId, forget = async () => {}) {
    const lease = await this.acquireLease(fenceOf(userId), { advanceGeneration: true });
    await forget();
    await lease.release();
  }
}

/** A user who is signed in, and whose token has expired. */
async function signedIn({ config = COORDINATED, services, flowManager = new WatchedFlowManager(), ...options } = {}) {
  const host = await suite.host({ ...options, config, services: { ...services, flowManager } });
  await host.authorize();
  const expire = () => host.store.expire(host.user.id);
  await expire();
  const before = suite.authorizationServer.refreshes().length;
  flowManager.asked = [];
  const refreshes = () => suite.authorizationServer.refreshes().length - before;
  return { ...host, expire, refreshes, fence: fenceOf(host.user.id), flight: flightOf(host.user.id) };
}

const never = () => new Promise(() => {});

describe('a refresh', () => {
  test('asks for the leases that LibreChat asks for, and gives them back', async () => {
    const { echo, flowManager, user, refreshes } = await signedIn({ services: { getTenantId: () => 'acme' } });
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
    const { echo, flowManager, user } = await signedIn({ config: {} });
    expect(await echo('hello')).toContain('hello');
    const fence = ['', user.id, 'srv'];
    expect(flowManager.asked).toEqual([
      ['generation', fence],
      ['lease', fence, { expectedGeneration: 0 }],
    ]);
  });

  test('fails for now while another process refreshes, and asks nobody to sign in', async () => {
    const config = { ...COORDINATED, oauthRefreshWaitTimeout: 50 };
    const { echo, reinit, flowManager, flight, refreshes } = await signedIn({ config });
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
    const { echo, flowManager, flight, refreshes, store, user } = await signedIn();
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
    const { echo, reinit, flowManager, refreshes } = await signedIn();
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
    const { reinit, flowManager, refreshes } = await signedIn();
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
    const { reinit, flowManager, fence, refreshes } = await signedIn();
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
    const { reinit, flowManager, user, store, runtime, refreshes } = await signedIn();
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
    const config = { ...COORDINATED, oauthPersistenceWaitTimeout: 60_000 };
    const { echo, server, store, user, runtime, flowManager, fence } = await signedIn({ config });
    expect(await echo('hello')).toContain('hello');
    server.refused.add((await store.plain(user.id)).mcp_oauth);
    await flowManager.acquireLease(fence, {});
    flowManager.asked = [];
    const answer = echo('again').catch((error) => error);
    await until('its wait', () => flowManager.asked.some(([, , options]) => options?.waitMs === 60_000));
    const before = Date.now();
    await runtime.close();
    expect(Date.now() - before).toBeLessThan(10_000);
    expect(await answer).toMatchObject({ code: expect.stringMatching(/^MCP_/) });
  });

  test('during a teardown nobody refreshes, and no flow begins', async () => {
    const { reinit, flowManager, fence, refreshes } = await signedIn();
    const teardown = await flowManager.acquireLease(fence, { advanceGeneration: true });
    expect(await reinit()).toMatchObject({ success: false, error: { message: expect.stringContaining('teardown') } });
    expect(refreshes()).toBe(0);
    await teardown.release();
    expect((await reinit()).success).toBe(true);
    expect(refreshes()).toBe(1);
  });

  test('that fails for now asks nobody to sign in', async () => {
    const { reinit, echo, refreshes } = await signedIn();
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

describe('the functions of MCPTokenStorage', () => {
  /** A stored authorization whose token has expired, and what a caller of LibreChat passes. */
  async function stored() {
    const host = await signedIn();
    const { user, runtime, store, flowManager } = host;
    const row = { userId: user.id, serverName: 'srv', ...store.services.tokenMethods };
    const refreshTokens = jest.fn(async () => ({ access_token: 'new', refresh_token: 'rotated', expires_in: 600 }));
    const params = { ...row, refreshTokens, flowManager, coordinateRefresh: true };
    return { ...host, tokens: runtime.tokens, row, refreshTokens, params };
  }
  const named = (name) => ({ name, code: expect.any(String), retryable: true });
  const REFRESH = named('MCPTokenRefreshUnavailableError');
  const STORAGE = named('MCPTokenStorageUnavailableError');

  test.each(['getTokens', 'forceRefreshTokens'])('%s refreshes in a flight of its own', async (name) => {
    const { tokens, params, refreshTokens, flowManager, user } = await stored();
    const told = jest.fn();
    const refreshed = await tokens[name]({ ...params, onRefreshSuccess: told });
    expect(refreshed).toMatchObject({ access_token: 'new' });
    expect(refreshTokens).toHaveBeenCalledTimes(1);
    expect(told.mock.calls).toEqual([[refreshed]]);
    const fence = ['', user.id, 'srv'];
    expect(flowManager.asked).toEqual([
      ['generation', fence],
      ['lease', ['refresh', ...fence], { leaseMs: 120_000, waitMs: 0 }],
      ['lease', fence, { expectedGeneration: 0 }],
    ]);
    expect(flowManager.held.size).toBe(0);
  });

  test('onRefreshPreparing comes before the rows, and what it returns when they are written', async () => {
    const { tokens, params, store, user } = await stored();
    const setOf = async () => (await store.rows(user.id)).mcp_oauth.metadata.credential_set_id;
    const before = await setOf();
    const order = [];
    const onRefreshPreparing = async () => {
      order.push(['preparing', (await setOf()) === before]);
      return async (fresh) => {
        order.push(['published', fresh.credential_set_id === (await setOf())]);
      };
    };
    const onRefreshSuccess = jest.fn();
    await tokens.forceRefreshTokens({ ...params, onRefreshPreparing, onRefreshSuccess });
    expect(order).toEqual([
      ['preparing', true],
      ['published', true],
    ]);
    expect(onRefreshSuccess).not.toHaveBeenCalled();
  });

  test('where they fail nothing is stored', async () => {
    const { tokens, params, row, store, user, flowManager } = await stored();
    const before = await store.rows(user.id);
    const fail = async () => {
      throw new Error('the fence cannot be written');
    };
    const failing = tokens.forceRefreshTokens({ ...params, onRefreshPreparing: async () => fail });
    await expect(failing).rejects.toMatchObject(REFRESH);
    const unchanged = async () => {
      const now = await store.rows(user.id);
      for (const [type, { token, metadata }] of Object.entries(before))
        expect(now[type]).toMatchObject({ token, metadata });
    };
    await unchanged();
    const login = { ...row, tokens: { access_token: 'login', refresh_token: 'r' }, flowManager };
    await expect(tokens.storeTokens({ ...login, onStoreCommitted: fail })).rejects.toThrow('cannot be written');
    await expect(tokens.storeTokens({ ...login, onStorePreparing: fail })).rejects.toThrow('cannot be written');
    await unchanged();
    expect(flowManager.held.size).toBe(0);
  });

  test('what another process has rotated is adopted', async () => {
    const { tokens, params, row, refreshTokens, flowManager, flight, store, user } = await stored();
    const lease = await flowManager.acquireLease(flight, {});
    const onTokensAdopted = jest.fn();
    const waiting = tokens.getTokens({ ...params, onTokensAdopted });
    await until('a try', () => flowManager.asked.filter(([, [name]]) => name === 'refresh').length > 2);
    const { credential_set_id: expectedCredentialSetId } = (await store.rows(user.id)).mcp_oauth.metadata;
    const { clientInfo, clientMetadata: metadata } = await tokens.getClientInfoAndMetadata(row);
    const rotated = { access_token: 'of a peer', refresh_token: 'its', expires_in: 600 };
    await tokens.storeTokens({ ...row, tokens: rotated, clientInfo, metadata, expectedCredentialSetId, flowManager });
    await lease.release();
    const adopted = await waiting;
    expect(adopted).toMatchObject({ access_token: 'of a peer', refresh_token: 'its' });
    expect(onTokensAdopted.mock.calls).toEqual([[adopted]]);
    expect(refreshTokens).not.toHaveBeenCalled();
    // A caller that was refused an older token gets it, too; one that was refused this one does not.
    const forced = { ...params, rejectedCredentialSetId: expectedCredentialSetId };
    expect(await tokens.forceRefreshTokens(forced)).toMatchObject({ access_token: 'of a peer' });
    expect(refreshTokens).not.toHaveBeenCalled();
    const refused = { ...params, rejectedCredentialSetId: adopted.credential_set_id };
    expect(await tokens.forceRefreshTokens(refused)).toMatchObject({ access_token: 'new' });
    expect(refreshTokens).toHaveBeenCalledTimes(1);
    expect(flowManager.held.size).toBe(0);
  });

  test('what another process has rotated, and is of no use, is not refreshed either', async () => {
    const { tokens, params, refreshTokens, store, user } = await stored();
    const { mcp_oauth_refresh } = await store.rows(user.id);
    const seen = { ...mcp_oauth_refresh, token: 'another' };
    const cause = expect.objectContaining({ message: 'Peer credential already expired' });
    const waiting = tokens.forceRefreshTokens({ ...params, existingRefreshToken: seen });
    await expect(waiting).rejects.toMatchObject({ ...REFRESH, cause });
    expect(refreshTokens).not.toHaveBeenCalled();
  });

  test.each([
    [{}, 15_000],
    [{ persistenceWaitTimeoutMs: 20 }, 20],
    [{ persistenceWaitTimeoutMs: 3_600_000 }, 840_000],
    [{ persistenceWaitTimeoutMs: -1 }, 15_000],
    [{ persistenceWaitTimeoutMs: Number.NaN }, 15_000],
  ])('writers wait for the fence: %j', async (wish, waitMs) => {
    const { tokens, row, fence } = await stored();
    const acquireLease = jest.fn(async () => null);
    const flowManager = { acquireLease };
    const given = { ...row, flowManager, ...wish };
    await expect(tokens.storeTokens({ ...given, tokens: { access_token: 'a' } })).rejects.toMatchObject(STORAGE);
    const marked = tokens.markAuthorizationRejected({ ...given, credentialSetId: 'x' });
    await expect(marked).rejects.toMatchObject(STORAGE);
    expect(acquireLease.mock.calls).toEqual([
      [fence, { waitMs }],
      [fence, { waitMs }],
    ]);
  });

  test('a flight that does not end is waited for so long, and no longer', async () => {
    const { tokens, params, refreshTokens, flowManager, flight } = await stored();
    await flowManager.acquireLease(flight, {});
    for (const name of ['getTokens', 'forceRefreshTokens']) {
      const error = await tokens[name]({ ...params, refreshWaitTimeoutMs: 30 }).catch((error) => error);
      expect(error).toMatchObject(REFRESH);
      expect(error).toBeInstanceOf(addon.MCPTokenRefreshUnavailableError);
      expect(error.cause.message).toContain('for longer than 30ms');
    }
    expect(refreshTokens).not.toHaveBeenCalled();
  });

  test.each([
    ['the provider is away', new Error('503 Service Unavailable'), REFRESH],
    ['the grant is over', new Error('400 {"error":"invalid_grant"}'), null],
    ['the provider refuses the request', new Error('invalid_scope'), null],
    ['the client may not', new Error('unauthorized_client'), null],
  ])('%s', async (_, failure, outcome) => {
    const { tokens, params, flowManager } = await stored();
    const refreshTokens = async () => {
      throw failure;
    };
    const refreshed = tokens.getTokens({ ...params, refreshTokens });
    if (outcome) await expect(refreshed).rejects.toMatchObject(outcome);
    else expect(await refreshed).toBeNull();
    expect(flowManager.held.size).toBe(0);
  });

  test('a store that is away', async () => {
    const { tokens, params } = await stored();
    const findToken = async () => {
      throw new Error('the database is away');
    };
    const error = await tokens.getTokens({ ...params, findToken }).catch((error) => error);
    expect(error).toMatchObject({ ...STORAGE, message: 'OAuth token storage is unavailable for "srv"' });
    // Of a LibreChat without leases.
    expect(await tokens.getTokens({ ...params, findToken, flowManager: undefined })).toBeNull();
  });

  test('a teardown', async () => {
    const { tokens, params, refreshTokens, flowManager, fence, store, user } = await stored();
    const teardown = await flowManager.acquireLease(fence, { advanceGeneration: true });
    expect(await tokens.getTokens(params)).toBeNull();
    expect(refreshTokens).not.toHaveBeenCalled();
    await teardown.release();
    const before = await store.rows(user.id);
    refreshTokens.mockImplementationOnce(async () => {
      await flowManager.tearDown(user.id);
      return { access_token: 'late' };
    });
    expect(await tokens.getTokens(params)).toBeNull();
    expect(await store.rows(user.id)).toEqual(before);
  });
});

describe('a credential set that a server has refused', () => {
  const accept = () => {};

  test('is not signed in, until there is another', async () => {
    const { runtime, store, user, flowManager } = await signedIn();
    const row = { userId: user.id, serverName: 'srv', ...store.services.tokenMethods };
    const { tokens } = runtime;
    const isThere = () => tokens.hasStoredAuthorization({ ...row, validateClientBinding: accept });
    const setOf = async () => (await store.rows(user.id)).mcp_oauth_client.metadata.credential_set_id;
    expect(await isThere()).toBe(true);
    await tokens.markAuthorizationRejected({ ...row, credentialSetId: 'another' });
    expect(await isThere()).toBe(true);
    const set = await setOf();
    await tokens.markAuthorizationRejected({ ...row, credentialSetId: set, flowManager });
    expect(await isThere()).toBe(false);
    const { metadata } = (await store.rows(user.id)).mcp_oauth_client;
    expect(metadata).toMatchObject({ credential_set_id: set, rejected_credential_set_id: set });
    const refreshTokens = async () => ({ access_token: 'new', expires_in: 600 });
    await tokens.forceRefreshTokens({ ...row, refreshTokens, flowManager });
    expect(await isThere()).toBe(true);
    expect((await store.rows(user.id)).mcp_oauth_client.metadata).not.toHaveProperty('rejected_credential_set_id');
  });

  test('is noted when a server answers 401', async () => {
    const { echo, server, store, user, runtime } = await signedIn();
    expect(await echo('hello')).toContain('hello');
    const { mcp_oauth } = await store.plain(user.id);
    const set = (await store.rows(user.id)).mcp_oauth.metadata.credential_set_id;
    server.refused.add(mcp_oauth);
    await suite.authorizationServer.fail(503);
    try {
      await expect(echo('again')).rejects.toMatchObject({ retryable: true });
    } finally {
      await suite.authorizationServer.fail();
    }
    const row = { userId: user.id, serverName: 'srv', ...store.services.tokenMethods };
    const isThere = () => runtime.tokens.hasStoredAuthorization({ ...row, validateClientBinding: accept });
    expect((await store.rows(user.id)).mcp_oauth_client.metadata.rejected_credential_set_id).toBe(set);
    expect(await isThere()).toBe(false);
    expect(await echo('later')).toContain('later');
    expect(await isThere()).toBe(true);
  });
});

describe('callbacks around changes of credentials', () => {
  const SCOPE = (user) => ({ userId: user.id, serverName: 'srv' });

  /** Each of the four, as the host’s or as those of a call. */
  function listeners(overrides) {
    const calls = [];
    const note =
      (name, answer) =>
      async (...parameters) => {
        calls.push([name, ...parameters]);
        return answer;
      };
    const services = {
      onOAuthCredentialsChanging: note('changing', note('published', 'generation 2')),
      onOAuthCredentialsChanged: note('changed'),
      onOAuthCredentialsAdopted: note('adopted'),
      onOAuthCredentialsInvalidated: note('invalidated', 'generation 3'),
      ...overrides,
    };
    return { calls, services };
  }

  test('before a refresh is stored, and when it is; who waits gets the generation with the tokens', async () => {
    const { calls, services } = listeners();
    const { echo, user, flowManager } = await signedIn({ services });
    expect(await echo('hello')).toContain('hello');
    expect(calls).toEqual([['changing', SCOPE(user)], ['published']]);
    const { result } = await flowManager.getFlowState(`${user.id}:srv`, 'mcp_get_tokens');
    expect(result).toMatchObject({ access_token: expect.any(String), publication_generation: 'generation 2' });
  });

  test('those of a call come before the host’s', async () => {
    const host = listeners();
    const call = listeners({ onOAuthCredentialsChanging: undefined });
    const { reinit, user } = await signedIn({ services: host.services });
    const { onOAuthCredentialsChanged } = call.services;
    const onOAuthCredentialsChanging = async () => {};
    expect((await reinit({ onOAuthCredentialsChanging, onOAuthCredentialsChanged })).success).toBe(true);
    expect(call.calls).toEqual([['changed', SCOPE(user)]]);
    expect(host.calls).toEqual([]);
  });

  test('where they fail the rows are as they were', async () => {
    const { services } = listeners({
      onOAuthCredentialsChanging: async () => async () => {
        throw new Error('nobody can be told');
      },
    });
    const { reinit, store, user, flowManager } = await signedIn({ services });
    const before = await store.rows(user.id);
    expect((await reinit()).error).toMatchObject(UNAVAILABLE);
    const now = await store.rows(user.id);
    for (const [type, { token, metadata }] of Object.entries(before))
      expect(now[type]).toMatchObject({ token, metadata });
    expect(flowManager.held.size).toBe(0);
  });

  test('when what another process has stored is used', async () => {
    const { calls, services } = listeners();
    const { echo, flowManager, flight, store, user } = await signedIn({ services });
    const lease = await flowManager.acquireLease(flight, {});
    const answer = echo('hello');
    await until('a try', () => flowManager.asked.filter(([, [name]]) => name === 'refresh').length > 2);
    await store.expire(user.id, 600_000);
    expect(await answer).toContain('hello');
    await lease.release();
    expect(calls).toEqual([['invalidated'], ['adopted', 'generation 3']]);
  });

  test('when a flow ends that somebody else has published', async () => {
    const { calls, services } = listeners();
    const flowManager = new WatchedFlowManager();
    const host = await suite.host({ services: { ...services, flowManager } });
    const started = [];
    const waiting = host.reinit({ returnOnOAuth: false, oauthStart: (url) => void started.push(url) });
    await until('the URL', () => started.length === 1);
    // As LibreChat's callback route does it.
    const { runtime, user } = host;
    const parameters = await suite.authorizationServer.signIn(started[0]);
    const flowId = await runtime.oauth.resolveStateToFlowId(parameters.get('state'), flowManager);
    const { clientInfo, metadata } = await runtime.oauth.getFlowState(flowId, flowManager);
    const persist = async (tokens) => {
      const row = { ...SCOPE(user), ...host.services.tokenMethods };
      const stored = await runtime.tokens.storeTokens({ ...row, tokens, clientInfo, metadata, flowManager });
      return { ...stored, publication_generation: 'generation 5' };
    };
    await runtime.oauth.completeOAuthFlow(flowId, parameters.get('code'), flowManager, {}, persist);
    expect((await waiting).success).toBe(true);
    expect(calls).toEqual([['adopted', 'generation 5']]);
  });

  test('a wrong shape is refused', () => {
    const create = () => addon.createMCPRuntime({ config: { mcpServers: {} }, onOAuthCredentialsChanged: 'x' });
    expect(create).toThrow('host.onOAuthCredentialsChanged must be a function');
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
