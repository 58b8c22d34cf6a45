/** Tokens that are bound to a key of their user (RFC 9449), at real authorization servers. */

const { generateKeyPairSync, randomUUID } = require('node:crypto');
const { completeAuthorization, completeBoundAuthorization, useAuthorization } = require('./support/authorization');
const { startAuthorizationServer } = require('./support/authorization-server');
const { ECHO } = require('./support/calls');
const { readProof, thumbprint } = require('./support/dpop');
const { startDpopWebSocket } = require('./support/dpop-websocket');
const { createUser } = require('./support/host');
const { startProtectedServer } = require('./support/protected-server');
const { connected } = require('./support/results');
const { registerSecrets } = require('./support/secrets');
const { until } = require('./support/wait');

const suite = useAuthorization();
const dpop = { server: { dpop: true } };

/** Requests to the token endpoint with this client's proofs, by the thumbprint of their keys. */
const tokenRequests = (grantType) =>
  suite.authorizationServer.requests.filter((request) => request.grantType === grantType);
const keyOf = ({ headers }) => thumbprint(readProof(headers.dpop).header.jwk);

/** The thumbprint of the key in a user's row. */
async function storedKey({ store }, user) {
  const { mcp_oauth_dpop: key, mcp_oauth_client: client } = await store.plain(user.id);
  registerSecrets(key);
  const rows = await store.rows(user.id);
  expect(rows.mcp_oauth_dpop).toMatchObject({ identifier: 'mcp:srv:dpop' });
  expect(rows.mcp_oauth_dpop.token).not.toContain(key);
  expect(Buffer.from(key, 'base64').length).toBeGreaterThan(100);
  expect(JSON.stringify([client, rows.mcp_oauth.metadata])).not.toContain(key);
  return rows.mcp_oauth_client.metadata.dpop_jkt ?? rows.mcp_oauth_client.metadata.get?.('dpop_jkt');
}

