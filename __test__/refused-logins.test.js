/** Logins that come to nothing: what is told of why, to whoever can mend it. With a real authorization server. */

const { generateKeyPairSync } = require('node:crypto');
const { completeAuthorization, useAuthorization } = require('./support/authorization');
const { connected } = require('./support/results');
const { registerSecrets } = require('./support/secrets');
const { TOOLS } = require('./support/tools');

const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pemOf = ({ privateKey }) => privateKey.export({ type: 'pkcs8', format: 'pem' });
const [KEY, OTHER] = [pair(), pair()];
registerSecrets(pemOf(KEY), pemOf(OTHER));

const client = (client_id, rest) => ({
  client_id,
  redirect_uris: ['http://localhost:3080/api/mcp/srv/oauth/callback'],
  grant_types: ['authorization_code', 'refresh_token'],
  scope: 'offline_access mcp',
  ...rest,
});
const CLIENTS = [
  client('public', { token_endpoint_auth_method: 'none' }),
  client('keyed', {
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [KEY.publicKey.export({ format: 'jwk' })] },
  }),
];

const suite = useAuthorization({ clients: CLIENTS });

const start = ({ oauth, ...options }) =>
  suite.host({ ...options, config: { oauth: { scope: 'offline_access mcp', ...oauth } } });

/** With client and endpoints from the config. */
const startPinned = ({ oauth, ...options } = {}) => {
  const { issuer } = suite.authorizationServer;
  const pinned = { client_id: 'public', authorization_url: `${issuer}/auth`, token_url: `${issuer}/token` };
  return start({ ...options, oauth: { ...pinned, ...oauth } });
};

/** The user logs in while the call waits; `asked` is the URL that was opened. */
async function login(host) {
  let asked;
  const oauthStart = async (url) => {
    asked = new URL(url);
    await completeAuthorization(host, await suite.authorizationServer.signIn(url)).catch(() => {});
  };
  const result = await host.reinit({ returnOnOAuth: false, oauthStart });
  return { asked: asked.searchParams, result };
}

describe('a server that refuses what a login has just brought', () => {
  test('an operator is told, and `send_resource_parameter: true` mends it', async () => {
    const host = await startPinned();
    const { asked, result } = await login(host);
    expect(asked.get('resource')).toBe(null);
    expect(result).toMatchObject({ success: false, oauthRequired: true });
    expect(result.error).toMatchObject({
      code: 'MCP_AUTHORIZATION_REQUIRED',
      message: expect.stringMatching(/just issued.*An operator.*oauth\.dpop.*send_resource_parameter: true/),
    });

    const mended = await startPinned({ oauth: { send_resource_parameter: true } });
    const before = suite.authorizationServer.requests.length;
    const again = await login(mended);
    expect(again.result).toEqual(connected('srv', TOOLS));
    mended.server.refused.add(mended.bearers('tools/list').at(-1));
    expect(await mended.echo('hi')).toContain('hi');
    const sent = suite.authorizationServer.requests.slice(before).filter(({ path }) => path === '/token');
    expect(sent.map(({ grantType }) => grantType)).toEqual(['authorization_code', 'refresh_token']);
    const resources = [again.asked.get('resource'), ...sent.map(({ body }) => body.resource)];
    expect(new Set(resources)).toEqual(new Set([mended.server.url]));
  });

  test('tokens of a key only: the error says so, and the next login asks for them', async () => {
    const host = await startPinned({ server: { dpop: true }, oauth: { send_resource_parameter: true } });
    const { asked, result } = await login(host);
    expect(asked.get('dpop_jkt')).toBe(null);
    expect(result.error).toMatchObject({
      code: 'MCP_AUTHORIZATION_REQUIRED',
      message: expect.stringContaining('set `oauth.dpop: true`'),
    });
    const again = await login(host);
    expect(again.asked.get('dpop_jkt')).toMatch(/^[\w-]{43}$/);
    expect(again.result).toEqual(connected('srv', TOOLS));
    expect(await host.echo('proved')).toContain('proved');
  });
});

describe('a token endpoint that is not convinced', () => {
  const keyed = (members) => ({ client_id: 'keyed', issuer: suite.authorizationServer.issuer, ...members });
  const failing = async () => {
    throw new Error('vault sealed');
  };

  test.each([
    ['another key', { key: pemOf(OTHER) }, undefined, /invalid_client: .+\. An operator has to check.*private_key_jwt/],
    ['a host that fails', {}, failing, /no assertion of the client.*getClientAssertion\. An operator/],
    ['a host that answers with something else', {}, async () => 'garbage', /no assertion of the client/],
  ])('%s: the caller is told why', async (_, private_key_jwt, getClientAssertion, told) => {
    const services = getClientAssertion && { getClientAssertion };
    const host = await start({ services, oauth: keyed({ private_key_jwt }) });
    const { result } = await login(host);
    expect(result.error).toMatchObject({ code: 'MCP_OAUTH_FLOW_FAILED', message: expect.stringMatching(told) });
    expect(result.error.message).not.toContain('vault');
    const logged = getClientAssertion ? /vault sealed|must resolve to a signed JWT/ : /invalid_client/;
    expect(host.logger.text()).toMatch(logged);
  });
});
