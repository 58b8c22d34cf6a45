/**
 * What LibreChat's routes and controllers of August 2026 do with `MCPOAuthHandler` and `MCPTokenStorage`, call by call, over
 * a real authorization server: beginning a flow, the callback, the status of a server, uninstalling it.
 */

const { useAuthorization } = require('./support/authorization');
const { connected } = require('./support/results');
const { until } = require('./support/wait');

const suite = useAuthorization();
const serverName = 'srv';
const TENANT = 'tenant/a b';
const MINUTE = 60_000;

/** Members that LibreChat's host of today has; it is known by them. */
const today = { getMCPToolsCacheGeneration: () => 'generation', getTenantId: () => TENANT };

/** Route `GET /:serverName/oauth/initiate`, where the flow has no URL yet. */
async function initiate(
  { runtime, server, user, flowManager, store },
  { config, tenantId = TENANT, reuse = false } = {},
) {
  const { oauth } = runtime;
  const allowed = [suite.authorizationServer.address, server.address];
  const findToken = reuse ? store.services.tokenMethods.findToken : undefined;
  const initiated = await oauth.initiateOAuthFlow(
    serverName,
    server.url,
    user.id,
    {},
    config,
    null,
    findToken,
    allowed,
    tenantId,
  );
  const { flowId, flowMetadata, authorizationUrl } = initiated;
  await flowManager.initFlow(flowId, 'mcp_oauth', { ...flowMetadata, authorizationUrl, tenantId });
  await oauth.storeStateMapping(flowMetadata.state, flowId, flowManager);
  return initiated;
}

/**
 * Route `GET /:serverName/oauth/callback`.
 *
 * @param persist  in place of storing the tokens
 */
async function callback({ runtime, flowManager, store }, parameters, persist) {
  const { oauth, tokens } = runtime;
  const [code, state] = [parameters.get('code'), parameters.get('state')];
  const flowId = await oauth.resolveStateToFlowId(state, flowManager);
  const owner = oauth.parseFlowId(flowId);
  const flow = await oauth.getFlowState(flowId, flowManager);
  expect(owner).toMatchObject({ userId: flow.userId, serverName: flow.serverName });
  expect(flow.state).toBe(state);
  const seen = [];
  const stored = await oauth.completeOAuthFlow(
    flowId,
    code,
    flowManager,
    flow.oauthHeaders ?? {},
    async (exchanged) => {
      seen.push(exchanged, (await flowManager.getFlowState(flowId, 'mcp_oauth')).status);
      if (persist) return persist(exchanged);
      const { userId, clientInfo } = flow;
      const metadata = oauth.buildStoredClientMetadata(
        flow.metadata,
        flow.resourceMetadata,
        flow.serverUrl,
        flow.clientSource,
      );
      const params = { userId, serverName, tokens: exchanged, clientInfo, metadata, ...store.services.tokenMethods };
      return (await tokens.storeTokens(params)) ?? exchanged;
    },
  );
  return { flowId, flow, stored, seen };
}

const signIn = (url) => suite.authorizationServer.signIn(url);
const isActive = async (token) => (await suite.authorizationServer.introspect(token)).active;

/** A host of today whose user has authorized through the routes. */
async function authorized(options) {
  const host = await suite.host({ services: today, ...options });
  const { authorizationUrl } = await initiate(host);
  return { ...host, ...(await callback(host, await signIn(authorizationUrl))) };
}

/** Changes the metadata of the client's row. */
async function change({ store, user }, changes) {
  const { updateToken } = store.services.tokenMethods;
  const { metadata } = (await store.rows(user.id)).mcp_oauth_client;
  const query = { userId: user.id, type: 'mcp_oauth_client', identifier: `mcp:${serverName}:client` };
  await updateToken(query, { metadata: { ...metadata, ...changes } });
}

describe('ids of flows', () => {
  test('name the user, the server and the tenant', async () => {
    const { oauth } = (await suite.host()).runtime;
    const [plain, ofTenant] = [undefined, TENANT].map((tenant) => oauth.generateFlowId('user', 'a:b', tenant));
    expect(plain).toBe('user:a:b');
    expect(ofTenant).toBe('tenant:tenant%2Fa%20b:user:a:b');
    expect(oauth.generateTokenFlowId('user', 'a:b', TENANT)).toBe(ofTenant);
    expect(oauth.generateFlowId('user', 'a:b', '')).toBe(plain);
    expect(oauth.parseFlowId(plain)).toEqual({ userId: 'user', serverName: 'a:b' });
    expect(oauth.parseFlowId(ofTenant)).toEqual({ userId: 'user', serverName: 'a:b', tenantId: TENANT });
    for (const id of [
      '',
      'user',
      'user:',
      ':server',
      'tenant:t:user',
      'tenant:t:user:',
      'tenant::u:s',
      'tenant:%zz:u:s',
    ]) {
      expect(oauth.parseFlowId(id)).toBeNull();
    }
    expect(() => oauth.parseFlowId()).toThrow('flowId must be a string');
  });
});

