/** Logins and refreshes at authorization servers as Entra, Okta, Keycloak, Auth0 and Google are; docs/oauth.md, "Providers". */

const { completeBoundAuthorization } = require('./support/authorization');
const { ECHO } = require('./support/calls');
const { useFixtures } = require('./support/fixtures');
const { FlowManager } = require('./support/flows');
const { createUser } = require('./support/host');
const { MemoryRows } = require('./support/memory-services');
const { startProtectedServer } = require('./support/protected-server');
const { connected } = require('./support/results');
const { registerSecrets } = require('./support/secrets');
const { Auth0 } = require('./providers/auth0');
const { APPLICATION, Entra } = require('./providers/entra');
const { Google, SCOPE } = require('./providers/google');
const { Keycloak } = require('./providers/keycloak');
const { Okta } = require('./providers/okta');
const { CLIENT_ID, CLIENT_SECRET } = require('./providers/provider');

const KEY = '0123456789abcdef'.repeat(4);
const fixtures = useFixtures();

/** Opens the authorization URL as a browser does, up to the redirect; fails with what the provider says in its place. */
async function agree(url) {
  const answer = await fetch(url, { redirect: 'manual' });
  const location = answer.headers.get('location');
  return location ? new URL(location).searchParams : Promise.reject(new Error(await answer.text()));
}

/**
 * A host with a server named `srv` that takes tokens of this provider, and a user.
 *
 * @param oauth    what an operator configures
 * @param options  those of `startProtectedServer`
 */
async function setup(provider, oauth, options) {
  fixtures.keep(await provider.listen());
  const introspect = (token) => provider.introspect(token);
  const { issuer, scopes } = provider;
  const server = fixtures.keep(await startProtectedServer({ issuer, scopes, introspect }, options));
  provider.resource = server.url;
  registerSecrets(CLIENT_SECRET);
  const rows = new MemoryRows();
  const bound = ['findToken', 'createToken', 'updateToken', 'deleteTokens'];
  const tokenMethods = Object.fromEntries(bound.map((name) => [name, rows[name].bind(rows)]));
  const host = fixtures.runtime({
    servers: { srv: server.config({ oauth: typeof oauth === 'function' ? oauth(provider) : oauth }) },
    allow: [server, ...provider.allow],
    services: { flowManager: new FlowManager(), tokenMethods, credentialsKey: KEY },
  });
  const user = createUser();
  const reinit = () => host.runtime.reinitMCPServer({ user, serverName: 'srv' });
  return {
    ...host,
    server,
    provider,
    reinit,
    /** Parameters of the redirect that a login comes back with. */
    login: async () => agree((await reinit()).oauthUrl),
    async authorize() {
      const { oauthUrl } = await reinit();
      await completeBoundAuthorization(host, await agree(oauthUrl));
      return Object.fromEntries(new URL(oauthUrl).searchParams);
    },
    echo: async (text) =>
      JSON.stringify(await host.runtime.manager.callTool({ ...ECHO, user, toolArguments: { text } })),
    /** The access token is over, and the connection that had it is gone. */
    async expire() {
      for (const row of rows.rows.values()) if (row.type === 'mcp_oauth') row.expiresAt = new Date(0);
      await host.runtime.manager.disconnectUserConnection(user.id, 'srv');
    },
    lasts: () => [...rows.rows.values()].some(({ type }) => type === 'mcp_oauth_refresh'),
    refreshes: () => provider.requests.filter(({ grant_type }) => grant_type === 'refresh_token'),
  };
}

/** A user logs in, calls, is refreshed twice, and is asked again when the provider has ended the login; what was sent. */
async function lives(host, refusal) {
  const asked = await host.authorize();
  expect(await host.reinit()).toEqual(connected('srv'));
  for (const text of ['first', 'second']) {
    await host.expire();
    expect(await host.echo(text)).toContain(text);
  }
  const refreshed = host.refreshes();
  expect(refreshed).toHaveLength(2);
  host.provider.revoke();
  await host.expire();
  expect(await host.reinit()).toMatchObject({ oauthRequired: true, oauthUrl: expect.any(String) });
  expect(host.logger.text()).toContain(refusal);
  const [redeemed] = host.provider.requests;
  return { asked, redeemed, refreshed };
}

/** The refresh tokens that were sent, each once. */
const tokensOf = (refreshed) => [...new Set(refreshed.map(({ refresh_token }) => refresh_token))];