describe('a server that requires it', () => {
  test('each request has a proof of its own, be it to the token endpoint, a message, a stream or the end', async () => {
    const host = await suite.host({ config: undefined, ...dpop });
    host.server.config = (
      (config) => (extra) =>
        config({ url: `${host.server.url}?tenant=1`, ...extra })
    )(host.server.config);
    await host.restart();
    const { oauthUrl } = await host.reinit();
    const asked = new URL(oauthUrl).searchParams.get('dpop_jkt');
    const { tokens } = await completeAuthorization(host, await suite.authorizationServer.signIn(oauthUrl));
    expect(tokens.token_type).toBe('DPoP');
    expect(keyOf(tokenRequests('authorization_code').at(-1))).toBe(asked);

    expect(await host.reinit()).toEqual(connected('srv'));
    expect(await host.echo('proved')).toContain('proved');
    await until('the GET stream', () => host.server.hasListener());
    await host.runtime.close();
    expect(host.server.problems).toEqual([]);
    const proved = host.server.requests.filter(({ headers }) => headers.dpop);
    expect(new Set(proved.map(({ method }) => method))).toEqual(new Set(['POST', 'GET', 'DELETE']));
    expect(new Set(proved.map(({ headers }) => headers.authorization))).toEqual(
      new Set([`DPoP ${tokens.access_token}`]),
    );
    expect(host.server.jtis.size).toBe(proved.length);
    expect(new Set(proved.map(keyOf))).toEqual(new Set([asked]));
    expect(await storedKey(host, host.user)).toBe(asked);
  });

  test('the nonce that it wants is in the proof of the same request, which is carried out once', async () => {
    const texts = [];
    const callTool = ({ arguments: { text } }) => {
      texts.push(text);
      return { content: [{ type: 'text', text }] };
    };
    const host = await suite.host({ server: { dpop: true, callTool } });
    host.server.nonce = 'first';
    await host.authorize();
    expect(await host.reinit()).toEqual(connected('srv'));
    host.server.nonce = 'second';
    expect(await host.echo('once')).toContain('once');
    expect(texts).toEqual(['once']);
    const nonces = host.server.received('tools/call').map(({ headers }) => readProof(headers.dpop).claims.nonce);
    expect(nonces).toEqual(['first', 'second']);
    expect(await host.echo('again')).toContain('again');
    expect(host.server.received('tools/call')).toHaveLength(3);
    expect(host.server.problems).toEqual([]);
  });

  test('one that wants another nonce each time gets two requests, and the user is not asked to sign in', async () => {
    const host = await suite.host(dpop);
    await host.authorize();
    expect(await host.reinit()).toEqual(connected('srv'));
    const before = tokenRequests('refresh_token').length;
    Object.defineProperty(host.server, 'nonce', { get: () => randomUUID() });
    await expect(host.echo('never')).rejects.toMatchObject({
      code: 'MCP_HTTP_STATUS',
      message: expect.stringMatching(/refuses the DPoP proof \(use_dpop_nonce\); the server's clock says .* GMT/),
    });
    expect(host.server.received('tools/call')).toHaveLength(2);
    expect(tokenRequests('refresh_token')).toHaveLength(before);
  });

  test('a process that starts again, and another one, prove with the key that is stored', async () => {
    const host = await suite.host(dpop);
    await host.authorize();
    await host.reinit();
    const key = await storedKey(host, host.user);
    await host.restart();
    expect(await host.echo('restarted')).toContain('restarted');
    const other = host.start();
    const call = { ...ECHO, user: host.user, toolArguments: { text: 'elsewhere' } };
    expect(JSON.stringify(await other.runtime.manager.callTool(call))).toContain('elsewhere');
    expect(new Set(host.server.received('tools/call').map(keyOf))).toEqual(new Set([key]));
    expect(host.server.problems).toEqual([]);
  });

  test('a refresh is asked for with the same key, and the token that it brings is bound to it', async () => {
    const host = await suite.host(dpop);
    await host.authorize();
    await host.reinit();
    const key = await storedKey(host, host.user);
    await host.store.expire(host.user.id);
    await host.restart();
    expect(await host.echo('refreshed')).toContain('refreshed');
    expect(keyOf(tokenRequests('refresh_token').at(-1))).toBe(key);
    expect(await storedKey(host, host.user)).toBe(key);
    const { token_type: kind, cnf } = await suite.authorizationServer.introspect(
      (await host.store.plain(host.user.id)).mcp_oauth,
    );
    expect({ kind, cnf }).toEqual({ kind: 'DPoP', cnf: { jkt: key } });
    // One that the server refuses is replaced during the session, too.
    host.server.refused.add((await host.store.plain(host.user.id)).mcp_oauth);
    expect(await host.echo('replaced')).toContain('replaced');
    expect(host.server.problems).toEqual([]);
  });

  test('users have keys of their own, which last for as long as they are signed in', async () => {
    const host = await suite.host(dpop);
    const bob = createUser();
    await host.authorize();
    const { oauthUrl } = await host.reinit({ user: bob });
    await completeAuthorization(host, await suite.authorizationServer.signIn(oauthUrl));
    const [alices, bobs] = [await storedKey(host, host.user), await storedKey(host, bob)];
    expect(alices).not.toBe(bobs);
    const deleteToken = host.store.services.tokenMethods.deleteTokens;
    await host.runtime.tokens.deleteUserTokens({ userId: bob.id, serverName: 'srv', deleteToken });
    expect(await host.store.rows(bob.id)).toEqual({});
    expect(await storedKey(host, host.user)).toBe(alices);
  });

  test('a token without its key is none: it goes nowhere, and the user is asked', async () => {
    const host = await suite.host(dpop);
    await host.authorize();
    const { mcp_oauth: token } = await host.store.plain(host.user.id);
    await host.store.services.tokenMethods.deleteTokens({ userId: host.user.id, type: 'mcp_oauth_dpop' });
    const before = host.server.requests.length;
    expect(await host.reinit()).toMatchObject({ oauthRequired: true, oauthUrl: expect.any(String) });
    const later = host.server.requests.slice(before);
    expect(later.map(({ headers }) => headers.authorization ?? '').join()).not.toContain(token);
    expect(tokenRequests('refresh_token').map(({ body }) => body?.refresh_token)).not.toContain(token);
  });

  test('a key that cannot be read is replaced by the next login', async () => {
    const host = await suite.host(dpop);
    await host.authorize();
    const before = await storedKey(host, host.user);
    const row = { userId: host.user.id, type: 'mcp_oauth_dpop', identifier: 'mcp:srv:dpop' };
    await host.store.services.tokenMethods.updateToken(row, { token: '00:11' });
    await host.restart();
    await host.authorize();
    expect(await host.reinit()).toEqual(connected('srv'));
    expect(await storedKey(host, host.user)).not.toBe(before);
  });

  test.each([
    ['deleted', (methods, row) => methods.deleteTokens(row)],
    ['replaced by another process', (methods, row, token) => methods.updateToken(row, { token })],
  ])('a key that was %s while its user signed in is stored with the tokens that are bound to it', async (_, change) => {
    for (const complete of [completeAuthorization, completeBoundAuthorization]) {
      const host = await suite.host(dpop);
      const bob = createUser();
      await host.reinit({ user: bob });
      const { mcp_oauth_dpop: bobs } = await host.store.rows(bob.id);
      const { oauthUrl } = await host.reinit();
      const asked = new URL(oauthUrl).searchParams.get('dpop_jkt');
      const row = { userId: host.user.id, type: 'mcp_oauth_dpop', identifier: 'mcp:srv:dpop' };
      await change(host.store.services.tokenMethods, row, bobs.token);
      await complete(host, await suite.authorizationServer.signIn(oauthUrl));
      await host.restart();
      expect(await host.reinit()).toEqual(connected('srv'));
      expect(await storedKey(host, host.user)).toBe(asked);
      const proved = host.server.received('initialize').filter(({ headers }) => headers.dpop);
      expect(proved.map(keyOf)).toEqual([asked]);
    }
  });

  test('a request whose proof it refuses fails in words', async () => {
    const host = await suite.host(dpop);
    await host.authorize();
    await host.reinit();
    const before = tokenRequests('refresh_token').length;
    // What was there before is refused as any other fault of a proof is.
    host.server.jtis.has = () => true;
    await expect(host.echo('replayed')).rejects.toMatchObject({
      code: 'MCP_HTTP_STATUS',
      message: expect.stringContaining('refuses the DPoP proof (invalid_dpop_proof)'),
      retryable: false,
    });
    expect(host.server.problems).toEqual(['it was there before']);
    expect(tokenRequests('refresh_token')).toHaveLength(before);
  });

  test('over HTTP+SSE the stream and each message have proofs', async () => {
    const host = await suite.host({ ...dpop, config: { type: 'sse' } });
    const { config } = host.server;
    host.server.config = (extra) => config({ ...extra, type: 'sse', url: host.server.sseUrl });
    await host.restart();
    host.server.nonce = 'wanted';
    await host.authorize();
    expect(await host.reinit()).toEqual(connected('srv'));
    expect(await host.echo('streamed')).toContain('streamed');
    expect(host.server.problems).toEqual([]);
    const proved = host.server.requests.filter(({ headers }) => headers.dpop);
    expect(new Set(proved.map(({ path }) => path))).toEqual(new Set(['/sse', '/messages']));
    expect(host.server.jtis.size).toBe(proved.length);
  });

  test('over WebSocket the handshake has one, also where only its challenge says so', async () => {
    const socket = suite.fixtures.keep(await startDpopWebSocket(suite.authorizationServer, 'wanted'));
    const host = await suite.host();
    host.server.config = socket.config;
    host.server.address = socket.address;
    await host.restart();
    await host.authorize();
    expect(await host.reinit()).toEqual(connected('srv'));
    expect(socket.problems).toEqual([]);
    const nonces = socket.upgrades.filter(({ dpop }) => dpop).map(({ dpop }) => readProof(dpop).claims.nonce);
    expect(nonces).toEqual([undefined, 'wanted']);
  });
});

describe('what a config says', () => {
  test('true: tokens are bound although nobody requires it, and others are none', async () => {
    const host = await suite.host({ config: { oauth: { dpop: true } } });
    const { tokens } = await host.authorize();
    expect(tokens.token_type).toBe('DPoP');
    const key = await storedKey(host, host.user);
    // What LibreChat makes of a login by itself.
    const { tokenMethods } = host.store.services;
    await tokenMethods.updateToken(
      { userId: host.user.id, type: 'mcp_oauth_client', identifier: 'mcp:srv:client' },
      { metadata: {} },
    );
    const { oauthUrl } = await host.reinit();
    expect(new URL(oauthUrl).searchParams.get('dpop_jkt')).toBe(key);
  });

  test('false: bearer tokens, whatever a server says', async () => {
    const host = await suite.host({ ...dpop, config: { oauth: { dpop: false } } });
    const { oauthUrl } = await host.reinit();
    expect(new URL(oauthUrl).searchParams.has('dpop_jkt')).toBe(false);
    const { tokens } = await completeAuthorization(host, await suite.authorizationServer.signIn(oauthUrl));
    expect(tokens.token_type).toBe('Bearer');
    expect(Object.keys(await host.store.rows(host.user.id))).not.toContain('mcp_oauth_dpop');
  });
});

describe('authorization servers', () => {
  const started = [];
  afterAll(() => Promise.all(started.map((server) => server.close())));
  const hostWith = async (options) => {
    const server = await startAuthorizationServer(options);
    started.push(server);
    const { authorizationServer } = suite;
    suite.authorizationServer = server;
    try {
      return await suite.host(dpop);
    } finally {
      suite.authorizationServer = authorizationServer;
    }
  };
  const signIn = async (host) =>
    completeAuthorization(host, await started.at(-1).signIn((await host.reinit()).oauthUrl));

  test('with nonces: the code and the refresh token are sent again with one, and used once', async () => {
    const host = await hostWith({ dpop: 'nonce' });
    await signIn(host);
    expect(await host.reinit()).toEqual(connected('srv'));
    await host.store.expire(host.user.id);
    await host.restart();
    expect(await host.echo('refreshed')).toContain('refreshed');
    const asked = started.at(-1).requests.filter(({ path }) => path === '/token');
    const errors = ['authorization_code', 'refresh_token'].map((grant) =>
      asked.filter(({ grantType }) => grantType === grant).map(({ error }) => error),
    );
    expect(errors).toEqual([
      ['use_dpop_nonce', undefined],
      ['use_dpop_nonce', undefined],
    ]);
    expect(new Set(asked.map(({ headers }) => readProof(headers.dpop).claims.jti)).size).toBe(asked.length);
  });

  test('one that knows nothing of proofs gives a bearer token, which is not taken', async () => {
    const host = await hostWith({ dpop: 'none' });
    await expect(signIn(host)).rejects.toMatchObject({
      code: 'MCP_OAUTH_EXCHANGE_FAILED',
      message: expect.stringContaining('bound to a DPoP key, and gave one that is not'),
    });
    expect(Object.keys(await host.store.rows(host.user.id))).toEqual(['mcp_oauth_dpop']);
  });

  test('a token of this program’s own is bound to a key, too, and each request has another assertion', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
    registerSecrets(key);
    const client = {
      client_id: 'keyed',
      redirect_uris: [],
      response_types: [],
      grant_types: ['client_credentials'],
      scope: 'mcp',
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [publicKey.export({ format: 'jwk' })] },
    };
    const authorizationServer = await startAuthorizationServer({ dpop: 'nonce', clients: [client] });
    started.push(authorizationServer);
    const { fixtures } = suite;
    const server = fixtures.keep(await startProtectedServer(authorizationServer, { dpop: true }));
    server.nonce = 'wanted';
    const { issuer, requests } = authorizationServer;
    const grant = { grant: 'client_credentials', scope: 'mcp', dpop: true };
    const oauth = { ...grant, client_id: 'keyed', issuer, private_key_jwt: { key } };
    const config = server.config({ requiresOAuth: undefined, oauth });
    const { runtime } = fixtures.runtime({ servers: { srv: config }, allow: [server, authorizationServer] });
    const call = { ...ECHO, user: createUser(), toolArguments: { text: 'by machine' } };
    expect(JSON.stringify(await runtime.manager.callTool(call))).toContain('by machine');
    const asked = requests.filter(({ path }) => path === '/token');
    expect(asked.map(({ error }) => error)).toEqual(['use_dpop_nonce', undefined]);
    expect(new Set(asked.map(({ body }) => body.client_assertion)).size).toBe(2);
    expect(new Set(server.requests.filter(({ headers }) => headers.dpop).map(keyOf))).toEqual(
      new Set([keyOf(asked[1])]),
    );
    expect(server.problems).toEqual([]);
  });
});