describe('a flow that a route begins', () => {
  test('is completed with what was stored, after it was stored', async () => {
    const host = await authorized();
    const { flowId, flow, stored, seen, user, store, flowManager } = host;
    expect(flowId).toBe(`tenant:tenant%2Fa%20b:${user.id}:${serverName}`);
    expect(flow).toMatchObject({ clientSource: 'dynamic', tenantId: TENANT });
    expect(flow).not.toHaveProperty('reusedStoredClient');
    expect(flow).not.toHaveProperty('reusedClientCredentialSetId');
    const [exchanged, status] = seen;
    expect(status).toBe('PENDING');
    expect(exchanged).toMatchObject({
      credential_set_id: expect.stringMatching(/^[0-9a-f]{32}$/),
      obtained_at: expect.any(Number),
      expires_at: expect.any(Number),
    });
    expect(await flowManager.getFlowState(flowId, 'mcp_oauth')).toMatchObject({ status: 'COMPLETED', result: stored });
    expect(stored).toMatchObject({ access_token: exchanged.access_token });
    const { mcp_oauth_client: client } = await store.rows(user.id);
    expect(client.metadata).toMatchObject({
      issuer: suite.authorizationServer.issuer,
      server_url: host.server.url,
      client_source: 'dynamic',
      resource: host.server.url,
    });
    expect(await host.reinit()).toMatchObject(connected(serverName));
  });

  test('has failed, and nobody gets tokens, where they cannot be stored', async () => {
    const host = await suite.host({ services: today });
    const { authorizationUrl, flowId } = await initiate(host);
    const failure = new Error('the database is away');
    const answer = callback(host, await signIn(authorizationUrl), async () => {
      throw failure;
    });
    await expect(answer).rejects.toThrow(failure.message);
    await expect(answer).rejects.toMatchObject({ cause: failure });
    const state = await host.flowManager.getFlowState(flowId, 'mcp_oauth');
    expect(state).toMatchObject({ status: 'FAILED', error: failure.message });
    expect(state.result).toBeUndefined();
  });

  test('is completed with what the function returns', async () => {
    const host = await suite.host({ services: today });
    const { authorizationUrl, flowId } = await initiate(host);
    const parameters = await signIn(authorizationUrl);
    const { stored } = await callback(host, parameters, async (tokens) => ({
      ...tokens,
      credential_set_id: 'of the host',
    }));
    expect(stored.credential_set_id).toBe('of the host');
    expect((await host.flowManager.getFlowState(flowId, 'mcp_oauth')).result).toEqual(stored);
  });

  test('is checked against what the callback received, after the function as in its place', async () => {
    const host = await suite.host();
    const { authorizationUrl, flowId } = await initiate(host);
    const parameters = await signIn(authorizationUrl);
    const [code, state, iss] = ['code', 'state', 'iss'].map((name) => parameters.get(name));
    const { oauth } = host.runtime;
    const persist = jest.fn(async (tokens) => tokens);
    const complete = (...more) => oauth.completeOAuthFlow(flowId, code, host.flowManager, {}, ...more);
    for (const more of [[persist, { state: 'of somebody else' }], [{ state: 'of somebody else' }], [{}]]) {
      await expect(complete(...more)).rejects.toMatchObject({ code: 'MCP_OAUTH_FLOW_FAILED' });
    }
    expect(persist).not.toHaveBeenCalled();
    expect(await complete(persist, { state, iss })).toMatchObject({ access_token: expect.any(String) });
    expect(persist).toHaveBeenCalledTimes(1);
  });

  test('sends no `resource` where the operator says so, and takes none into the refresh', async () => {
    const config = { oauth: { send_resource_parameter: false } };
    const host = await suite.host({ services: today, config });
    const { authorizationUrl, flowMetadata } = await initiate(host, { config: config.oauth });
    expect(new URL(authorizationUrl).searchParams.has('resource')).toBe(false);
    expect(flowMetadata.sendResourceParameter).toBe(false);
    const { oauthUrl } = await host.reinit();
    expect(new URL(oauthUrl).searchParams.has('resource')).toBe(false);
    const { authorizationUrl: usual } = await initiate(host);
    expect(new URL(usual).searchParams.get('resource')).toBe(host.server.url);
  });
});

