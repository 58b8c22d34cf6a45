/** Clients that prove themselves with a key (RFC 7523), with a real authorization server. */

const { generateKeyPairSync, randomUUID } = require('node:crypto');
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { takeOver } = require('./support/attacker');
const { useAuthorization } = require('./support/authorization');
const { connected } = require('./support/results');
const { registerSecrets } = require('./support/secrets');
const { signJwt } = require('./support/jwt');
const { TOOLS } = require('./support/tools');

const KEYS = {
  'P-256': generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  RSA: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  Ed25519: generateKeyPairSync('ed25519'),
};
const pemOf = (kind, type = 'pkcs8', encryption = {}) =>
  KEYS[kind].privateKey.export({ type, format: 'pem', ...encryption });
const ENCRYPTED = pemOf('P-256', 'pkcs8', { cipher: 'aes-256-cbc', passphrase: 'passphrase' });
registerSecrets(...['P-256', 'RSA', 'Ed25519'].map((kind) => pemOf(kind)), ENCRYPTED);

const CLIENT = {
  client_id: 'keyed',
  token_endpoint_auth_method: 'private_key_jwt',
  jwks: { keys: Object.entries(KEYS).map(([kid, { publicKey }]) => ({ ...publicKey.export({ format: 'jwk' }), kid })) },
  redirect_uris: ['http://localhost:3080/api/mcp/srv/oauth/callback'],
  grant_types: ['authorization_code', 'refresh_token'],
  scope: 'offline_access mcp',
};

const suite = useAuthorization({ clients: [CLIENT] });
const { fixtures } = suite;

/** A server whose client has a key; `oauth` is what the config has besides. */
const start = ({ oauth, ...options }) =>
  suite.host({
    ...options,
    config: {
      oauth: { client_id: CLIENT.client_id, issuer: suite.authorizationServer.issuer, scope: CLIENT.scope, ...oauth },
    },
  });

/** What was asked of the authorization server since this was called, the assertions opened. */
function watch() {
  const before = suite.authorizationServer.requests.length;
  const part = (text) => JSON.parse(Buffer.from(text, 'base64url').toString());
  return () =>
    suite.authorizationServer.requests.slice(before).map(({ path, status, headers, body }) => {
      const [header, claims] = (body.client_assertion ?? '').split('.').slice(0, 2).map(part);
      return { path, status, authorization: headers.authorization, secret: body.client_secret, header, claims };
    });
}

/** The server refuses the user's token from now on. */
function refuse(host) {
  host.server.refused.add(host.bearers('tools/list').at(-1));
}

const revoke = ({ runtime, server }, token) =>
  runtime.oauth.revokeOAuthToken(
    'srv',
    token,
    'refresh',
    {
      serverUrl: server.url,
      clientId: CLIENT.client_id,
      revocationEndpoint: `${suite.authorizationServer.issuer}/token/revocation`,
    },
    {},
    null,
    [suite.authorizationServer.address],
  );

test.each([
  ['ES256', { key: pemOf('P-256'), kid: 'P-256' }],
  ['ES256', { key: pemOf('P-256', 'sec1') }],
  ['RS256', { key: pemOf('RSA'), alg: 'RS256', kid: 'RSA' }],
  ['PS256', { key: pemOf('RSA', 'pkcs1'), alg: 'PS256' }],
  ['EdDSA', { key: pemOf('Ed25519'), kid: 'Ed25519' }],
])('%s: code, refresh and revocation, each with an assertion of its own', async (alg, key) => {
  const asked = watch();
  const host = await start({ oauth: { private_key_jwt: key } });
  const { tokens } = await host.authorize();
  expect(await host.reinit()).toEqual(connected('srv', TOOLS));
  refuse(host);
  expect(await host.echo('hi')).toContain('hi');
  const { mcp_oauth_refresh: current } = await host.store.plain(host.user.id);
  await revoke(host, current ?? tokens.refresh_token);
  const requests = asked();
  expect(requests.map(({ path, status }) => [path, status])).toEqual([
    ['/token', 200],
    ['/token', 200],
    ['/token/revocation', 200],
  ]);
  for (const { authorization, secret, header, claims } of requests) {
    expect([authorization, secret]).toEqual([undefined, undefined]);
    expect(header).toEqual({ alg, typ: 'JWT', ...(key.kid && { kid: key.kid }) });
    expect(claims).toMatchObject({ iss: 'keyed', sub: 'keyed', aud: suite.authorizationServer.issuer });
    expect(claims.exp - claims.iat).toBeLessThanOrEqual(300);
  }
  expect(new Set(requests.map(({ claims }) => claims.jti)).size).toBe(3);
});

test('a key file is read for each assertion', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'mcp-key-'));
  fixtures.keep({ close: () => rmSync(directory, { recursive: true, force: true }) });
  const file = join(directory, 'key.pem');
  const asked = watch();
  writeFileSync(file, pemOf('P-256'));
  const host = await start({ oauth: { private_key_jwt: { key_file: file } } });
  await host.authorize();
  await host.reinit();
  writeFileSync(file, pemOf('Ed25519'));
  refuse(host);
  expect(await host.echo('hi')).toContain('hi');
  expect(asked().map(({ header }) => header.alg)).toEqual(['ES256', 'EdDSA']);

  rmSync(file);
  refuse(host);
  const next = await start({ oauth: { private_key_jwt: { key_file: file } } });
  const { oauthUrl, success } = await next.reinit();
  expect({ oauthUrl, success }).toEqual({ oauthUrl: null, success: false });
  expect(next.logger.text()).toContain(`srv\\": \`oauth.private_key_jwt.key_file\` (${file}) cannot be read`);
});

