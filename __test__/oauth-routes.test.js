/**
 * What LibreChat's routes and controllers of August 2026 do with `MCPOAuthHandler` and `MCPTokenStorage`, call by call, over
 * a real authorization server: beginning a flow, the callback, the status of a server, uninstalling it.
 */

const { TENANT, serverName, today, useOAuthRoutes } = require('./support/oauth-routes');
const { connected } = require('./support/results');

const { suite, initiate, callback, authorized, signIn, isActive } = useOAuthRoutes();
const MINUTE = 60_000;

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

  test('deletes the flow of the tenant with the tokens', async () => {
    const { runtime, user, store, flowId, flowManager } = await authorized();
    expect(runtime.oauth.parseFlowId(flowId).tenantId).toBe(TENANT);
    expect(await flowManager.getFlowState(flowId, 'mcp_oauth')).toBeTruthy();
    const { deleteTokens: deleteToken } = store.services.tokenMethods;
    await runtime.tokens.deleteUserTokens({ userId: user.id, serverName, deleteToken });
    expect(await flowManager.getFlowState(flowId, 'mcp_oauth')).toBeFalsy();
    expect(await store.rows(user.id)).toEqual({});
  });

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
