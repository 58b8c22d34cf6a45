/** Enterprise-managed authorization (SEP-990): ID tokens of users, exchanged for tokens of a server. */

const { generateKeyPairSync } = require('node:crypto');
const { ID_JAG, seconds, useEnterprise } = require('./support/enterprise');
const { rejection } = require('./support/live-tokens');
const { recordError } = require('./support/secrets');

const { setup } = useEnterprise();

/** The error of a call, which the log of the run gets too. */
async function failure(promise) {
  const error = await rejection(promise);
  recordError(error);
  return error;
}

const secretsOf = ({ idp, as }) => [idp.client.secret, as.client.secret];

describe('the two exchanges', () => {
  test('an ID token becomes an ID-JAG, and that a token of the server', async () => {
    const world = await setup();
    const { idp, as, call, user, calls, server, logger } = world;
    const alice = user('alice');
    await call({ user: alice });
    expect(idp.requests.map(({ form }) => form)).toEqual([
      {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        requested_token_type: ID_JAG,
        audience: as.issuer,
        resource: server.url,
        scope: 'mcp',
        subject_token: alice.federatedTokens.id_token,
        subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
      },
    ]);
    expect(as.requests.map(({ form }) => form)).toEqual([
      { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: expect.stringMatching(/^eyJ/) },
    ]);
    expect(calls()).toEqual([['hi', 'alice']]);
    for (const secret of [...secretsOf(world), alice.federatedTokens.id_token])
      expect(logger.text()).not.toContain(secret);
  });

  test('tokens are kept while they are good', async () => {
    const { idp, as, call, user } = await setup();
    const alice = user('alice');
    await call({ user: alice });
    await call({ user: alice });
    expect([idp.requests.length, as.requests.length]).toEqual([1, 1]);
  });

  test('a new login exchanges anew', async () => {
    const { idp, as, call, user } = await setup();
    const alice = user('alice');
    await call({ user: alice });
    alice.federatedTokens.id_token = idp.idToken('alice');
    await call({ user: alice });
    expect([idp.requests.length, as.requests.length]).toEqual([2, 2]);
  });

  test('calls of a user at once are one exchange', async () => {
    const { idp, as, call, user } = await setup({ delayMs: 100 });
    const alice = user('alice');
    await Promise.all(Array.from({ length: 10 }, () => call({ user: alice })));
    expect([idp.requests.length, as.requests.length]).toEqual([1, 1]);
  });

  test('twenty users at once: each request has its own user’s token', async () => {
    const { idp, call, user, calls, logger } = await setup();
    const names = Array.from({ length: 20 }, (_, index) => `user${index}`);
    await Promise.all(
      names.flatMap((name) => {
        const own = user(name);
        return [1, 2].map(() => call({ user: own, toolArguments: { text: name } }));
      }),
    );
    expect(calls()).toHaveLength(40);
    for (const [text, sub] of calls()) expect(sub).toBe(text);
    expect(idp.requests).toHaveLength(20);
    expect(logger.text()).not.toMatch(/eyJ|for-user\d/);
  });

  test('with the operator’s OpenID client, where the config names no identity provider', async () => {
    const { idp, call, user, calls } = await setup({
      oauth: () => ({ identity_provider: undefined }),
      services: ({ idp: { issuer, tokenUrl, client } }) => ({
        openIdConfig: () => ({ issuer, tokenEndpoint: tokenUrl, clientId: client.id, clientSecret: client.secret }),
      }),
    });
    await call({ user: user('alice') });
    expect(calls()).toEqual([['hi', 'alice']]);
    expect(idp.requests[0].form.client_id).toBe(idp.client.id);
  });

  test('with keys in the place of secrets', async () => {
    const [atProvider, atServer] = [1, 2].map(() => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
    const pem = (key) => key.export({ type: 'pkcs8', format: 'pem' });
    const world = await setup({
      oauth: ({ idp, as }) => {
        Object.assign(idp.client, { key: atProvider });
        Object.assign(as.client, { key: atServer });
        const identity_provider = {
          issuer: idp.issuer,
          client_id: idp.client.id,
          private_key_jwt: { key: pem(atProvider) },
        };
        return { client_secret: undefined, private_key_jwt: { key: pem(atServer) }, identity_provider };
      },
    });
    await world.call({ user: world.user('alice') });
    expect(world.calls()).toEqual([['hi', 'alice']]);
    expect(world.logger.text()).not.toMatch(/eyJ|PRIVATE KEY/);
  });

  test.each(['issuer', 'token_url'])('users have no say in the `%s` that gets them', async (name) => {
    const { call, user, idp, as } = await setup({
      oauth: ({ as }) => ({ [name]: as.issuer.replace('127.0.0.1', '{{HOST}}') }),
      config: { customUserVars: { HOST: { title: 'Host', description: '' } } },
    });
    const userMCPAuthMap = { mcp_srv: { HOST: '127.0.0.1' } };
    expect(await failure(call({ user: user('alice'), userMCPAuthMap }))).toMatchObject({
      code: 'MCP_INVALID_CONFIG',
      message: expect.stringContaining(`oauth.${name}`),
    });
    expect([idp.requests, as.requests]).toEqual([[], []]);
  });

  test('over HTTP+SSE', async () => {
    const { server, serverConfig, call, user } = await setup({ config: { type: 'sse' } });
    serverConfig.url = server.sseUrl;
    server.fault = undefined;
    await call({ user: user('alice') });
    const [{ headers }] = server.received('tools/call');
    expect(headers.authorization).toMatch(/^Bearer for-alice-/);
  });

  test('reinitialization, discovery and the client use them', async () => {
    const { runtime, user } = await setup();
    const alice = user('alice');
    expect(await runtime.reinitMCPServer({ serverName: 'srv', user: alice })).toMatchObject({ success: true });
    const found = await runtime.manager.discoverServerTools({ serverName: 'srv', user: alice });
    expect(found.tools).not.toHaveLength(0);
    const client = runtime.client('srv', { user: alice });
    expect((await client.listTools()).tools).not.toHaveLength(0);
    await client.close();
  });

  test('the server is told of the extension', async () => {
    const { server, call, user } = await setup();
    await call({ user: user('alice') });
    const [{ message }] = server.received('initialize');
    expect(message.params.capabilities.extensions).toEqual({
      'io.modelcontextprotocol/enterprise-managed-authorization': {},
    });
  });
});

describe('a token that ends', () => {
  test('refused by the server: one more exchange, and the call is made', async () => {
    const { idp, server, call, user, calls } = await setup();
    const alice = user('alice');
    await call({ user: alice });
    const [{ headers }] = server.received('tools/call');
    server.refused.add(headers.authorization.slice('Bearer '.length));
    await call({ user: alice, toolArguments: { text: 'again' } });
    expect(calls().map(([text]) => text)).toEqual(['hi', 'again', 'again']);
    expect(idp.requests).toHaveLength(2);
  });

  test('refused for good: the call fails with what the server said', async () => {
    const { idp, server, call, user } = await setup();
    const [alice, bob] = [user('alice'), user('bob')];
    await call({ user: alice });
    await call({ user: bob });
    server.fault = ((fault) => async (exchange) => {
      const isAlice = exchange.request.headers.authorization?.startsWith('Bearer for-alice');
      if (isAlice) return exchange.response.writeHead(401).end() && true;
      return fault(exchange);
    })(server.fault);
    expect(await failure(call({ user: alice }))).toMatchObject({ status: 401 });
    await call({ user: bob });
    expect(idp.requests).toHaveLength(3);
  });
});

describe('the ID token', () => {
  test.each([
    ['none', () => undefined],
    ['one that has expired', (idp) => idp.idToken('alice', -1)],
  ])('%s: the user signs in again', async (_, idToken) => {
    const { idp, as, call, user } = await setup();
    const alice = user('alice');
    alice.federatedTokens.id_token = idToken(idp);
    const error = await failure(call({ user: alice }));
    expect(error).toMatchObject({ code: 'OBO_MISSING_UPSTREAM_TOKEN', mendedBy: 'user', retryable: false });
    expect(error.message).toContain('Your sign-in has no valid ID token. Please sign in again.');
    expect([idp.requests, as.requests]).toEqual([[], []]);
  });

  test('is the login session’s, which refreshes it where it has run out before the access token', async () => {
    const { idp, call, user, calls } = await setup();
    const asked = [];
    const upstreamTokenProvider = async (options) => {
      asked.push(options.forceRefresh);
      const id_token = idp.idToken('alice', options.forceRefresh ? 3600 : -1);
      return { access_token: 'access-of-alice', id_token, expires_at: seconds() + 3600 };
    };
    await call({ user: user('alice', idp.idToken('alice', -1)), upstreamTokenProvider });
    expect(asked.slice(0, 2)).toEqual([undefined, true]);
    expect(calls()).toEqual([['hi', 'alice']]);
  });

  test('a session that cannot be refreshed', async () => {
    const { idp, call, user } = await setup();
    const upstreamTokenProvider = async () => {
      throw new Error('invalid_grant');
    };
    const error = await failure(call({ user: user('alice'), upstreamTokenProvider }));
    expect(error).toMatchObject({ code: 'OBO_SESSION_REFRESH_FAILED' });
    expect(idp.requests).toEqual([]);
  });
});

describe('who can mend it', () => {
  const at = (party, members) => (world) => {
    world[party].answer = () => ({ access_token: undefined, ...members });
  };
  test.each([
    ['the sign-in is not accepted', at('idp', { error: 'invalid_grant' }), 'user', 'bad_assertion'],
    ['the policy denies', at('idp', { error: 'access_denied' }), 'identity_provider', 'access_denied'],
    [
      'the provider does not know the server',
      at('idp', { error: 'invalid_target' }),
      'identity_provider',
      'invalid_scope',
    ],
    [
      'the client is unknown there',
      at('idp', { status: 401, error: 'invalid_client' }),
      'operator',
      'client_credentials',
    ],
    [
      'the client may not exchange',
      at('idp', { error: 'unauthorized_client' }),
      'identity_provider',
      'client_credentials',
    ],
    ['the server takes no ID-JAG of it', at('as', { error: 'invalid_grant' }), 'server', 'bad_assertion'],
    ['the server knows no such grant', at('as', { error: 'unsupported_grant_type' }), 'server', 'invalid_response'],
    [
      'the client is unknown at the server',
      at('as', { status: 401, error: 'invalid_client' }),
      'operator',
      'client_credentials',
    ],
    [
      'an access token in the place of an ID-JAG',
      at('idp', {
        access_token: 'an-access-token-of-the-idp',
        issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        token_type: 'Bearer',
      }),
      'identity_provider',
      'invalid_response',
    ],
  ])('%s', async (_, break_, mendedBy, detail) => {
    const world = await setup();
    break_(world);
    const { call, user, server, as, logger } = world;
    const alice = user('alice');
    const error = await failure(call({ user: alice }));
    expect(error).toMatchObject({ code: 'OBO_EXCHANGE_FAILED', mendedBy, detail, retryable: false });
    expect(server.received('initialize')).toEqual([]);
    expect(as.requests.some(({ form }) => form.assertion === 'an-access-token-of-the-idp')).toBe(false);
    for (const text of [logger.text(), error.message]) expect(text).not.toMatch(/eyJ|an-access-token/);
  });

  test('what passes is tried once more, and is mended by nobody', async () => {
    const { idp, call, user } = await setup();
    idp.answer = () => ({ status: 503, access_token: undefined });
    const error = await failure(call({ user: user('alice') }));
    expect(error).toMatchObject({ code: 'OBO_EXCHANGE_FAILED', retryable: true, detail: 'unavailable' });
    expect(error.mendedBy).toBeUndefined();
    expect(idp.requests).toHaveLength(2);
    idp.answer = undefined;
    await call({ user: user('bob') });
  });

  test('a provider that wants more of the sign-in', async () => {
    const { idp, call, user } = await setup();
    const claims = '{"id_token":{"acr":{"essential":true}}}';
    idp.answer = () => ({ error: 'interaction_required', claims, access_token: undefined });
    const error = await failure(call({ user: user('alice') }));
    expect(error).toMatchObject({ code: 'OBO_CLAIMS_CHALLENGE', claims, mendedBy: 'user' });
  });
});
