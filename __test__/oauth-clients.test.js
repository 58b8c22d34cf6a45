/** Whose client a flow, a refresh and a stored grant go by: of the config, or registered, and bound to its server. */

const { serverName, useOAuthRoutes } = require('./support/oauth-routes');
const { until } = require('./support/wait');

const { suite, initiate, authorized, isActive } = useOAuthRoutes();

/** Changes the metadata of the client's row. */
async function change({ store, user }, changes) {
  const { updateToken } = store.services.tokenMethods;
  const { metadata } = (await store.rows(user.id)).mcp_oauth_client;
  const query = { userId: user.id, type: 'mcp_oauth_client', identifier: `mcp:${serverName}:client` };
  await updateToken(query, { metadata: { ...metadata, ...changes } });
}

describe('clientSource', () => {
  test('is "configured" for a public client, and for one with all endpoints', async () => {
    const host = await suite.host();
    const configured = { client_id: 'public' };
    const { flowMetadata } = await initiate(host, { config: configured });
    expect(flowMetadata).toMatchObject({ clientSource: 'configured', clientInfo: configured });
    const { authorization_endpoint, token_endpoint } = flowMetadata.metadata;
    const revocation_endpoint = `${suite.authorizationServer.issuer}/revoke`;
    const pinned = {
      ...configured,
      client_secret: 'secret',
      authorization_url: authorization_endpoint,
      token_url: token_endpoint,
      revocation_endpoint,
    };
    const { flowMetadata: ofPinned } = await initiate(host, { config: pinned });
    expect(ofPinned).toMatchObject({ clientSource: 'configured', metadata: { revocation_endpoint } });
  });
});

describe('a stored registration', () => {
  test('is used again, and the flow says which', async () => {
    const host = await authorized();
    const { flowMetadata } = await initiate(host, { reuse: true });
    const { mcp_oauth_client: row } = await host.store.rows(host.user.id);
    expect(flowMetadata).toMatchObject({
      clientSource: 'dynamic',
      clientInfo: { client_id: host.flow.clientInfo.client_id },
      reusedStoredClient: true,
      reusedClientCredentialSetId: row.metadata.credential_set_id,
    });
  });

  test.each([
    { server_url: 'https://other.example/mcp' },
    { token_endpoint: 'https://other.example/token' },
    { issuer: 'https://other.example' },
    { resource: 'https://other.example/mcp' },
    { client_source: 'configured' },
    { credential_set_id: '' },
    { resource: undefined },
    { server_url: undefined },
  ])('is not used where its row differs: %j', async (changes) => {
    const host = await authorized();
    await change(host, changes);
    const { flowMetadata } = await initiate(host, { reuse: true });
    expect(flowMetadata.clientInfo.client_id).not.toBe(host.flow.clientInfo.client_id);
    expect(flowMetadata).not.toHaveProperty('reusedStoredClient');
  });

  test('that the server refuses goes, unless another login has replaced it', async () => {
    const host = await authorized();
    const remove = (type) => host.store.services.tokenMethods.deleteTokens({ userId: host.user.id, type });
    await remove('mcp_oauth');
    await remove('mcp_oauth_refresh');
    const flowId = host.flowId;
    const refused = async () => {
      await host.flowManager.deleteFlow(flowId, 'mcp_oauth');
      await host.reinit();
      expect((await host.flowManager.getFlowState(flowId, 'mcp_oauth')).metadata.reusedStoredClient).toBe(true);
    };
    await refused();
    await change(host, { credential_set_id: 'of a newer login' });
    await host.flowManager.failFlow(flowId, 'mcp_oauth', 'invalid_client');
    await host.reinit();
    expect(await host.store.rows(host.user.id)).toHaveProperty('mcp_oauth_client');
    await refused();
    await host.flowManager.failFlow(flowId, 'mcp_oauth', 'invalid_client');
    await until('the row is gone', async () => !(await host.store.rows(host.user.id)).mcp_oauth_client);
  });
});

