/** What becomes known of a user's credentials: that a server has refused them, and that they change. */

const addon = require('./support/addon');
const { UNAVAILABLE, WatchedFlowManager, useLeases } = require('./support/leases');
const { until } = require('./support/wait');

const suite = useLeases();

describe('a credential set that a server has refused', () => {
  const accept = () => {};

  test('is not signed in, until there is another', async () => {
    const { runtime, store, user, flowManager } = await suite.signedIn();
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
    const { echo, server, store, user, runtime } = await suite.signedIn();
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
    const { echo, user, flowManager } = await suite.signedIn({ services });
    expect(await echo('hello')).toContain('hello');
    expect(calls).toEqual([['changing', SCOPE(user)], ['published']]);
    const { result } = await flowManager.getFlowState(`${user.id}:srv`, 'mcp_get_tokens');
    expect(result).toMatchObject({ access_token: expect.any(String), publication_generation: 'generation 2' });
  });

  test('those of a call come before the host’s', async () => {
    const host = listeners();
    const call = listeners({ onOAuthCredentialsChanging: undefined });
    const { reinit, user } = await suite.signedIn({ services: host.services });
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
    const { reinit, store, user, flowManager } = await suite.signedIn({ services });
    const before = await store.rows(user.id);
    expect((await reinit()).error).toMatchObject(UNAVAILABLE);
    const now = await store.rows(user.id);
    for (const [type, { token, metadata }] of Object.entries(before))
      expect(now[type]).toMatchObject({ token, metadata });
    expect(flowManager.held.size).toBe(0);
  });

  test('when what another process has stored is used', async () => {
    const { calls, services } = listeners();
    const { echo, flowManager, flight, store, user } = await suite.signedIn({ services });
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