describe('Entra', () => {
  const scope = `${APPLICATION}/.default offline_access`;
  const refusal = 'AADSTS700082: The refresh token has expired due to inactivity.';

  test.each([
    ['of one tenant', 'f8cdef31-a31e-4b4a-93e4-5f571e91255a'],
    ['of all tenants', 'organizations'],
  ])('a login %s, without `resource`', async (_, tenant) => {
    const host = await setup(new Entra({ tenant }), { client_id: CLIENT_ID, scope, send_resource_parameter: false });
    const { asked, redeemed, refreshed } = await lives(host, refusal);
    expect(asked).toMatchObject({ scope, code_challenge_method: 'S256' });
    for (const request of [asked, redeemed, ...refreshed]) expect(request).not.toHaveProperty('resource');
  });

  test('refuses a `resource` beside its scopes', async () => {
    const host = await setup(new Entra(), { client_id: CLIENT_ID, scope });
    const returned = await host.login();
    expect(returned.get('error')).toBe('invalid_target');
    expect(returned.get('error_description')).toMatch(/^AADSTS9010010: /);
  });

  test('registers nobody', async () => {
    const { error } = await (await setup(new Entra(), {})).reinit();
    expect(error).toMatchObject({ code: 'MCP_OAUTH_REGISTRATION_FAILED' });
    expect(error.message).toContain('does not support dynamic client registration');
  });

  const pinned = (client_secret) => (provider) => ({
    client_id: CLIENT_ID,
    client_secret,
    authorization_url: provider.authorizationUrl,
    token_url: provider.tokenUrl,
    scope,
  });

  test('a client with a secret, and endpoints of the config', async () => {
    const host = await setup(new Entra({ isConfidential: true }), pinned(CLIENT_SECRET));
    const { asked } = await lives(host, refusal);
    expect(asked).not.toHaveProperty('resource');
  });

  test.each([
    ['no secret', undefined, 'AADSTS7000218'],
    ['a wrong secret', 'wrong-secret-of-the-client', 'AADSTS7000215'],
  ])('%s is told as Entra tells it', async (_, client_secret, code) => {
    const host = await setup(new Entra({ isConfidential: true }), pinned(client_secret));
    const failure = await host.authorize().catch((error) => error);
    expect(failure).toMatchObject({ code: 'MCP_OAUTH_EXCHANGE_FAILED', retryable: false });
    expect(failure.message).toContain(`invalid_client: ${code}: `);
  });
});

describe('Okta', () => {
  const refusal = 'The refresh token is invalid or expired.';

  test('a login with the custom authorization server, not with that of the org', async () => {
    const host = await setup(new Okta(), { client_id: CLIENT_ID, scope: 'mcp offline_access' });
    const { asked, redeemed, refreshed } = await lives(host, refusal);
    expect(asked).toMatchObject({ scope: 'mcp offline_access', code_challenge_method: 'S256' });
    for (const request of [asked, redeemed, ...refreshed]) expect(request.resource).toBe(host.server.url);
    expect(tokensOf(refreshed)).toHaveLength(2);
  });

  const bound = { client_id: CLIENT_ID, scope: 'mcp offline_access' };

  test('an app that has to show proofs, with the nonce of the authorization server', async () => {
    const provider = new Okta({ isBound: true });
    const host = await setup(provider, bound, { dpop: true });
    await lives(host, refusal);
    expect(provider.challenges).toBeGreaterThan(0);
    expect(host.server.problems).toEqual([]);
    expect(host.server.jtis.size).toBeGreaterThan(2);
  });

  test('says that proofs are missing, where the server does not', async () => {
    const host = await setup(new Okta({ isBound: true }), bound);
    const failure = await host.authorize().catch((error) => error);
    expect(failure).toMatchObject({ code: 'MCP_OAUTH_EXCHANGE_FAILED', retryable: false });
    expect(failure.message).toContain('invalid_dpop_proof: The DPoP proof JWT header is missing.');
  });

  test('registers nobody who is no administrator', async () => {
    const { error } = await (await setup(new Okta(), {})).reinit();
    expect(error).toMatchObject({ code: 'MCP_OAUTH_REGISTRATION_FAILED', retryable: false });
    expect(error.message).toContain('Client registration failed: 401');
  });
});

describe('Keycloak', () => {
  test('a login, with `iss` and the session’s state', async () => {
    const host = await setup(new Keycloak(), { client_id: CLIENT_ID });
    const { refreshed } = await lives(host, 'invalid_grant: Token is not active');
    expect(tokensOf(refreshed)).toHaveLength(2);
    expect(host.provider.pushes).toEqual([]);
  });

  test('a realm in which requests are pushed: the browser brings a name alone', async () => {
    const host = await setup(new Keycloak({ requiresPushed: true }), { client_id: CLIENT_ID });
    const { asked } = await lives(host, 'invalid_grant: Token is not active');
    expect(asked).toEqual({
      client_id: CLIENT_ID,
      request_uri: expect.stringMatching(/^urn:ietf:params:oauth:request_uri:/),
    });
    const [pushed] = host.provider.pushes;
    expect(pushed).toMatchObject({ client_id: CLIENT_ID, code_challenge_method: 'S256', resource: host.server.url });
  });

  test('an `iss` of another realm ends the login before the code is sent', async () => {
    const provider = new Keycloak();
    const host = await setup(provider, { client_id: CLIENT_ID });
    const returned = await host.login();
    returned.set('iss', `${provider.origin}/realms/other`);
    await expect(completeBoundAuthorization(host, returned)).rejects.toMatchObject({ code: 'MCP_OAUTH_FLOW_FAILED' });
    expect(provider.requests).toEqual([]);
  });

  test('says why it registers nobody', async () => {
    const { error } = await (await setup(new Keycloak(), {})).reinit();
    expect(error).toMatchObject({ code: 'MCP_OAUTH_REGISTRATION_FAILED', retryable: false });
    expect(error.message).toContain("403 Forbidden - insufficient_scope: Policy 'Trusted Hosts' rejected request");
  });
});

