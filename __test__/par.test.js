/** Authorization requests that are pushed (RFC 9126), to a real authorization server that takes no others. */

const { generateKeyPairSync } = require('node:crypto');
const { once } = require('node:events');
const { createServer } = require('node:http');
const { completeAuthorization, useAuthorization } = require('./support/authorization');
const { connected } = require('./support/results');
const { TOOLS } = require('./support/tools');

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const CLIENT = {
  client_id: 'keyed',
  token_endpoint_auth_method: 'private_key_jwt',
  jwks: { keys: [publicKey.export({ format: 'jwk' })] },
  redirect_uris: ['http://localhost:3080/api/mcp/srv/oauth/callback'],
  grant_types: ['authorization_code', 'refresh_token'],
  scope: 'offline_access mcp',
};

const suite = useAuthorization({ clients: [CLIENT], pushedSeconds: 60 });
const { fixtures } = suite;

const pushed = () => suite.authorizationServer.requests.filter(({ path }) => path === '/request');

/** The user's flow, as the store has it. */
async function flowOf({ runtime, flowManager, user }) {
  const key = flowManager.key(runtime.oauth.generateFlowId(user.id, 'srv'), 'mcp_oauth');
  return { flow: await flowManager.keyv.get(key), write: (flow) => flowManager.keyv.set(key, flow) };
}

/** The user's URL has led nowhere for a while. */
async function outlive(host) {
  const { flow, write } = await flowOf(host);
  flow.metadata.pushedRequest.expiresAt = Date.now();
  await write(flow);
}

test('a registered client: the URL names a request, and the server has what is asked for', async () => {
  const before = pushed().length;
  const host = await suite.host();
  const { oauthUrl, oauthExpiresAt } = await host.reinit();
  const { origin, pathname, searchParams } = new URL(oauthUrl);
  expect(origin + pathname).toBe(`${suite.authorizationServer.issuer}/auth`);
  expect([...searchParams.keys()].sort()).toEqual(['client_id', 'request_uri']);
  expect(oauthExpiresAt).toBeLessThanOrEqual(Date.now() + 60_000);

  const [{ status, body, headers }, ...more] = pushed().slice(before);
  expect([status, more]).toEqual([201, []]);
  expect(headers.authorization).toMatch(/^Basic /);
  const { flow } = await flowOf(host);
  expect(body).toMatchObject({
    response_type: 'code',
    code_challenge_method: 'S256',
    redirect_uri: 'http://localhost:3080/api/mcp/srv/oauth/callback',
    resource: host.server.url,
    state: flow.metadata.state,
    scope: expect.stringContaining('mcp'),
  });
  expect(flow.metadata).toMatchObject({ authorizationUrl: oauthUrl, codeVerifier: expect.any(String) });

  await completeAuthorization(host, await suite.authorizationServer.signIn(oauthUrl));
  expect(await host.reinit()).toEqual(connected('srv', TOOLS));
});

test('a client with a key authenticates with an assertion there, too', async () => {
  const before = pushed().length;
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
  const { issuer } = suite.authorizationServer;
  const oauth = { client_id: CLIENT.client_id, issuer, private_key_jwt: { key } };
  const host = await suite.host({ config: { oauth } });
  await host.authorize();
  expect(await host.reinit()).toEqual(connected('srv', TOOLS));
  const [{ status, body }] = pushed().slice(before);
  expect(status).toBe(201);
  const claims = JSON.parse(Buffer.from(body.client_assertion.split('.')[1], 'base64url').toString());
  expect(claims).toMatchObject({ aud: issuer, sub: 'keyed' });
});

test('calls join a request for as long as it can be opened', async () => {
  const host = await suite.host();
  const first = await host.reinit();
  const before = pushed().length;
  expect((await host.reinit()).oauthUrl).toBe(first.oauthUrl);
  expect(pushed()).toHaveLength(before);
});

test('after that another one is pushed, and who signs in with the first one still does', async () => {
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
  const { issuer } = suite.authorizationServer;
  const oauth = { client_id: CLIENT.client_id, issuer, private_key_jwt: { key } };
  for (const chosen of ['first', 'second']) {
    const host = await suite.host({ config: { oauth } });
    const first = await host.reinit();
    const { state } = (await flowOf(host)).flow.metadata;
    await outlive(host);
    const second = await host.reinit();
    expect(second.oauthUrl).not.toBe(first.oauthUrl);
    expect((await flowOf(host)).flow.metadata).toMatchObject({ state, authorizationUrl: second.oauthUrl });
    const { oauthUrl } = chosen === 'first' ? first : second;
    await completeAuthorization(host, await suite.authorizationServer.signIn(oauthUrl));
    expect(await host.reinit()).toEqual(connected('srv', TOOLS));
  }
});

