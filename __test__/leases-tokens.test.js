/** The functions of `runtime.tokens` with a flow manager that has leases. */

const addon = require('./support/addon');
const { useLeases } = require('./support/leases');
const { until } = require('./support/wait');

const suite = useLeases();

describe('the functions of MCPTokenStorage', () => {
  /** A stored authorization whose token has expired, and what a caller of LibreChat passes. */
  async function stored() {
    const host = await suite.signedIn();
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
