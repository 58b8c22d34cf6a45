/** `runtime.oauth` and `runtime.tokens`: LibreChat's `MCPOAuthHandler` and `MCPTokenStorage`, function by function. */

const { useAuthorization } = require('./support/authorization');
const { TOOLS } = require('./support/tools');
const { connected } = require('./support/results');

const suite = useAuthorization();
const serverName = 'srv';

/** A flow as LibreChat's route `oauth/initiate` begins one, its callback's parameters, and what the functions take. */
async function beginFlow() {
  const host = await suite.host();
  const { server, user, flowManager, runtime, store } = host;
  const { oauth, tokens } = runtime;
  const allowed = [suite.authorizationServer.address, server.address];
  const initiated = await oauth.initiateOAuthFlow(
    serverName,
    server.url,
    user.id,
    {},
    undefined,
    null,
    store.services.tokenMethods.findToken,
    allowed,
  );
  const { flowId, flowMetadata, authorizationUrl } = initiated;
  const begin = async () => {
    await flowManager.initFlow(flowId, 'mcp_oauth', { ...flowMetadata, authorizationUrl });
    await oauth.storeStateMapping(flowMetadata.state, flowId, flowManager);
    const parameters = await suite.authorizationServer.signIn(authorizationUrl);
    return { code: parameters.get('code'), state: parameters.get('state'), iss: parameters.get('iss') };
  };
  const complete = ({ code, ...received }) => oauth.completeOAuthFlow(flowId, code, flowManager, {}, received);
  const row = { userId: user.id, serverName, ...store.services.tokenMethods };
  return { ...host, ...initiated, allowed, oauth, tokens, begin, complete, row };
}

async function authorized() {
  const flow = await beginFlow();
  const given = await flow.complete(await flow.begin());
  const { clientInfo, metadata } = flow.flowMetadata;
  const known = { serverName, serverUrl: flow.server.url, clientInfo, storedTokenEndpoint: metadata.token_endpoint };
  const refresh = (token) => flow.oauth.refreshOAuthTokens(token, known, {}, undefined, null, flow.allowed);
  return { ...flow, given, clientInfo, metadata, refresh };
}

const isActive = async (token) => (await suite.authorizationServer.introspect(token)).active;

