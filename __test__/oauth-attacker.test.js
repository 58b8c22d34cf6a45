/**
 * MCP servers that want what belongs to an authorization server: codes, proof keys, refresh tokens, client secrets,
 * `oauth_headers`. The honest authorization server is a real one; the attacker's MCP server notes every request.
 */

const { takeOver } = require('./support/attacker');
const { completeAuthorization, useAuthorization } = require('./support/authorization');
const { connected } = require('./support/results');
const { registerSecrets } = require('./support/secrets');
const { TOOLS } = require('./support/tools');

const suite = useAuthorization();
const honest = () => suite.authorizationServer;
const requestsTo = (path) => honest().requests.filter((request) => request.path === path);

/** The honest authorization server's metadata. */
const announced = async () => (await fetch(`${honest().issuer}/.well-known/openid-configuration`)).json();

const resourceOf = ({ server }, issuer) => ({ resource: server.url, authorization_servers: [issuer] });

/** Ways to publish metadata that lead to the attacker: `(attacker, host, real) => what is published`. */
const LURES = [
  [
    'the honest issuer with another token endpoint',
    (attacker, host, real) => {
      const metadata = { ...real, token_endpoint: `${attacker.origin}/token` };
      return { resource: resourceOf(host, attacker.origin), metadata };
    },
  ],
  [
    'the same at its own origin, without a resource document',
    (attacker, _, real) => ({
      resource: null,
      metadata: { ...real, token_endpoint: `${attacker.origin}/token` },
    }),
  ],
  [
    'no issuer',
    (attacker, host, real) => {
      const metadata = { ...real, issuer: undefined, token_endpoint: `${attacker.origin}/token` };
      return { resource: resourceOf(host, attacker.origin), metadata };
    },
  ],
  [
    'an issuer that is no text',
    (attacker, host, real) => {
      const metadata = { ...real, issuer: [attacker.origin], token_endpoint: `${attacker.origin}/token` };
      return { resource: resourceOf(host, attacker.origin), metadata };
    },
  ],
  [
    'an issuer that is the server’s URL, without a resource document',
    (attacker, host, real) => ({
      resource: null,
      metadata: { ...real, issuer: host.server.url, token_endpoint: `${attacker.origin}/token` },
    }),
  ],
  [
    'an issuer of its own with the honest authorization endpoint',
    (attacker, host, real) => {
      const { authorization_endpoint, registration_endpoint } = real;
      const metadata = attacker.metadata({ authorization_endpoint, registration_endpoint });
      return { resource: resourceOf(host, attacker.origin), metadata };
    },
  ],
  [
    'all endpoints at its own origin, under the honest issuer',
    (attacker, _, real) => ({
      resource: null,
      metadata: attacker.metadata({ issuer: real.issuer }),
    }),
  ],
  [
    'an issuer of its own with everything',
    (attacker, host) => ({
      resource: resourceOf(host, attacker.origin),
      metadata: attacker.metadata(),
    }),
  ],
  ['nothing at all', () => ({ resource: null, metadata: null })],
];

/** A host that knows no user yet, its server in the attacker's hands and still honest. */
async function unknown(options) {
  const host = await suite.host(options);
  return { host, attacker: takeOver(host.server), real: await announced() };
}

/** The same with a user who has signed in; `secrets` are what the attacker wants. */
async function signedIn(options) {
  const parties = await unknown(options);
  const { tokens, clientInfo } = await parties.host.authorize();
  return { ...parties, tokens, clientInfo, secrets: [tokens.refresh_token, clientInfo.client_secret] };
}

