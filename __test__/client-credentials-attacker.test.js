/** `oauth.grant: client_credentials` where the MCP server or the authorization server is an attacker. */

const { once } = require('node:events');
const { createServer } = require('node:http');
const { takeOver } = require('./support/attacker');
const { LURES, itself } = require('./support/attacks');
const { KEY, SECRET, said, useClientCredentials } = require('./support/client-credentials');
const { registerSecrets } = require('./support/secrets');

const { fixtures, authorizationServerOf, start, watch, withKey } = useClientCredentials();

const announced = async () =>
  (await fetch(`${authorizationServerOf().issuer}/.well-known/openid-configuration`)).json();

test.each(LURES)('%s, after the first token: the second is from who issued the first', async (_, lure) => {
  const host = await start({ oauth: withKey({ key: KEY }) });
  const attacker = takeOver(host.server);
  const real = await announced();
  await host.call();
  const [first] = host.tokens();
  const requested = watch();
  attacker.publish(lure(attacker, host, real));
  host.server.refused.add(first.slice('Bearer '.length));
  expect(said(await host.call())).toBe(true);
  expect(requested()).toEqual([expect.objectContaining({ status: 200 })]);
  expect(postsOf(host.server)).toEqual([]);
});

test.each([
  ['secret', { client_secret: SECRET }, 'oauth.client_secret'],
  ['key', { private_key_jwt: { key: KEY } }, 'oauth.private_key_jwt'],
  ['key of the host', { private_key_jwt: {} }, 'oauth.private_key_jwt'],
])('that is the server from the start: a %s is for nobody whom it alone names', async (_, members, named) => {
  const getClientAssertion = jest.fn(() => 'a.b.c');
  const host = await start({ oauth: { client_id: 'basic', ...members }, services: { getClientAssertion } });
  const attacker = takeOver(host.server);
  attacker.publish(itself(attacker, host));
  await expect(host.call()).rejects.toMatchObject({
    code: 'MCP_INVALID_CONFIG',
    message: expect.stringContaining(named),
  });
  expect([postsOf(host.server), getClientAssertion.mock.calls]).toEqual([[], []]);
});

/** An authorization server that answers token requests with `answer(origin, authorization)`. */
async function scripted(answer, document) {
  const listener = createServer((request, response) => {
    const origin = `http://${request.headers.host}`;
    const metadata = { issuer: origin, token_endpoint: `${origin}/token`, ...document?.(origin) };
    const told = request.method === 'GET' ? metadata : answer(request.headers.authorization);
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(told));
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  fixtures.keep({ close: () => new Promise((done) => listener.close(done)) });
  const address = `127.0.0.1:${listener.address().port}`;
  const at = { issuer: `http://${address}`, address, scopes: ['mcp'], introspect: async () => ({ active: true }) };
  return { at, oauth: { client_id: 'basic', client_secret: SECRET, issuer: at.issuer } };
}

test('what is told of a token has neither it nor what was sent in it', async () => {
  const access_token = 'token-that-nobody-may-read';
  registerSecrets(access_token);
  const { runtime } = await start(
    await scripted((sent) => ({
      access_token,
      expires_in: 9,
      scope: `\x1b[2J mcp ${SECRET} ${sent} ${access_token}`,
    })),
  );
  const { scope } = await runtime.describeMachineToken('srv');
  expect(scope).toContain('mcp');
  expect(scope).not.toMatch(new RegExp(`\x1b|${SECRET}|${access_token}|${btoa(`basic:${SECRET}`)}`));
});

test.each([0, -1, '-5'])('a token that ends after %s seconds serves the one who asked for it', async (expires_in) => {
  let issued = 0;
  const { runtime } = await start(
    await scripted(() => {
      issued += 1;
      return { access_token: `token-${issued}`, expires_in };
    }),
  );
  for (const count of [1, 2]) {
    expect(await runtime.describeMachineToken('srv')).toMatchObject({ expiresIn: 0 });
    expect(issued).toBe(count);
  }
});

test('an endpoint with user information gets nothing', async () => {
  const answer = jest.fn();
  const document = (origin) => ({ token_endpoint: `${origin.replace('//', '//user:word@')}/token` });
  const { call } = await start(await scripted(answer, document));
  const failure = await call().catch((error) => error);
  expect(failure).toMatchObject({ code: 'MCP_GRANT_FAILED' });
  expect(failure.message).toMatch(/token_endpoint .* has user information/);
  expect(failure.message).not.toContain('word');
  expect(answer).not.toHaveBeenCalled();
});

test.each([302, 307, 308])('a token endpoint that redirects with %d sends nothing on', async (status) => {
  const received = [];
  const listen = async (answer) => {
    const server = createServer((request, response) => {
      received.push(request.url);
      response.writeHead(...answer).end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    fixtures.keep({ close: () => new Promise((done) => server.close(done)) });
    return `127.0.0.1:${server.address().port}`;
  };
  const attacker = await listen([200]);
  const bent = await listen([status, { location: `http://${attacker}/stolen` }]);
  const { call } = await start({
    oauth: { client_id: 'basic', client_secret: SECRET, token_url: `http://${bent}/token` },
    allow: [attacker, bent],
  });
  await expect(call()).rejects.toMatchObject({ code: 'MCP_GRANT_FAILED' });
  expect(received).toEqual(['/token']);
});

/** What was sent to its token endpoint. */
const postsOf = (server) => server.requests.filter(({ path }) => path === '/token');