describe('runtime.oauth', () => {
  test('generateFlowId', async () => {
    const { oauth } = await beginFlow();
    expect(oauth.generateFlowId('user', 'server')).toBe('user:server');
    expect(() => oauth.generateFlowId('user')).toThrow('serverName must be a string');
  });

  test('initiateOAuthFlow says what the flow needs, and stores nothing', async () => {
    const { flowId, flowMetadata, authorizationUrl, flowManager, oauth, user, server, store } = await beginFlow();
    expect(flowId).toBe(`${user.id}:${serverName}`);
    expect(flowMetadata).toMatchObject({
      serverName,
      userId: user.id,
      serverUrl: server.url,
      state: new URL(authorizationUrl).searchParams.get('state'),
      codeVerifier: expect.stringMatching(/^[\w-]{43}$/),
      clientInfo: { client_id: new URL(authorizationUrl).searchParams.get('client_id') },
      metadata: { issuer: suite.authorizationServer.issuer },
      resourceMetadata: { resource: server.url },
    });
    expect(await oauth.getFlowState(flowId, flowManager)).toBeNull();
    expect(await store.rows(user.id)).toEqual({});
  });

  test('initiateOAuthFlow takes the client that is stored', async () => {
    const { oauth, tokens, row, given, clientInfo, metadata, server, user, allowed } = await authorized();
    await tokens.storeTokens({ ...row, tokens: given, clientInfo, metadata });
    const again = await oauth.initiateOAuthFlow(serverName, server.url, user.id, {}, {}, null, row.findToken, allowed);
    expect(again.flowMetadata).toMatchObject({ reusedStoredClient: true, clientInfo });
    const without = await oauth.initiateOAuthFlow(serverName, server.url, user.id, {}, {}, null, undefined, allowed);
    expect(without.flowMetadata.clientInfo.client_id).not.toBe(clientInfo.client_id);
  });

  test('initiateOAuthFlow of a server that may not be contacted', async () => {
    const { oauth, user, server } = await beginFlow();
    await expect(oauth.initiateOAuthFlow(serverName, server.url, user.id, {})).rejects.toMatchObject({
      code: 'MCP_OAUTH_DISCOVERY_FAILED',
      cause: expect.objectContaining({ code: 'MCP_ADDRESS_NOT_ALLOWED' }),
    });
  });

  test('storeStateMapping, resolveStateToFlowId, deleteStateMapping', async () => {
    const { oauth, flowManager } = await beginFlow();
    await oauth.storeStateMapping('some-state', 'user:server', flowManager);
    expect(await oauth.resolveStateToFlowId('some-state', flowManager)).toBe('user:server');
    expect(await oauth.resolveStateToFlowId('another-state', flowManager)).toBeNull();
    await oauth.deleteStateMapping('some-state', flowManager);
    expect(await oauth.resolveStateToFlowId('some-state', flowManager)).toBeNull();
  });

  test('getFlowState is the metadata of the flow', async () => {
    const { begin, oauth, flowId, flowManager, flowMetadata } = await beginFlow();
    await begin();
    expect(await oauth.getFlowState(flowId, flowManager)).toMatchObject(flowMetadata);
  });

  test('completeOAuthFlow gives the tokens, and the same ones when it is called again', async () => {
    const { begin, complete, flowId, flowManager } = await beginFlow();
    const callback = await begin();
    const tokens = await complete(callback);
    expect(tokens).toMatchObject({ token_type: 'Bearer', expires_in: 3600, scope: 'mcp' });
    expect(await isActive(tokens.access_token)).toBe(true);
    expect(await flowManager.getFlowState(flowId, 'mcp_oauth')).toMatchObject({ status: 'COMPLETED', result: tokens });
    expect(await complete(callback)).toEqual(tokens);
  });

  test('completeOAuthFlow refuses a state of somebody else, and the flow goes on', async () => {
    const { begin, complete } = await beginFlow();
    const callback = await begin();
    const error = { code: 'MCP_OAUTH_FLOW_FAILED' };
    await expect(complete({ ...callback, state: 'of-somebody-else' })).rejects.toMatchObject(error);
    expect(await complete(callback)).toMatchObject({ access_token: expect.any(String) });
  });

  test('completeOAuthFlow refuses the code of another issuer, which never gets there (RFC 9207)', async () => {
    const { begin, complete, flowId, flowManager } = await beginFlow();
    const callback = await begin();
    const before = suite.authorizationServer.requests.length;
    const answer = complete({ ...callback, iss: 'https://issuer.example' });
    await expect(answer).rejects.toMatchObject({ code: 'MCP_OAUTH_FLOW_FAILED' });
    expect(suite.authorizationServer.requests).toHaveLength(before);
    expect(await flowManager.getFlowState(flowId, 'mcp_oauth')).toMatchObject({ status: 'FAILED' });
  });

  test('completeOAuthFlow with a code that the server does not know', async () => {
    const { begin, complete, flowId, flowManager } = await beginFlow();
    const error = await complete({ ...(await begin()), code: 'not-a-code' }).catch((caught) => caught);
    expect(error).toMatchObject({ code: 'MCP_OAUTH_EXCHANGE_FAILED', status: 400, retryable: false });
    expect(error.message).toMatch(/invalid_grant/);
    expect(error.message).not.toMatch(/not-a-code/);
    expect(await flowManager.getFlowState(flowId, 'mcp_oauth')).toMatchObject({ status: 'FAILED' });
  });

  test('completeOAuthFlow without a flow', async () => {
    const { complete, begin, flowManager, flowId } = await beginFlow();
    const callback = await begin();
    await flowManager.deleteFlow(flowId, 'mcp_oauth');
    await expect(complete(callback)).rejects.toMatchObject({
      code: 'MCP_OAUTH_FLOW_FAILED',
      message: 'OAuth flow not found',
    });
  });

  test('refreshOAuthTokens gives new tokens, once for each refresh token', async () => {
    const { refresh, given } = await authorized();
    const refreshed = await refresh(given.refresh_token);
    expect(refreshed.refresh_token).not.toBe(given.refresh_token);
    expect(await isActive(refreshed.access_token)).toBe(true);
    const error = { code: 'MCP_OAUTH_REFRESH_FAILED', status: 400, retryable: false };
    await expect(refresh(given.refresh_token)).rejects.toMatchObject(error);
    // The server takes it for stolen, and revokes everything.
    expect(await isActive(refreshed.access_token)).toBe(false);
  });

  test('revokeOAuthToken ends a token at the server', async () => {
    const { oauth, given, clientInfo, metadata, server, allowed } = await authorized();
    const known = {
      serverUrl: server.url,
      clientId: clientInfo.client_id,
      clientSecret: clientInfo.client_secret,
      revocationEndpoint: metadata.revocation_endpoint,
      revocationEndpointAuthMethodsSupported: metadata.revocation_endpoint_auth_methods_supported,
    };
    const revoke = (token, type, more) =>
      oauth.revokeOAuthToken(serverName, token, type, { ...known, ...more }, {}, null, allowed);
    await expect(revoke(given.refresh_token, 'refresh', { clientSecret: 'wrong' })).rejects.toMatchObject({
      code: 'MCP_OAUTH_REVOCATION_FAILED',
      status: 401,
    });
    expect(await isActive(given.refresh_token)).toBe(true);
    await revoke(given.refresh_token, 'refresh');
    expect(await isActive(given.refresh_token)).toBe(false);
  });

  test('detectOAuthRequirement', async () => {
    const { oauth, server, allowed } = await beginFlow();
    expect(await oauth.detectOAuthRequirement(server.url, null, allowed)).toMatchObject({
      requiresOAuth: true,
      method: '401-challenge-metadata',
      metadata: { resource: server.url },
    });
    const open = await suite.fixtures.server();
    expect(await oauth.detectOAuthRequirement(open.url, null, [open.address])).toEqual({
      requiresOAuth: false,
      method: 'no-metadata-found',
      metadata: null,
    });
  });
});