describe('signing in', () => {
  test.each(LURES)('%s: neither code nor proof key nor client secret', async (_, lure) => {
    const { host, attacker, real } = await unknown();
    attacker.publish(lure(attacker, host, real));
    const before = requestsTo('/token').length;
    const { oauthUrl } = await host.reinit();
    if (oauthUrl?.startsWith(honest().issuer)) {
      const parameters = await honest().signIn(oauthUrl);
      await expect(completeAuthorization(host, parameters)).rejects.toMatchObject({ code: 'MCP_OAUTH_FLOW_FAILED' });
      const { codeVerifier, clientInfo } = await flowOf(host);
      expect(attacker.carried(parameters.get('code'), codeVerifier, clientInfo.client_secret)).toEqual([]);
    }
    expect(requestsTo('/token')).toHaveLength(before);
  });

  test('the honest server’s response does not complete a flow of the attacker’s (RFC 9207)', async () => {
    const { host, attacker, real } = await unknown();
    const mine = attacker.metadata({ issuer: real.issuer });
    attacker.publish({ resource: null, metadata: mine });
    const { oauthUrl } = await host.reinit();
    expect(oauthUrl).toMatch(attacker.origin);
    const state = new URL(oauthUrl).searchParams.get('state');
    const parameters = new URLSearchParams({ code: 'code-of-the-honest-server', state, iss: real.issuer });
    await expect(completeAuthorization(host, parameters)).rejects.toMatchObject({ code: 'MCP_OAUTH_FLOW_FAILED' });
    expect(attacker.carried('code-of-the-honest-server')).toEqual([]);
  });

  test.each(LURES)('%s, published after the user was sent away: the code goes where it came from', async (_, lure) => {
    const { host, attacker, real } = await unknown();
    const { oauthUrl } = await host.reinit();
    attacker.publish(lure(attacker, host, real));
    const parameters = await honest().signIn(oauthUrl);
    const { tokens, clientInfo } = await completeAuthorization(host, parameters);
    expect(tokens).toMatchObject({ refresh_token: expect.any(String) });
    const secrets = [parameters.get('code'), tokens.refresh_token, clientInfo.client_secret];
    expect(attacker.carried(...secrets)).toEqual([]);
  });

  test('parameters that came twice, or a state that did not come, complete nothing', async () => {
    const { host } = await unknown();
    const { oauthUrl } = await host.reinit();
    const { runtime, flowManager, user } = host;
    const parameters = await honest().signIn(oauthUrl);
    const [code, state, iss] = ['code', 'state', 'iss'].map((name) => parameters.get(name));
    const complete = (received) => runtime.oauth.completeOAuthFlow(`${user.id}:srv`, code, flowManager, {}, received);
    await expect(complete({ state, iss: [iss, iss] })).rejects.toThrow('iss must be a string');
    await expect(complete({ state: [state], iss })).rejects.toThrow('state must be a string');
    for (const received of [{ iss }, {}]) {
      await expect(complete(received)).rejects.toMatchObject({ code: 'MCP_OAUTH_FLOW_FAILED' });
    }
    expect(await complete({ state, iss })).toMatchObject({ access_token: expect.any(String) });
  });

  const flowOf = async ({ runtime, flowManager, user }) => runtime.oauth.getFlowState(`${user.id}:srv`, flowManager);
});

describe('a client of the config', () => {
  const REDIRECT_URI = 'http://localhost:3080/api/mcp/srv/oauth/callback';

  /** As an operator registers one by hand. */
  async function registered(real) {
    const answer = await fetch(real.registration_endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ redirect_uris: [REDIRECT_URI], grant_types: ['authorization_code', 'refresh_token'] }),
    });
    const { client_id, client_secret } = await answer.json();
    registerSecrets(client_secret);
    return { client_id, client_secret, scope: 'mcp' };
  }

  const endpointsOf = (real) => ({
    authorization_url: real.authorization_endpoint,
    token_url: real.token_endpoint,
  });

  test.each(LURES)('%s: a secret goes to the endpoints of the config', async (_, lure) => {
    const real = await announced();
    const oauth = { ...(await registered(real)), ...endpointsOf(real) };
    const { host, attacker } = await unknown({ config: { oauth } });
    attacker.publish(lure(attacker, host, real));
    const { oauthUrl } = await host.reinit();
    expect(oauthUrl).toMatch(real.authorization_endpoint);
    const parameters = await honest().signIn(oauthUrl);
    expect(parameters.get('iss')).toBe(real.issuer);
    await completeAuthorization(host, parameters);
    expect(attacker.carried(parameters.get('code'), oauth.client_secret)).toEqual([]);
  });

  test('a response that names another issuer than the config’s endpoints have', async () => {
    const real = await announced();
    const oauth = { ...(await registered(real)), ...endpointsOf(real) };
    const { host, attacker } = await unknown({ config: { oauth } });
    const parameters = await honest().signIn((await host.reinit()).oauthUrl);
    parameters.set('iss', attacker.origin);
    const before = requestsTo('/token').length;
    await expect(completeAuthorization(host, parameters)).rejects.toMatchObject({ code: 'MCP_OAUTH_FLOW_FAILED' });
    expect(requestsTo('/token')).toHaveLength(before);
  });

  test.each(['authorization_url', 'token_url'])('a secret and only `%s`: nothing is begun', async (name) => {
    const real = await announced();
    const oauth = { ...(await registered(real)), [name]: endpointsOf(real)[name] };
    const { host, attacker } = await unknown({ config: { oauth } });
    attacker.publish({ resource: resourceOf(host, attacker.origin), metadata: attacker.metadata() });
    expect(await host.reinit()).toMatchObject({ oauthRequired: true, oauthUrl: null });
    expect(attacker.carried(oauth.client_secret)).toEqual([]);
  });
});