describe('an authorization server that cannot be made to fail', () => {
  /**
   * One that answers pushed requests with `answer`; `document` is what its metadata says otherwise than usual. It keeps
   * what it is sent.
   */
  async function startScripted({ document, answer = () => ({ status: 201, body: {} }) } = {}) {
    const requests = [];
    const listener = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        const { url, headers } = request;
        requests.push({ url, headers, body });
        const reply = (status, value) =>
          response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
        if (url.startsWith('/.well-known/')) return reply(200, metadata);
        if (url === '/register') return reply(201, { ...JSON.parse(body), client_id: `client-${requests.length}` });
        const { status, body: told } = answer(Object.fromEntries(new URLSearchParams(body)));
        return reply(status, told);
      });
    });
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const address = `127.0.0.1:${listener.address().port}`;
    const issuer = `http://${address}`;
    const metadata = {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      registration_endpoint: `${issuer}/register`,
      pushed_authorization_request_endpoint: `${issuer}/par`,
      require_pushed_authorization_requests: true,
      response_types_supported: ['code'],
      code_challenge_methods_supported: ['S256'],
      token_endpoint_auth_methods_supported: ['none'],
      ...document?.(issuer),
    };
    const stop = () => {
      listener.closeAllConnections();
      return new Promise((resolve) => listener.close(resolve));
    };
    fixtures.keep({ close: stop });
    return { address, issuer, requests, sent: (path) => requests.filter(({ url }) => url === path) };
  }

  /** A protected server of that authorization server. */
  async function start(options) {
    const authorizationServer = await startScripted(options);
    const { server, user, store } = await suite.host();
    const { issuer, address } = authorizationServer;
    const honest = server.fault;
    server.fault = (exchange) => {
      if (!exchange.request.url.startsWith('/.well-known/oauth-protected-resource')) return honest(exchange);
      const body = JSON.stringify({ resource: server.url, authorization_servers: [issuer], scopes_supported: ['mcp'] });
      exchange.response.writeHead(200, { 'content-type': 'application/json' }).end(body);
      return true;
    };
    const allow = [server, { address }, ...(options?.allow ?? [])];
    const host = fixtures.runtime({ servers: { srv: server.config() }, allow, services: store.services });
    const reinit = () => host.runtime.reinitMCPServer({ user, serverName: 'srv' });
    return { ...host, user, authorizationServer, reinit };
  }

  const good = (request_uri, expires_in = 60) => ({ status: 201, body: { request_uri, expires_in } });

  test('what the endpoint has in its own query stays', async () => {
    const { reinit, authorizationServer } = await start({
      document: (issuer) => ({ authorization_endpoint: `${issuer}/authorize?tenant=a` }),
      answer: () => good('urn:example:1'),
    });
    const { searchParams } = new URL((await reinit()).oauthUrl);
    expect(Object.fromEntries(searchParams)).toEqual({
      tenant: 'a',
      client_id: expect.stringMatching(/^client-/),
      request_uri: 'urn:example:1',
    });
    expect(authorizationServer.sent('/par')).toHaveLength(1);
  });

  test('and what it has of the request itself does not', async () => {
    const theirs = 'request_uri=theirs&request=theirs&client_id=theirs&redirect_uri=theirs&state=theirs&scope=theirs';
    for (const isPushed of [true, false]) {
      const { reinit, authorizationServer } = await start({
        document: (issuer) => ({
          authorization_endpoint: `${issuer}/authorize?${theirs}&tenant=a`,
          require_pushed_authorization_requests: isPushed,
        }),
        answer: () => good('urn:example:1'),
      });
      const { search, searchParams } = new URL((await reinit()).oauthUrl);
      expect(search).not.toContain('theirs');
      expect(searchParams.get('tenant')).toBe('a');
      if (!isPushed) continue;
      expect([...searchParams.keys()]).toEqual(['tenant', 'client_id', 'request_uri']);
      const [{ body }] = authorizationServer.sent('/par');
      expect(body).not.toMatch(/theirs|request_uri/);
    }
  });

  test('a request that nobody has to push is not pushed', async () => {
    const { reinit, authorizationServer } = await start({
      document: () => ({ require_pushed_authorization_requests: false }),
    });
    expect(new URL((await reinit()).oauthUrl).searchParams.get('code_challenge_method')).toBe('S256');
    expect(authorizationServer.sent('/par')).toEqual([]);
  });

  test.each([
    [
      'an error of the standard',
      { status: 400, body: { error: 'invalid_request', error_description: 'no such resource' } },
      'Pushed authorization request failed: 400 Bad Request - invalid_request: no such resource',
    ],
    ['no name for the request', { status: 201, body: { expires_in: 60 } }, 'without a request_uri that lasts'],
    ['no lifetime', { status: 201, body: { request_uri: 'urn:example:1' } }, 'without a request_uri that lasts'],
    ['a lifetime that is none', good('urn:example:1', 0), 'without a request_uri that lasts'],
    ['a name that is endless', good('u'.repeat(3000)), 'without a request_uri that lasts'],
  ])('%s: no flow, and the log says why', async (_, answer, told) => {
    const { reinit, logger } = await start({ answer: () => answer });
    const { success, oauthUrl } = await reinit();
    expect({ success, oauthUrl }).toEqual({ success: false, oauthUrl: null });
    expect(logger.text()).toContain(told);
  });

  test('an endpoint at another origin gets nothing', async () => {
    const other = await startScripted();
    const { reinit, logger, authorizationServer } = await start({
      document: () => ({ pushed_authorization_request_endpoint: `${other.issuer}/par` }),
      allow: [other],
    });
    const { success, oauthUrl } = await reinit();
    expect({ success, oauthUrl }).toEqual({ success: false, oauthUrl: null });
    expect(logger.text()).toContain('at another origin than the token_endpoint');
    expect(other.requests).toEqual([]);
    expect(authorizationServer.sent('/par')).toEqual([]);
  });
});
