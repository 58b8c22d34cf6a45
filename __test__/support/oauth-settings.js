/** What the members of a config about OAuth change, by key, for the test of all keys of LibreChat's schemas. */

const addon = require('./addon');
const { FlowManager, LeasingFlowManager } = require('./flows');
const { startScripted } = require('./scripted-server');
const { encryptV2 } = require('./token-store');

const RESOURCE = 'api://resource';

/** What a scripted authorization server answers; `document` are further members of its metadata. */
function answerOf(path, url, document) {
  if (path === '/token') return { access_token: 'a', refresh_token: 'r', token_type: 'Bearer', expires_in: 60 };
  if (path === '/register') return { client_id: 'registered', redirect_uris: ['http://localhost:3080/x'] };
  if (path === '/revoke' || path === '/own/revoke') return {};
  if (path === '/own/token') return { access_token: 'a', token_type: 'Bearer' };
  if (path.startsWith('/.well-known/oauth-protected-resource'))
    return { resource: `${url}/mcp`, authorization_servers: [url] };
  if (!path.startsWith('/.well-known/')) return undefined;
  return {
    issuer: url,
    authorization_endpoint: `${url}/authorize`,
    token_endpoint: `${url}/token`,
    registration_endpoint: `${url}/register`,
    revocation_endpoint: `${url}/revoke`,
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
    ...document,
  };
}

/** A config with both endpoints, so that its client is used as it is. */
const pinned = (members) => (url) => ({
  client_id: 'own',
  client_secret: 'own-secret-of-the-client',
  authorization_url: `${url}/own/authorize`,
  token_url: `${url}/own/token`,
  ...members,
});

/**
 * @param kept   `(name, value, wrong)` checks what the host reads
 * @param shown  `(name, value)` checks what users of the API see
 */