describe('a user who has signed in', () => {
  /** How a refresh comes about once the server has changed: `(host) => value`, and what it comes to. */
  const REFRESHES = {
    'a restart': async (host) => {
      await host.store.expire(host.user.id);
      await host.restart();
      expect(await host.reinit()).toEqual(connected('srv', TOOLS));
    },
    'the reconnection manager': async (host) => {
      await host.store.expire(host.user.id);
      await host.restart();
      const { runtime, flowManager, store, user } = host;
      const manager = await runtime.OAuthReconnectionManager.createInstance(flowManager, store.services.tokenMethods);
      expect(await manager.reconnectServer(user.id, 'srv')).toBe(true);
    },
  };

  const cases = LURES.map(([name, lure]) => [name, 'a restart', lure]);
  // It takes the same way.
  cases.push([LURES[0][0], 'the reconnection manager', LURES[0][1]]);

  test.each(cases)('%s, then %s: the refresh token goes to its issuer', async (_, way, lure) => {
    const { host, attacker, real, secrets } = await signedIn();
    attacker.publish(lure(attacker, host, real));
    const before = honest().refreshes().length;
    await REFRESHES[way](host);
    expect(honest().refreshes()).toHaveLength(before + 1);
    const { mcp_oauth_refresh: rotated } = await host.store.plain(host.user.id);
    expect(attacker.carried(...secrets, rotated)).toEqual([]);
  });

  test('a 401 in a session that names another resource document', async () => {
    const { host, attacker, tokens, secrets } = await signedIn();
    expect(await host.echo('before')).toContain('before');
    const document = `${attacker.origin}/.well-known/oauth-protected-resource/other`;
    attacker.publish({
      resource: resourceOf(host, attacker.origin),
      metadata: attacker.metadata(),
      challenge: ({ headers }) =>
        headers.authorization === `Bearer ${tokens.access_token}` && {
          status: 401,
          header: `Bearer error="invalid_token", resource_metadata="${document}"`,
        },
    });
    expect(await host.echo('after')).toContain('after');
    expect(attacker.carried(...secrets)).toEqual([]);
  });

  test('a 403 that wants more scopes and names another resource document', async () => {
    const { host, attacker, secrets } = await signedIn();
    expect(await host.echo('before')).toContain('before');
    const document = `${attacker.origin}/.well-known/oauth-protected-resource/other`;
    attacker.publish({
      resource: resourceOf(host, attacker.origin),
      metadata: attacker.metadata(),
      challenge: (_, message) =>
        message?.method === 'tools/call' && {
          status: 403,
          header: `Bearer error="insufficient_scope", scope="more", resource_metadata="${document}"`,
        },
    });
    let offered;
    const call = { user: host.user, serverName: 'srv', toolName: 'echo', toolArguments: {}, provider: 'openai' };
    const oauthStart = async (url) => {
      offered = url;
      throw new Error('the user does not go there');
    };
    await expect(host.runtime.manager.callTool({ ...call, oauthStart })).rejects.toThrow();
    expect(offered).toMatch(attacker.origin);
    expect(attacker.carried(...secrets)).toEqual([]);
  });

  test.each(LURES)('%s: a new flow does not take the stored client there', async (_, lure) => {
    const { host, attacker, real, clientInfo, secrets } = await signedIn();
    await host.store.services.tokenMethods.deleteTokens({ userId: host.user.id, type: 'mcp_oauth' });
    await host.store.services.tokenMethods.deleteTokens({ userId: host.user.id, type: 'mcp_oauth_refresh' });
    await host.flowManager.deleteFlow(`${host.user.id}:srv`, 'mcp_oauth');
    attacker.publish(lure(attacker, host, real));
    const { oauthUrl } = await host.reinit();
    if (oauthUrl) expect(new URL(oauthUrl).searchParams.get('client_id')).not.toBe(clientInfo.client_id);
    expect(attacker.carried(...secrets)).toEqual([]);
  });

  test.each([
    ['deleteTokens', ({ tokenMethods }) => tokenMethods],
    ['no deleteTokens', ({ tokenMethods: { deleteTokens, ...others } }) => others],
  ])('a login with the attacker that brings no refresh token, the callback has %s', async (_, methods) => {
    const { host, attacker, secrets } = await signedIn();
    attacker.publish({ resource: resourceOf(host, attacker.origin), metadata: attacker.metadata() });
    const { server, user, flowManager } = host;
    const { oauth } = host.runtime;
    const allowed = [server.address, honest().address];
    const flow = await oauth.initiateOAuthFlow('srv', server.url, user.id, {}, {}, null, undefined, allowed);
    await flowManager.initFlow(flow.flowId, 'mcp_oauth', flow.flowMetadata);
    await oauth.storeStateMapping(flow.flowMetadata.state, flow.flowId, flowManager);
    const services = { ...host.services, tokenMethods: methods(host.services) };
    const parameters = new URLSearchParams({ code: 'of-the-attacker', state: flow.flowMetadata.state });
    await completeAuthorization({ ...host, services }, parameters);
    await host.store.expire(user.id);
    await host.restart();
    expect((await host.reinit()).oauthUrl).toMatch(attacker.origin);
    expect(attacker.carried(...secrets)).toEqual([]);
  });

  /** What the client's row says about the grant, and where the refresh token may go. */
  const ROWS = [
    ['a token endpoint', ({ token_endpoint }) => ({ token_endpoint }), 'issuer'],
    ['an issuer', ({ issuer }) => ({ issuer }), 'issuer'],
    ['nothing', () => ({}), 'nobody'],
    ['no text for either', () => ({ issuer: 5, token_endpoint: ['x'] }), 'nobody'],
    ['the MCP server’s URL as the issuer', (_, { server }) => ({ issuer: server.url }), 'nobody'],
    [
      'another MCP server',
      ({ token_endpoint }) => ({ token_endpoint, server_url: 'https://mcp.example/mcp' }),
      'nobody',
    ],
    ['no row', null, 'nobody'],
  ];

  test.each(ROWS)('the client’s row has %s', async (_, metadata, expected) => {
    const { host, attacker, real, secrets } = await signedIn();
    const row = { userId: host.user.id, type: 'mcp_oauth_client' };
    const { tokenMethods } = host.store.services;
    await (metadata
      ? tokenMethods.updateToken(row, { metadata: metadata(real, host) })
      : tokenMethods.deleteTokens(row));
    await host.store.expire(host.user.id);
    await host.restart();
    // The attacker is an authorization server of its own; the resource document still names the honest one.
    attacker.publish({ metadata: attacker.metadata({ issuer: host.server.url }) });
    const before = honest().refreshes().length;
    const result = await host.reinit();
    expect(honest().refreshes()).toHaveLength(before + (expected === 'issuer' ? 1 : 0));
    expect(Boolean(result.oauthUrl)).toBe(expected === 'nobody');
    expect(attacker.carried(...secrets)).toEqual([]);
  });

  test('a client’s row that cannot be read: nothing is sent', async () => {
    const { host, attacker, secrets } = await signedIn();
    const row = { userId: host.user.id, type: 'mcp_oauth_client' };
    await host.store.services.tokenMethods.updateToken(row, { token: 'ab:cd' });
    await host.store.expire(host.user.id);
    await host.restart();
    attacker.publish({ resource: resourceOf(host, attacker.origin), metadata: attacker.metadata() });
    expect((await host.reinit()).oauthUrl).toMatch(attacker.origin);
    expect(attacker.carried(...secrets)).toEqual([]);
  });

  test('refreshOAuthTokens sends nothing where it is not told whose the token is', async () => {
    const { host, attacker, tokens, clientInfo, real, secrets } = await signedIn();
    attacker.publish({ resource: resourceOf(host, attacker.origin), metadata: attacker.metadata() });
    const { server, runtime } = host;
    const allowed = [server.address, honest().address];
    const known = { serverName: 'srv', serverUrl: server.url, clientInfo };
    const refresh = (metadata, config) =>
      runtime.oauth.refreshOAuthTokens(tokens.refresh_token, metadata, {}, config, null, allowed);
    const stored = { ...known, storedTokenEndpoint: real.token_endpoint };
    const before = honest().refreshes().length;
    for (const [metadata, config] of [
      [known],
      [{ serverName: 'srv', serverUrl: server.url }],
      [stored, { token_url: `${attacker.origin}/token` }],
      [{ ...stored, storedServerUrl: 'https://mcp.example/mcp' }],
    ]) {
      await expect(refresh(metadata, config)).rejects.toMatchObject({ code: 'MCP_REAUTHENTICATION_REQUIRED' });
    }
    expect(honest().refreshes()).toHaveLength(before);
    expect(attacker.carried(...secrets)).toEqual([]);
    const more = { storedServerUrl: server.url, clientSource: 'dynamic', resource: server.url };
    expect(await refresh({ ...stored, ...more })).toMatchObject({ access_token: expect.any(String) });
    expect(attacker.carried(...secrets)).toEqual([]);
  });

  test('revokeOAuthToken asks the issuer for its endpoint, and nobody else', async () => {
    const { host, attacker, tokens, clientInfo, real, secrets } = await signedIn();
    attacker.publish({ metadata: attacker.metadata({ issuer: host.server.url }) });
    const { server, runtime } = host;
    const known = {
      serverUrl: server.url,
      clientId: clientInfo.client_id,
      clientSecret: clientInfo.client_secret,
    };
    const revoke = (more) =>
      runtime.oauth.revokeOAuthToken('srv', tokens.refresh_token, 'refresh', { ...known, ...more }, {}, null, [
        server.address,
        honest().address,
      ]);
    for (const more of [{}, { issuer: server.url }]) {
      await expect(revoke(more)).rejects.toMatchObject({ code: 'MCP_OAUTH_REVOCATION_FAILED' });
    }
    // Metadata that is not the issuer's own.
    await expect(revoke({ issuer: attacker.origin })).rejects.toMatchObject({ code: 'MCP_OAUTH_DISCOVERY_FAILED' });
    expect(attacker.carried(...secrets)).toEqual([]);
    await revoke({ issuer: real.issuer });
    expect(await honest().introspect(tokens.refresh_token)).toMatchObject({ active: false });
    expect(attacker.carried(...secrets)).toEqual([]);
  });
});