describe('runtime.tokens', () => {
  test('storeTokens and getTokens', async () => {
    const { tokens, row, given, clientInfo, metadata, store, user, reinit } = await authorized();
    await tokens.storeTokens({ ...row, tokens: given, clientInfo, metadata });
    expect(Object.keys(await store.rows(user.id)).sort()).toEqual([
      'mcp_oauth',
      'mcp_oauth_client',
      'mcp_oauth_refresh',
    ]);
    const read = await tokens.getTokens(row);
    expect(read).toMatchObject({
      access_token: given.access_token,
      refresh_token: given.refresh_token,
      token_type: 'Bearer',
    });
    expect(Math.abs(read.expires_at - given.expires_at)).toBeLessThan(60_000);
    expect(await reinit()).toEqual(connected(serverName, TOOLS));
  });

  test('storeTokens without a refresh token leaves none of before', async () => {
    const { tokens, row, given, store, user } = await authorized();
    await tokens.storeTokens({ ...row, tokens: given });
    const { refresh_token: _, credential_set_id: __, ...rest } = given;
    await tokens.storeTokens({ ...row, tokens: { ...rest, access_token: 'another-access-token' } });
    expect(await store.plain(user.id)).toEqual({ mcp_oauth: 'another-access-token' });
  });

  test('storeTokens refuses what has no access token', async () => {
    const { tokens, row } = await authorized();
    await expect(tokens.storeTokens({ ...row, tokens: {} })).rejects.toMatchObject({ code: 'MCP_INVALID_ARGUMENT' });
  });

  test('getTokens refreshes what has expired, with the stored client, and stores what comes back', async () => {
    const { tokens, row, given, clientInfo, metadata, store, user, refresh } = await authorized();
    await tokens.storeTokens({ ...row, tokens: given, clientInfo, metadata });
    await store.expire(user.id);
    expect(await tokens.getTokens(row)).toBeNull();
    const seen = [];
    const refreshTokens = async (token, known) => {
      seen.push(known);
      return refresh(token);
    };
    const refreshed = await tokens.getTokens({ ...row, refreshTokens });
    expect(seen).toEqual([
      {
        userId: user.id,
        serverName,
        identifier: `mcp:${serverName}`,
        clientInfo,
        storedTokenEndpoint: metadata.token_endpoint,
        storedAuthMethods: metadata.token_endpoint_auth_methods_supported,
      },
    ]);
    expect(await store.plain(user.id)).toMatchObject({
      mcp_oauth: refreshed.access_token,
      mcp_oauth_refresh: refreshed.refresh_token,
    });
  });

  test('getTokens where there is nothing to refresh with', async () => {
    const { tokens, row } = await authorized();
    await expect(tokens.getTokens(row)).rejects.toMatchObject({
      name: 'ReauthenticationRequiredError',
      code: 'MCP_REAUTHENTICATION_REQUIRED',
      message: `Re-authentication required for "${serverName}": access token missing and no refresh token available`,
    });
  });

  test('getTokens where the server has forgotten the client: its rows go', async () => {
    const { tokens, row, given, clientInfo, metadata, store, user } = await authorized();
    await tokens.storeTokens({ ...row, tokens: given, clientInfo, metadata });
    await store.expire(user.id);
    const refreshTokens = () => Promise.reject(new Error('invalid_client: client not found'));
    await expect(tokens.getTokens({ ...row, refreshTokens })).rejects.toMatchObject({
      name: 'ReauthenticationRequiredError',
    });
    expect(Object.keys(await store.rows(user.id))).toEqual(['mcp_oauth']);
  });

  const binding = {
    name: 'ReauthenticationRequiredError',
    message: `Re-authentication required for "${serverName}": stored OAuth binding metadata is missing or no longer valid`,
  };

  /** Credential sets of a user's rows, by type. */
  async function sets({ store, user }) {
    const rows = Object.entries(await store.rows(user.id));
    return Object.fromEntries(rows.map(([type, { metadata }]) => [type, metadata.credential_set_id]));
  }

  test('storeTokens makes all rows of one credential set, and says which', async () => {
    const host = await authorized();
    const { tokens, row, given, clientInfo, metadata, store, user } = host;
    const forged = { ...metadata, credential_set_id: 'of-the-provider' };
    const stored = await tokens.storeTokens({ ...row, tokens: given, clientInfo, metadata: forged });
    const { credential_set_id } = stored;
    expect(stored).toMatchObject({ ...given, credential_set_id: expect.not.stringMatching('provider') });
    const rows = await store.rows(user.id);
    expect(rows.mcp_oauth.metadata).toEqual({ credential_set_id });
    expect(rows.mcp_oauth_refresh.metadata).toEqual({ credential_set_id });
    expect(rows.mcp_oauth_client.metadata).toEqual({ ...metadata, credential_set_id });

    const { credential_set_id: _, ...unnamed } = given;
    const renamed = await tokens.storeTokens({ ...row, tokens: unnamed, clientInfo, metadata });
    expect(renamed.credential_set_id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(new Set(Object.values(await sets(host)))).toEqual(new Set([renamed.credential_set_id]));
  });

  test('storeTokens of a refresh wants the rows that were refreshed', async () => {
    const host = await authorized();
    const { tokens, row, given, clientInfo, metadata } = host;
    const { credential_set_id: first } = await tokens.storeTokens({ ...row, tokens: given, clientInfo, metadata });
    const { credential_set_id: _, refresh_token: __, ...rest } = given;
    const refresh = (expectedCredentialSetId, more) =>
      tokens.storeTokens({ ...row, tokens: { ...rest, ...more }, clientInfo, metadata, expectedCredentialSetId });
    await expect(refresh('another')).rejects.toMatchObject(binding);
    await expect(refresh(first, { credential_set_id: 'another' })).rejects.toMatchObject(binding);
    const { credential_set_id: second } = await refresh(first);
    expect(second).not.toBe(first);
    expect(await sets(host)).toEqual({ mcp_oauth: second, mcp_oauth_refresh: second, mcp_oauth_client: second });
    await expect(refresh(first)).rejects.toMatchObject(binding);
  });

  test('storeTokens that loses to another writer leaves what that stored', async () => {
    const host = await authorized();
    const { tokens, row, given, clientInfo, metadata, store, user } = host;
    await tokens.storeTokens({ ...row, tokens: given, clientInfo, metadata });
    const { credential_set_id: _, ...rest } = given;
    const login = (name) => ({ ...row, tokens: { ...rest, access_token: name }, clientInfo, metadata });
    const updates = [];
    const updateToken = async (filter, update) => {
      // Between what this one has read and what it writes.
      if (updates.push(filter.type) === 1) await tokens.storeTokens(login('the-other'));
      return row.updateToken(filter, update);
    };
    await expect(tokens.storeTokens({ ...login('late'), updateToken })).rejects.toMatchObject(binding);
    expect(updates).toEqual(['mcp_oauth']);
    expect(await store.plain(user.id)).toMatchObject({ mcp_oauth: 'the-other' });
    expect(new Set(Object.values(await sets(host))).size).toBe(1);
  });

  test('storeTokens takes what its caller has looked up', async () => {
    const { tokens, row, given, clientInfo, metadata, store, user } = await authorized();
    await tokens.storeTokens({ ...row, tokens: given, clientInfo, metadata });
    const rows = await store.rows(user.id);
    const existingTokens = {
      accessToken: rows.mcp_oauth,
      refreshToken: rows.mcp_oauth_refresh,
      clientInfoToken: rows.mcp_oauth_client,
    };
    const findToken = jest.fn(row.findToken);
    await tokens.storeTokens({ ...row, findToken, tokens: given, clientInfo, metadata, existingTokens });
    expect(findToken).not.toHaveBeenCalled();
  });

  test('forceRefreshTokens: one refresh for all who ask, and for those who stop waiting', async () => {
    const { tokens, row, given, clientInfo, metadata, refresh, store, user } = await authorized();
    await tokens.storeTokens({ ...row, tokens: given, clientInfo, metadata });
    let open;
    const gate = new Promise((resolve) => {
      open = resolve;
    });
    const refreshTokens = jest.fn(async (token) => {
      await gate;
      return refresh(token);
    });
    const onRefreshSuccess = jest.fn();
    const controller = new AbortController();
    const params = { ...row, refreshTokens };
    const impatient = tokens.forceRefreshTokens({ ...params, onRefreshSuccess, signal: controller.signal });
    const others = [tokens.forceRefreshTokens(params), tokens.forceRefreshTokens(params)];
    controller.abort();
    expect(await impatient).toBeNull();
    open();
    const [one, other] = await Promise.all(others);
    expect(one).toEqual(other);
    expect(await store.plain(user.id)).toMatchObject({ mcp_oauth: one.access_token });
    expect(refreshTokens).toHaveBeenCalledTimes(1);
    expect(refreshTokens.mock.calls[0][2]).toBeInstanceOf(AbortSignal);
    expect(onRefreshSuccess.mock.calls).toEqual([[one]]);
    await expect(tokens.forceRefreshTokens({ ...params, createToken: undefined })).resolves.toBeNull();
  });

  test('hasStoredAuthorization, isCurrentAccessToken and assertCredentialSetBinding', async () => {
    const { tokens, row, given, clientInfo, metadata, store, user } = await authorized();
    const has = (validateClientBinding = () => undefined) =>
      tokens.hasStoredAuthorization({ ...row, validateClientBinding });
    expect(await has()).toBe(false);
    const { credential_set_id } = await tokens.storeTokens({ ...row, tokens: given, clientInfo, metadata });
    const validate = jest.fn();
    expect(await has(validate)).toBe(true);
    expect(validate).toHaveBeenCalledWith(clientInfo, { ...metadata, credential_set_id });
    const refuse = () => {
      throw new Error('another client');
    };
    expect(await has(refuse)).toBe(false);

    const isCurrent = (accessToken, credentialSetId) =>
      tokens.isCurrentAccessToken({ ...row, accessToken, credentialSetId });
    expect(await isCurrent(given.access_token, credential_set_id)).toBe(true);
    expect(await isCurrent(given.access_token, 'another')).toBe(false);
    expect(await isCurrent(given.access_token, undefined)).toBe(false);
    expect(await isCurrent('another', credential_set_id)).toBe(false);

    const assert = (id, client) => tokens.assertCredentialSetBinding(serverName, id, client);
    expect(assert('a', { credential_set_id: 'a' })).toBeUndefined();
    for (const [id, client] of [
      ['a', { credential_set_id: 'b' }],
      ['a', {}],
      ['a'],
      [undefined, {}],
      ['', { credential_set_id: '' }],
    ]) {
      expect(() => assert(id, client)).toThrow(expect.objectContaining(binding));
    }

    await store.expire(user.id);
    expect(await has()).toBe(true);
    expect(await isCurrent(given.access_token, credential_set_id)).toBe(false);
    await row.deleteTokens({ userId: user.id, type: 'mcp_oauth_refresh', identifier: `mcp:${serverName}:refresh` });
    expect(await has()).toBe(false);
  });

  test('deleteClientRegistration of one credential set leaves others', async () => {
    const host = await authorized();
    const { tokens, row, given, clientInfo, metadata } = host;
    const { credential_set_id } = await tokens.storeTokens({ ...row, tokens: given, clientInfo, metadata });
    await tokens.deleteClientRegistration({ ...row, credentialSetId: 'another' });
    expect(Object.keys(await sets(host))).toContain('mcp_oauth_client');
    await tokens.deleteClientRegistration({ ...row, credentialSetId: credential_set_id });
    expect(Object.keys(await sets(host))).not.toContain('mcp_oauth_client');
    await expect(tokens.getTokens(row)).rejects.toMatchObject(binding);
  });

  test('getClientInfoAndMetadata, deleteClientRegistration, deleteUserTokens', async () => {
    const { tokens, row, given, clientInfo, metadata, store, user } = await authorized();
    expect(await tokens.getClientInfoAndMetadata(row)).toBeNull();
    const stored = await tokens.storeTokens({ ...row, tokens: given, clientInfo, metadata });
    const clientMetadata = { ...metadata, credential_set_id: stored.credential_set_id };
    expect(await tokens.getClientInfoAndMetadata(row)).toEqual({ clientInfo, clientMetadata });
    await tokens.deleteClientRegistration(row);
    expect(Object.keys(await store.rows(user.id)).sort()).toEqual(['mcp_oauth', 'mcp_oauth_refresh']);
    await tokens.deleteUserTokens({ ...row, deleteToken: row.deleteTokens });
    expect(await store.rows(user.id)).toEqual({});
  });
});
