/**
 * MCP servers that want what belongs to an authorization server: codes, proof keys, client secrets, `oauth_headers`. The
 * honest authorization server is a real one; the attacker's MCP server notes every request.
 */

const { LURES, itself, useAttacks } = require('./support/attacks');
const { completeAuthorization } = require('./support/authorization');
const { connected } = require('./support/results');
const { registerSecrets } = require('./support/secrets');
const { TOOLS } = require('./support/tools');

const { honest, announced, unknown } = useAttacks();
const requestsTo = (path) => honest().requests.filter((request) => request.path === path);

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
    attacker.publish(itself(attacker, host));
    expect(await host.reinit()).toMatchObject({ oauthRequired: true, oauthUrl: null });
    expect(attacker.carried(oauth.client_secret)).toEqual([]);
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
    attacker.publish(itself(attacker, host));
    const result = await host.reinit();
    expect(result).toMatchObject({ oauthRequired: true, oauthUrl: null });
    expect(host.logger.text()).toMatch(/has another (authorization|token)_endpoint than `oauth\./);
    expect(attacker.carried(KEY)).toEqual([]);
    expect(host.server.requests.filter(({ path }) => path === '/register')).toEqual([]);
  });
});