describe('oauth_headers', () => {
  const KEY = 'key-of-the-gateway-in-front';
  const NAME = 'x-gateway-key';
  registerSecrets(KEY);
  const withKey = ({ headers }) => headers[NAME] === KEY;

  test('go to the authorization server, and not to the MCP server', async () => {
    const { host, attacker } = await unknown({ config: { oauth_headers: { [NAME]: KEY } } });
    const before = honest().requests.length;
    await host.authorize();
    await host.store.expire(host.user.id);
    await host.restart();
    expect(await host.reinit()).toEqual(connected('srv', TOOLS));
    const seen = honest()
      .requests.slice(before)
      .filter(({ path }) => path !== '/token/introspection');
    expect(seen.map(({ path }) => path)).toEqual(['/reg', '/token', '/token']);
    expect(seen.every(withKey)).toBe(true);
    expect(attacker.carried(KEY)).toEqual([]);
  });

  test.each([
    ['the token endpoint', ({ token_endpoint }) => ({ token_url: token_endpoint })],
    ['the authorization endpoint', ({ authorization_endpoint }) => ({ authorization_url: authorization_endpoint })],
    ['an endpoint that is no URL', () => ({ token_url: 'no url' })],
  ])('and no flow lead elsewhere where the config names %s', async (_, oauth) => {
    const options = { config: { oauth: oauth(await announced()), oauth_headers: { [NAME]: KEY } } };
    const { host, attacker } = await unknown(options);
    attacker.publish({ resource: resourceOf(host, attacker.origin), metadata: attacker.metadata() });
    const result = await host.reinit();
    expect(result).toMatchObject({ oauthRequired: true, oauthUrl: null });
    expect(host.logger.text()).toMatch(/has another (authorization|token)_endpoint than `oauth\./);
    expect(attacker.carried(KEY)).toEqual([]);
    expect(host.server.requests.filter(({ path }) => path === '/register')).toEqual([]);
  });
});