describe('assertStoredClientBinding', () => {
  const endpoint = 'https://as.example/token';
  const url = 'https://mcp.example/mcp';
  const dynamic = { token_endpoint: endpoint, server_url: url, client_source: 'dynamic' };
  const configured = { ...dynamic, client_source: 'configured' };
  const client = { client_id: 'c' };
  const secret = { client_id: 'c', client_secret: 's' };
  const pinned = (token_exchange_method) => ({ ...secret, token_url: endpoint, token_exchange_method });
  const INCOMPLETE = 'is missing its server URL, token endpoint, or client provenance';
  const OTHER = 'no longer matches the current configured';
  const OTHER_CLIENT = `${OTHER} client`;

  test.each([
    ['', url, client, dynamic],
    ['', 'https://MCP.example:443/mcp', client, { ...dynamic, resource: 'https://mcp.example/' }],
    ['is incomplete', undefined, client, dynamic],
    ['is incomplete', url, {}, dynamic],
    ['is incomplete', url, client, undefined],
    [INCOMPLETE, url, client, { ...dynamic, server_url: '' }],
    [INCOMPLETE, url, client, { ...dynamic, token_endpoint: undefined }],
    [INCOMPLETE, url, client, { ...dynamic, client_source: 'x' }],
    ['no longer matches the current MCP server URL', 'https://mcp.example/other', client, dynamic],
    ['was dynamically registered but the server now uses a configured client', url, client, dynamic, client],
    ['', url, client, configured, client],
    [OTHER_CLIENT, url, client, configured],
    [OTHER_CLIENT, url, client, configured, { client_id: 'd' }],
    [OTHER_CLIENT, url, secret, configured, { ...client, client_secret: 't' }],
    [`${OTHER} token endpoint`, url, client, configured, { ...client, token_url: url }],
    [`${OTHER} token authentication method`, url, secret, configured, pinned('default_post')],
    ['', url, secret, configured, pinned('basic_auth_header')],
    ['', url, secret, configured, pinned()],
  ])('%s', async (reason, ...given) => {
    const { oauth } = (await suite.host()).runtime;
    const check = () => oauth.assertStoredClientBinding(serverName, ...given);
    if (!reason) return expect(check()).toBeUndefined();
    expect(check).toThrow(`[MCPOAuth] Stored OAuth binding for srv ${reason}; re-authentication is required.`);
  });

  test('a stored resource has to cover the server', async () => {
    const { oauth } = (await suite.host()).runtime;
    const foreign = { ...dynamic, resource: 'https://other.example/mcp' };
    expect(() => oauth.assertStoredClientBinding(serverName, url, client, foreign)).toThrow('Refusing OAuth flow');
  });

  test('buildStoredClientMetadata makes nothing of too little', async () => {
    const { oauth } = (await suite.host()).runtime;
    const server = { issuer: 'https://as.example' };
    expect(oauth.buildStoredClientMetadata(undefined, undefined, url, 'dynamic')).toBeUndefined();
    expect(oauth.buildStoredClientMetadata(server, undefined, '', 'dynamic')).toBeUndefined();
    expect(oauth.buildStoredClientMetadata(server, undefined, url)).toBeUndefined();
    expect(
      oauth.buildStoredClientMetadata(server, { resource: 'https://MCP.example' }, 'https://MCP.example', 'dynamic'),
    ).toEqual({
      ...server,
      server_url: 'https://mcp.example/',
      client_source: 'dynamic',
      resource: 'https://mcp.example/',
    });
  });
});

describe('refreshOAuthTokens', () => {
  test('only for what the grant is bound to, and as long as its caller waits', async () => {
    const { flow, stored, server, runtime } = await authorized();
    const allowed = [suite.authorizationServer.address, server.address];
    const known = {
      serverName,
      serverUrl: server.url,
      clientInfo: flow.clientInfo,
      storedTokenEndpoint: flow.metadata.token_endpoint,
      storedServerUrl: server.url,
      clientSource: 'dynamic',
      resource: server.url,
    };
    const refresh = (changes, config, signal) =>
      runtime.oauth.refreshOAuthTokens(
        stored.refresh_token,
        { ...known, ...changes },
        {},
        config,
        null,
        allowed,
        signal,
      );
    const before = suite.authorizationServer.refreshes().length;
    for (const changes of [
      { storedServerUrl: 'https://other.example/' },
      { clientSource: undefined },
      { storedTokenEndpoint: undefined },
    ]) {
      await expect(refresh(changes)).rejects.toMatchObject({ code: 'MCP_REAUTHENTICATION_REQUIRED' });
    }
    await expect(refresh({}, { client_id: 'configured by now' })).rejects.toThrow('re-authentication is required');
    const reason = new Error('enough');
    await expect(refresh({}, undefined, AbortSignal.abort(reason))).rejects.toMatchObject({
      code: 'MCP_ABORTED',
      cause: reason,
    });
    expect(suite.authorizationServer.refreshes()).toHaveLength(before);
    const tokens = await refresh({}, undefined, new AbortController().signal);
    expect(await isActive(tokens.access_token)).toBe(true);
  });
});