test('the host signs with a key of its own, for whom it is told', async () => {
  const calls = [];
  const getClientAssertion = async (params) => {
    calls.push(params);
    const { clientId, audience } = params;
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: clientId, sub: clientId, aud: audience, jti: randomUUID(), iat: now, exp: now + 60 };
    return signJwt(KEYS['P-256'].privateKey, claims);
  };
  const host = await start({ oauth: { private_key_jwt: {} }, services: { getClientAssertion } });
  await host.authorize();
  expect(await host.reinit()).toEqual(connected('srv', TOOLS));
  const { issuer } = suite.authorizationServer;
  const params = { serverName: 'srv', clientId: 'keyed', audience: issuer, tokenEndpoint: `${issuer}/token` };
  expect(calls).toEqual([params]);
});

test('endpoints of the config: the token endpoint is the audience', async () => {
  const { issuer } = suite.authorizationServer;
  const asked = watch();
  const host = await start({
    oauth: {
      issuer: undefined,
      authorization_url: `${issuer}/auth`,
      token_url: `${issuer}/token`,
      private_key_jwt: { key: pemOf('P-256') },
    },
  });
  await host.authorize();
  const [{ status, claims }] = asked();
  expect({ status, aud: claims.aud }).toEqual({ status: 200, aud: `${issuer}/token` });
});

describe('nobody else gets an assertion', () => {
  const oauth = { private_key_jwt: { key: pemOf('P-256') } };
  const carries = (server) => server.requests.some(({ body }) => JSON.stringify(body ?? '').includes('assertion'));

  test('not the authorization server that the MCP server names in the place of that of the config', async () => {
    const host = await start({ oauth });
    const attacker = takeOver(host.server);
    const resource = { resource: host.server.url, authorization_servers: [attacker.origin] };
    attacker.publish({ resource, metadata: attacker.metadata() });
    const { oauthUrl, success } = await host.reinit();
    expect({ oauthUrl, success }).toEqual({ oauthUrl: null, success: false });
    expect(host.logger.text()).toContain('another one than `oauth.issuer`');
    expect(carries(host.server)).toBe(false);
  });

  test('not the token endpoint of a flow that somebody changed', async () => {
    const host = await start({ oauth });
    const { oauthUrl } = await host.reinit();
    const attacker = takeOver(host.server);
    const parameters = await suite.authorizationServer.signIn(oauthUrl);
    const key = host.flowManager.key(host.runtime.oauth.generateFlowId(host.user.id, 'srv'), 'mcp_oauth');
    const flow = await host.flowManager.keyv.get(key);
    flow.metadata.metadata.token_endpoint = `${attacker.origin}/token`;
    await host.flowManager.keyv.set(key, flow);
    const [code, state, iss] = ['code', 'state', 'iss'].map((name) => parameters.get(name));
    const flowId = await host.runtime.oauth.resolveStateToFlowId(state, host.flowManager);
    const completing = host.runtime.oauth.completeOAuthFlow(flowId, code, host.flowManager, {}, { state, iss });
    await expect(completing).rejects.toMatchObject({
      code: 'MCP_OAUTH_DISCOVERY_FAILED',
      message: expect.stringContaining('gets no assertion'),
    });
    expect(carries(host.server)).toBe(false);
  });

  test('not a revocation endpoint that a row names', async () => {
    const host = await start({ oauth });
    const attacker = takeOver(host.server);
    const known = { clientId: 'keyed', revocationEndpoint: `${attacker.origin}/revoke` };
    const { runtime, server } = host;
    const revoking = runtime.oauth.revokeOAuthToken('srv', 'a-token-of-theirs', 'refresh', known, {}, null, [
      server.address,
      suite.authorizationServer.address,
    ]);
    await expect(revoking).rejects.toMatchObject({ code: 'MCP_OAUTH_DISCOVERY_FAILED' });
    expect(carries(server)).toBe(false);
  });
});

test.each([
  ['an encrypted key', { key: ENCRYPTED }, '`oauth.private_key_jwt.key` holds an encrypted private key'],
  ['no key', { key: 'no-key-at-all' }, 'srv\\": `oauth.private_key_jwt.key` holds no private key in PEM'],
  ['a path for a key', { key: '/run/key.pem' }, 'holds the path of a file: write it under `key_file`'],
  [
    'a key for a path',
    { key_file: pemOf('P-256') },
    '`oauth.private_key_jwt.key_file` holds a PEM where the path of a file belongs: write it under `key`',
  ],
  ['a variable that is not set', { key: '${NO_SUCH_KEY}' }, 'names a variable of the environment that is not set'],
  ['another kind of key', { key: pemOf('RSA'), alg: 'ES256' }, 'signs with RS256'],
  ['nobody who signs', {}, 'the host has no getClientAssertion'],
])('%s: told before the user is asked for anything', async (_, key, told) => {
  const host = await start({ oauth: { private_key_jwt: key } });
  const { oauthUrl, success } = await host.reinit();
  expect({ oauthUrl, success }).toEqual({ oauthUrl: null, success: false });
  expect(host.logger.text()).toContain(told);
  expect(host.logger.text()).not.toContain('PRIVATE KEY-----');
});

test.each([
  ['who gets the assertion', { issuer: undefined }, 'requires oauth.issuer or oauth.token_url'],
  ['the client', { client_id: undefined }, 'requires oauth.client_id'],
])('a config has to say %s', async (_, oauth, told) => {
  const host = await start({ oauth: { private_key_jwt: { key: pemOf('P-256') }, ...oauth } });
  expect((await host.reinit()).success).toBe(false);
  expect(host.logger.text()).toContain(told);
});