describe('Auth0', () => {
  const audience = 'https://orders.example.com';

  test('a registered client, an audience, and refresh tokens that stay', async () => {
    const host = await setup(new Auth0(), { audience });
    const { asked, refreshed } = await lives(host, '403 Forbidden - invalid_grant: Unknown or invalid');
    expect(asked).toMatchObject({ audience });
    expect(asked.scope.split(' ')).toContain('offline_access');
    for (const request of refreshed) expect(request).toMatchObject({ audience });
    expect(tokensOf(refreshed)).toHaveLength(1);
  });

  test('without an audience the server refuses the token, and the user is asked again', async () => {
    const host = await setup(new Auth0(), {});
    await host.authorize();
    expect(await host.reinit()).toMatchObject({ oauthRequired: true });
  });
});

describe('Google', () => {
  const config = (query) => (provider) => ({
    client_id: CLIENT_ID,
    client_secret: CLIENT_SECRET,
    authorization_url: provider.authorizationUrl + query,
    token_url: provider.tokenUrl,
    scope: SCOPE,
  });

  test('parameters of `authorization_url` bring a refresh token, which stays', async () => {
    const host = await setup(new Google(), config('?access_type=offline&prompt=consent'));
    const { asked, refreshed } = await lives(host, 'invalid_grant: Token has been expired or revoked.');
    expect(asked).toMatchObject({ access_type: 'offline', prompt: 'consent', scope: SCOPE });
    expect(tokensOf(refreshed)).toHaveLength(1);
  });

  test('without them a login ends with its access token', async () => {
    const host = await setup(new Google(), config(''));
    await host.authorize();
    expect(await host.reinit()).toEqual(connected('srv'));
    expect(host.lasts()).toBe(false);
    await host.expire();
    expect(await host.reinit()).toMatchObject({ oauthRequired: true });
    expect(host.refreshes()).toEqual([]);
  });

  test('`offline_access` is no scope of Google’s, and nobody asks for it', async () => {
    const host = await setup(new Google(), { client_id: CLIENT_ID });
    const returned = await host.login();
    expect(returned.get('error')).toBeNull();
    expect(returned.get('scope')).toBe(SCOPE);
  });

  test('registers nobody', async () => {
    const { error } = await (await setup(new Google(), {})).reinit();
    expect(error).toMatchObject({ code: 'MCP_OAUTH_REGISTRATION_FAILED' });
    expect(error.message).toContain('does not support dynamic client registration');
  });
});

describe('a program with a client of its own', () => {
  const grant = (members) => (provider) => ({
    grant: 'client_credentials',
    issuer: provider.issuer,
    client_id: CLIENT_ID,
    client_secret: CLIENT_SECRET,
    ...members,
  });

  test.each([
    ['Entra', Entra, { scope: `${APPLICATION}/.default`, send_resource_parameter: false }],
    ['Okta', Okta, { scope: 'mcp' }],
    ['Keycloak', Keycloak, {}],
    ['Auth0', Auth0, { audience: 'https://orders.example.com' }],
  ])('gets a token of %s, and nobody logs in', async (_, Kind, members) => {
    const host = await setup(new Kind({ isConfidential: true }), grant(members));
    expect(await host.reinit()).toEqual(connected('srv'));
    expect(await host.echo('hello')).toContain('hello');
    const [asked, ...more] = host.provider.requests;
    expect(more).toEqual([]);
    expect(asked.grant_type).toBe('client_credentials');
    expect(asked).toMatchObject(Kind === Entra ? { scope: members.scope } : { resource: host.server.url });
    if (Kind === Entra) expect(asked).not.toHaveProperty('resource');
  });

  test('shows proofs, with Okta’s nonce, at the MCP server, too', async () => {
    const host = await setup(new Okta({ isBound: true }), grant({ scope: 'mcp', dpop: true }), { dpop: true });
    expect(await host.reinit()).toEqual(connected('srv'));
    expect(await host.echo('hello')).toContain('hello');
    expect(host.provider.challenges).toBeGreaterThan(0);
    expect(host.server.problems).toEqual([]);
    expect(host.server.jtis.size).toBeGreaterThan(2);
  });

  test('gets no bearer token of Okta’s app that wants proofs', async () => {
    const host = await setup(new Okta({ isBound: true }), grant({ scope: 'mcp' }));
    const { error } = await host.reinit();
    expect(error).toMatchObject({ code: 'MCP_GRANT_FAILED', retryable: false });
    expect(error.message).toContain('invalid_dpop_proof: The DPoP proof JWT header is missing.');
  });

  test('gets none of Google, which says so', async () => {
    const host = await setup(new Google(), grant({}));
    const { error } = await host.reinit();
    expect(error).toMatchObject({ code: 'MCP_GRANT_FAILED', retryable: false });
    expect(error.message).toContain('unsupported_grant_type: Invalid grant_type.');
  });
});