function effectsOfOAuth({ fixtures, user, kept, shown }) {
  const authorizationServer = async (document) =>
    fixtures.keep(await startScripted((path, url) => answerOf(path, url, document)));

  /** A flow with a scripted authorization server, up to a refresh and a revocation, with this `oauth` in the config. */
  async function flow(oauth = {}, { oauthHeaders = {}, document = {} } = {}) {
    const server = await authorizationServer(document);
    const flowManager = new FlowManager();
    const { runtime } = fixtures.runtime({ services: { flowManager } });
    const url = `${server.url}/mcp`;
    const allowed = [server.address];
    const config = typeof oauth === 'function' ? oauth(server.url) : oauth;
    const params = ['srv', url, user.id, oauthHeaders, config, null, undefined, allowed];
    const { flowId, flowMetadata, authorizationUrl } = await runtime.oauth.initiateOAuthFlow(...params);
    const query = Object.fromEntries(new URL(authorizationUrl).searchParams);
    const tokenRequest = async () => {
      await flowManager.initFlow(flowId, 'mcp_oauth', { ...flowMetadata, authorizationUrl });
      await runtime.oauth.completeOAuthFlow(flowId, 'code', flowManager, oauthHeaders);
      return server.requests.findLast(({ path }) => path.endsWith('/token'));
    };
    const refreshRequest = async () => {
      const { clientInfo, metadata } = flowMetadata;
      const known = { serverName: 'srv', serverUrl: url, clientInfo, storedTokenEndpoint: metadata.token_endpoint };
      await runtime.oauth.refreshOAuthTokens('r', known, oauthHeaders, config, null, allowed);
      return server.requests.findLast(({ path }) => path.endsWith('/token'));
    };
    /** LibreChat hands both members of the config on to the function that revokes. */
    const revocation = async ({ revocationEndpoint, ...rest }) => {
      const known = { serverUrl: url, clientId: 'own', clientSecret: 'own-secret-of-the-client', ...rest };
      const at = { ...known, revocationEndpoint: server.url + revocationEndpoint };
      await runtime.oauth.revokeOAuthToken('srv', 'r', 'refresh', at, oauthHeaders, null, allowed);
      return server.requests.findLast(({ path }) => path.endsWith('/revoke'));
    };
    return { server, query, flowMetadata, authorizationUrl, tokenRequest, refreshRequest, revocation };
  }

  /** What lies in the metadata of a flow is what its later requests go by. */
  const inMetadata = (member, value) => async () => {
    const { flowMetadata } = await flow(pinned({ [member]: value }));
    expect(flowMetadata.metadata[member]).toEqual(value);
  };

  /**
   * Leases that are asked for when a token has expired, none of which is given, and what that comes to; the flow that begins
   * without a token.
   */
  async function refresh(members) {
    const asked = [];
    const flowManager = new LeasingFlowManager();
    const row = async (token, metadata, expiresAt) => ({
      token: await encryptV2(token),
      expiresAt,
      metadata: { credential_set_id: 'set', ...metadata },
    });
    const server = await authorizationServer();
    const url = `${server.url}/mcp`;
    const bound = { token_endpoint: `${server.url}/token`, server_url: url, client_source: 'dynamic' };
    const rows = {
      mcp_oauth: await row('old', {}, new Date(0)),
      mcp_oauth_refresh: await row('r'),
      mcp_oauth_client: await row('{"client_id":"c"}', bound),
    };
    const tokenMethods = {
      findToken: async ({ type }) => rows[type] ?? null,
      createToken: async () => ({}),
      updateToken: async () => ({}),
      deleteTokens: async () => ({ deletedCount: 1 }),
    };
    const { runtime } = fixtures.runtime({
      servers: { srv: { type: 'http', url, requiresOAuth: true, ...members } },
      allow: [server],
      services: { flowManager, tokenMethods, credentialsKey: process.env.CREDS_KEY },
    });
    const { acquireLease } = flowManager;
    flowManager.acquireLease = async (id, options) => {
      asked.push({ id, options });
      return null;
    };
    const failure = await runtime.manager.getConnection({ user, serverName: 'srv' }).catch((error) => error);
    flowManager.acquireLease = acquireLease;
    for (const type of Object.keys(rows)) delete rows[type];
    await runtime.reinitMCPServer({ user, serverName: 'srv' });
    const { metadata } = await flowManager.getFlowState(`${user.id}:srv`, 'mcp_oauth');
    return { asked, cause: failure.cause, metadata };
  }

  return {
    oauthRefreshCoordination: async () => {
      for (const [oauthRefreshCoordination, expected] of [
        [true, ['refresh', '', user.id, 'srv']],
        [false, ['', user.id, 'srv']],
      ]) {
        const { asked } = await refresh({ oauthRefreshCoordination });
        expect(JSON.parse(asked[0].id)).toEqual(expected);
      }
    },
    oauthRefreshWaitTimeout: async () => {
      const { cause } = await refresh({ oauthRefreshCoordination: true, oauthRefreshWaitTimeout: 30 });
      expect(cause.message).toContain('for longer than 30ms');
      kept('oauthRefreshWaitTimeout', 20_000, 0);
    },
    // LibreChat's callback route reads it there.
    oauthPersistenceWaitTimeout: async () => {
      const { metadata } = await refresh({ oauthPersistenceWaitTimeout: 30 });
      expect(metadata.oauthPersistenceWaitTimeout).toBe(30);
      kept('oauthPersistenceWaitTimeout', 20_000, 840_001);
    },
    requiresOAuth: () => {
      expect(addon.isOAuthServer({ requiresOAuth: true })).toBe(true);
      expect(addon.isOAuthServer({ requiresOAuth: false, oauth: {} })).toBe(false);
    },
    oauth: () => expect(addon.isOAuthServer({ oauth: {} })).toBe(true),
    'oauth.authorization_url': async () =>
      expect((await flow(pinned())).authorizationUrl).toMatch(/\/own\/authorize\?/),
    'oauth.token_url': async () => expect((await (await flow(pinned())).tokenRequest()).path).toBe('/own/token'),
    'oauth.client_id': async () => expect((await flow(pinned())).query.client_id).toBe('own'),
    'oauth.client_secret': async () => {
      const { tokenRequest } = await flow(pinned({ token_exchange_method: 'default_post' }));
      expect((await tokenRequest()).form.get('client_secret')).toBe('own-secret-of-the-client');
    },
    'oauth.scope': async () => expect((await flow(pinned({ scope: 'own-scope' }))).query.scope).toBe('own-scope'),
    // LibreChat shows it, and redirects to where it is itself, as we do.
    'oauth.redirect_uri': async () => {
      const redirect_uri = 'https://librechat.example/callback';
      shown('oauth', { client_id: 'own', redirect_uri });
      expect((await flow(pinned({ redirect_uri }))).query.redirect_uri).toMatch(/\/api\/mcp\/srv\/oauth\/callback$/);
    },
    'oauth.token_exchange_method': async () => {
      const { tokenRequest } = await flow(pinned({ token_exchange_method: 'basic_auth_header' }));
      expect((await tokenRequest()).headers.authorization).toMatch(/^Basic /);
    },
    'oauth.grant_types_supported': inMetadata('grant_types_supported', ['authorization_code', 'urn:own']),
    'oauth.token_endpoint_auth_methods_supported': inMetadata('token_endpoint_auth_methods_supported', ['none', 'own']),
    'oauth.response_types_supported': inMetadata('response_types_supported', ['code', 'own']),
    'oauth.code_challenge_methods_supported': inMetadata('code_challenge_methods_supported', ['S256', 'own']),
    'oauth.skip_code_challenge_check': async () => {
      const document = { code_challenge_methods_supported: ['plain'] };
      await expect(flow({}, { document })).rejects.toThrow();
      await expect(flow({ skip_code_challenge_check: true }, { document })).resolves.toBeDefined();
    },
    'oauth.audience': async () => expect((await flow(pinned({ audience: RESOURCE }))).query.audience).toBe(RESOURCE),
    'oauth.forward_audience_on_refresh': async () => {
      for (const [forward_audience_on_refresh, expected] of [
        [true, RESOURCE],
        [false, null],
      ]) {
        const { refreshRequest } = await flow(pinned({ audience: RESOURCE, forward_audience_on_refresh }));
        expect((await refreshRequest()).form.get('audience')).toBe(expected);
      }
    },
    'oauth.send_resource_parameter': async () => {
      for (const send_resource_parameter of [true, false]) {
        const { query, server, tokenRequest, refreshRequest } = await flow({ send_resource_parameter });
        const asked = [query.resource, (await tokenRequest()).form.get('resource')];
        if (!send_resource_parameter) asked.push((await refreshRequest()).form.get('resource'));
        const resource = send_resource_parameter ? `${server.url}/mcp` : null;
        expect(asked.map((value) => value ?? null)).toEqual(asked.map(() => resource));
      }
    },
    'oauth.revocation_endpoint': async () => {
      const { revocation } = await flow(pinned());
      expect((await revocation({ revocationEndpoint: '/own/revoke' })).path).toBe('/own/revoke');
    },
    'oauth.revocation_endpoint_auth_methods_supported': async () => {
      const { revocation } = await flow(pinned());
      const asked = async (method) =>
        (await revocation({ revocationEndpoint: '/revoke', revocationEndpointAuthMethodsSupported: [method] })).headers;
      expect((await asked('client_secret_basic')).authorization).toMatch(/^Basic /);
      expect((await asked('client_secret_post')).authorization).toBeUndefined();
    },
    oauth_headers: async () => {
      const { tokenRequest } = await flow(pinned(), { oauthHeaders: { 'X-Gateway': 'own' } });
      expect((await tokenRequest()).headers['x-gateway']).toBe('own');
      const options = { oauth_headers: { 'X-Gateway': '{{LIBRECHAT_USER_ID}}' } };
      expect(addon.processMCPEnv({ options, user }).oauth_headers['X-Gateway']).toBe(user.id);
    },
  };
}

module.exports = { effectsOfOAuth };
