/** `runtime.oauth`: LibreChat's `MCPOAuthHandler`, function by function. */

const { serverName, useOAuthFunctions } = require('./support/oauth-functions');

const { suite, beginFlow, authorized, isActive } = useOAuthFunctions();

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
    const { oauth, tokens, login, row, clientInfo, server, user, allowed } = await authorized();
    await tokens.storeTokens(login);
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
