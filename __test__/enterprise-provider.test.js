/** Enterprise-managed authorization with real providers: the user signs in at one, the server's tokens come from another. */

const { createHash, generateKeyPairSync, randomBytes } = require('node:crypto');
const { startAuthorizationServer } = require('./support/authorization-server');
const { ECHO } = require('./support/calls');
const { seconds } = require('./support/enterprise');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { rejection } = require('./support/live-tokens');
const { startProtectedServer } = require('./support/protected-server');
const { recordError, registerSecrets } = require('./support/secrets');

const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const REDIRECT = 'http://127.0.0.1:9/callback';
const SECRET = randomBytes(18).toString('base64url');
registerSecrets(SECRET);
const [ofIdJags, ofClient] = [1, 2].map(() => generateKeyPairSync('ec', { namedCurve: 'P-256' }));
const jwk = (key) => key.export({ format: 'jwk' });

const fixtures = useFixtures();
let idp;
let as;
beforeAll(async () => {
  const signsIn = (client_id) => ({
    client_id,
    client_secret: SECRET,
    redirect_uris: [REDIRECT],
    grant_types: ['authorization_code', TOKEN_EXCHANGE],
    token_endpoint_auth_method: 'client_secret_basic',
  });
  const clients = [signsIn('librechat'), signsIn('another-app')];
  idp = await startAuthorizationServer({ clients, idJag: { key: jwk(ofIdJags.privateKey) } });
  const keyed = {
    client_id: 'librechat',
    redirect_uris: [],
    response_types: [],
    grant_types: [JWT_BEARER],
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [jwk(ofClient.publicKey)] },
  };
  as = await startAuthorizationServer({ clients: [keyed], idJag: { from: idp.issuer, key: jwk(ofIdJags.publicKey) } });
}, 120_000);
afterAll(() => Promise.all([idp.close(), as.close()]));

/** The ID token of a sign-in with this client. */
async function signIn(client_id) {
  const code_verifier = randomBytes(32).toString('base64url');
  const request = new URLSearchParams({
    client_id,
    response_type: 'code',
    scope: 'openid',
    redirect_uri: REDIRECT,
    code_challenge: createHash('sha256').update(code_verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });
  const code = (await idp.signIn(`${idp.issuer}/auth?${request}`)).get('code');
  const authorization = `Basic ${Buffer.from(`${client_id}:${SECRET}`).toString('base64')}`;
  const form = { grant_type: 'authorization_code', code, code_verifier, redirect_uri: REDIRECT };
  const body = new URLSearchParams(form);
  const answer = await fetch(`${idp.issuer}/token`, { method: 'POST', headers: { authorization }, body });
  return (await answer.json()).id_token;
}

async function setup({ secret = SECRET, signedInWith = 'librechat' } = {}) {
  const server = fixtures.keep(await startProtectedServer(as));
  const oauth = {
    grant: 'enterprise',
    issuer: as.issuer,
    client_id: 'librechat',
    private_key_jwt: { key: ofClient.privateKey.export({ type: 'pkcs8', format: 'pem' }) },
    scope: 'mcp',
    identity_provider: { issuer: idp.issuer, client_id: 'librechat', client_secret: secret },
  };
  const servers = { srv: server.config({ requiresOAuth: undefined, oauth }) };
  const { runtime, logger } = fixtures.runtime({ servers, allow: [server, as] });
  const federatedTokens = { access_token: 'unused', id_token: await signIn(signedInWith), expires_at: seconds() + 60 };
  const user = { ...createUser({ provider: 'openid', federatedTokens }), openidId: 'alice' };
  return { server, logger, user, call: () => runtime.manager.callTool({ ...ECHO, user }) };
}

test('whoever has signed in calls the server', async () => {
  const { server, logger, user, call } = await setup();
  await call();
  const [{ headers }] = server.received('tools/call');
  const token = await as.introspect(headers.authorization.slice('Bearer '.length));
  expect(token).toMatchObject({ active: true, sub: 'alice', aud: server.url, client_id: 'librechat', scope: 'mcp' });
  expect(logger.text()).not.toContain(user.federatedTokens.id_token);
});

test.each([
  ['a wrong secret of the client', { secret: 'not-the-secret-of-it' }, 'operator', 'client_credentials'],
  ['a sign-in with another application', { signedInWith: 'another-app' }, 'user', 'bad_assertion'],
])('%s', async (_, options, mendedBy, detail) => {
  const { server, call } = await setup(options);
  const before = as.requests.length;
  const error = await rejection(call());
  recordError(error);
  expect(error).toMatchObject({ code: 'OBO_EXCHANGE_FAILED', mendedBy, detail });
  expect(as.requests).toHaveLength(before);
  expect(server.received('initialize')).toEqual([]);
});