describe('a flow that the runtime begins', () => {
  test('has what the callback and another manager need', async () => {
    const host = await suite.host({ services: today });
    const before = Date.now();
    const { oauthUrl, oauthExpiresAt } = await host.reinit();
    const flowId = host.runtime.oauth.generateFlowId(host.user.id, serverName, TENANT);
    const flow = await host.flowManager.getFlowState(flowId, 'mcp_oauth');
    const { metadata } = flow;
    expect(metadata).toMatchObject({ clientSource: 'dynamic', tenantId: TENANT, authorizationUrl: oauthUrl });
    const { oauth } = host.runtime;
    const row = oauth.buildStoredClientMetadata(
      metadata.metadata,
      metadata.resourceMetadata,
      metadata.serverUrl,
      metadata.clientSource,
    );
    expect(() => oauth.assertStoredClientBinding(serverName, host.server.url, metadata.clientInfo, row)).not.toThrow();
    // Ten minutes.
    expect(oauthExpiresAt - before).toBeGreaterThan(9 * MINUTE);
    expect(oauthExpiresAt - before).toBeLessThan(11 * MINUTE);
    const { stored } = await callback(host, await signIn(oauthUrl));
    expect(await host.reinit()).toMatchObject(connected(serverName));
    expect(host.bearers('tools/list')).toContain(stored.access_token);
  });

  test('of a host of June has two minutes, and no tenant in its id', async () => {
    const host = await suite.host({ services: { getTenantId: () => TENANT } });
    const before = Date.now();
    const { oauthExpiresAt } = await host.reinit();
    expect(oauthExpiresAt - before).toBeLessThan(3 * MINUTE);
    const { metadata } = await host.flowManager.getFlowState(`${host.user.id}:${serverName}`, 'mcp_oauth');
    expect(metadata.tenantId).toBe(TENANT);
  });

  test('is not joined where the client of the config is another one by now, or the tenant', async () => {
    let tenant = 'a';
    const host = await suite.host({ services: { getTenantId: () => tenant } });
    const { oauthUrl } = await host.reinit();
    expect((await host.reinit()).oauthUrl).toBe(oauthUrl);
    tenant = 'b';
    const { oauthUrl: ofAnother } = await host.reinit();
    expect(ofAnother).not.toBe(oauthUrl);
    const flowId = `${host.user.id}:${serverName}`;
    const { metadata } = await host.flowManager.getFlowState(flowId, 'mcp_oauth');
    await host.flowManager.initFlow(flowId, 'mcp_oauth', { ...metadata, clientSource: 'configured' });
    expect((await host.reinit()).oauthUrl).not.toBe(ofAnother);
  });
});

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

  test.each([
    ['', url, client, dynamic],
    ['', 'https://MCP.example:443/mcp', client, { ...dynamic, resource: 'https://mcp.example/' }],
    ['is incomplete', undefined, client, dynamic],
    ['is incomplete', url, {}, dynamic],
    ['is incomplete', url, client, undefined],
    ['is missing its server URL, token endpoint, or client provenance', url, client, { ...dynamic, server_url: '' }],
    [
      'is missing its server URL, token endpoint, or client provenance',
      url,
      client,
      { ...dynamic, token_endpoint: undefined },
    ],
    [
      'is missing its server URL, token endpoint, or client provenance',
      url,
      client,
      { ...dynamic, client_source: 'x' },
    ],
    ['no longer matches the current MCP server URL', 'https://mcp.example/other', client, dynamic],
    [
      'was dynamically registered but the server now uses a configured client',
      url,
      client,
      dynamic,
      { client_id: 'c' },
    ],
    ['', url, client, configured, { client_id: 'c' }],
    ['no longer matches the current configured client', url, client, configured],
    ['no longer matches the current configured client', url, client, configured, { client_id: 'd' }],
    [
      'no longer matches the current configured client',
      url,
      secret,
      configured,
      { client_id: 'c', client_secret: 't' },
    ],
    [
      'no longer matches the current configured token endpoint',
      url,
      client,
      configured,
      { client_id: 'c', token_url: url },
    ],
    [
      'no longer matches the current configured token authentication method',
      url,
      secret,
      configured,
      { ...secret, token_url: endpoint, token_exchange_method: 'default_post' },
    ],
    ['', url, secret, configured, { ...secret, token_url: endpoint, token_exchange_method: 'basic_auth_header' }],
    ['', url, secret, configured, { ...secret, token_url: endpoint }],
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

describe('uninstalling', () => {
  /** `clearStoredMCPOAuthState` of the controller. */
  async function clear({ runtime, flowManager, store, user }) {
    const { oauth, tokens } = runtime;
    const deleteToken = (filter) => store.services.tokenMethods.deleteTokens(filter);
    await tokens.deleteUserTokens({ userId: user.id, serverName, deleteToken });
    for (const id of new Set([TENANT, undefined].map((tenant) => oauth.generateFlowId(user.id, serverName, tenant)))) {
      await flowManager.deleteFlow(id, 'mcp_get_tokens');
      await oauth.deleteFlowAndStateMapping(id, flowManager);
    }
  }

  test('revokes what was stored, and leaves nothing', async () => {
    const host = await authorized();
    const { runtime, user, store, server, flowId, flow, flowManager } = host;
    const params = { userId: user.id, serverName, findToken: store.services.tokenMethods.findToken };
    const { clientInfo, clientMetadata } = await runtime.tokens.getClientInfoAndMetadata(params);
    for (const name of ['server_url', 'token_endpoint', 'revocation_endpoint', 'credential_set_id', 'client_source']) {
      expect(clientMetadata).toHaveProperty(name, expect.any(String));
    }
    const stored = await runtime.tokens.getTokens(params);
    const allowed = [suite.authorizationServer.address, server.address];
    for (const [token, type] of [
      [stored.access_token, 'access'],
      [stored.refresh_token, 'refresh'],
    ]) {
      const metadata = {
        serverUrl: clientMetadata.server_url,
        clientId: clientInfo.client_id,
        clientSecret: clientInfo.client_secret ?? '',
        revocationEndpoint: clientMetadata.revocation_endpoint,
        revocationEndpointAuthMethodsSupported: clientMetadata.revocation_endpoint_auth_methods_supported,
      };
      await runtime.oauth.revokeOAuthToken(serverName, token, type, metadata, {}, null, allowed);
      expect(await isActive(token)).toBe(false);
    }
    await clear(host);
    expect(await store.rows(user.id)).toEqual({});
    expect(await flowManager.getFlowState(flowId, 'mcp_oauth')).toBeFalsy();
    expect(await runtime.oauth.resolveStateToFlowId(flow.state, flowManager)).toBeNull();
    // Again, where there is nothing.
    await clear(host);
  });

  test('deleteFlowAndStateMapping tries both, the flow first, and says what is left', async () => {
    const { oauth } = (await suite.host()).runtime;
    const flow = { status: 'PENDING', metadata: { state: 'the-state' } };
    const manager = (found, answers = {}) => {
      const asked = [];
      const getFlowState = async () => found();
      const deleteFlow = async (id, type) => {
        asked.push(`${type}:${id}`);
        return answers[type] ?? true;
      };
      return { asked, getFlowState, deleteFlow };
    };
    const both = ['mcp_oauth:user:srv', 'mcp_oauth_state:the-state'];
    for (const [given, asked, fails] of [
      [manager(() => flow), both],
      [manager(() => null), both.slice(0, 1)],
      [manager(() => ({ ...flow, metadata: {} })), both.slice(0, 1)],
      [manager(() => flow, { mcp_oauth: false }), both, true],
      [manager(() => flow, { mcp_oauth_state: false }), both, true],
      [manager(() => Promise.reject(new Error('no'))), both.slice(0, 1), true],
    ]) {
      const answer = oauth.deleteFlowAndStateMapping('user:srv', given);
      if (fails) await expect(answer).rejects.toThrow('Failed to fully delete OAuth flow user:srv');
      else expect(await answer).toBeUndefined();
      expect(given.asked).toEqual(asked);
    }
    expect(
      await oauth.deleteStateMapping(
        'the-state',
        manager(() => flow),
      ),
    ).toBe(true);
    expect(
      await oauth.deleteStateMapping(
        'the-state',
        manager(() => flow, { mcp_oauth_state: false }),
      ),
    ).toBe(false);
  });
});

describe('errors of a host with classes of its own', () => {
  class ReauthenticationRequiredError extends Error {}

  test('are instances of them', async () => {
    const host = await suite.host({
      services: { errorClasses: { ReauthenticationRequiredError, MCPInspectionFailedError: 5 } },
    });
    const { oauth, tokens } = host.runtime;
    const params = { userId: host.user.id, serverName, findToken: host.store.services.tokenMethods.findToken };
    const error = await tokens.getTokens(params).catch((caught) => caught);
    expect(error).toBeInstanceOf(ReauthenticationRequiredError);
    expect(error).toMatchObject({ name: 'ReauthenticationRequiredError', code: 'MCP_REAUTHENTICATION_REQUIRED' });
    let thrown;
    try {
      oauth.assertStoredClientBinding(serverName);
    } catch (caught) {
      thrown = caught;
    }
    expect(thrown).toBeInstanceOf(ReauthenticationRequiredError);
  });
});
