/**
 * `oauth.grant: client_credentials`: a server that knows this program, and not its users, with a real authorization server.
 */

const { once } = require('node:events');
const { createServer } = require('node:http');
const { startAuthorizationServer } = require('./support/authorization-server');
const { ECHO } = require('./support/calls');
const { CLIENTS, GRANT, KEY, SECRET, said, useClientCredentials } = require('./support/client-credentials');
const { useEnvironment } = require('./support/environment');
const { createUser } = require('./support/host');
const { startProtectedServer } = require('./support/protected-server');
const { connected } = require('./support/results');
const { registerSecrets } = require('./support/secrets');
const { delay, until } = require('./support/wait');

const { fixtures, authorizationServerOf, start, watch, withKey, withSecret } = useClientCredentials();
useEnvironment({ MACHINE_KEY: KEY });

const answered = { content: [{ type: 'text', text: 'hi' }] };

describe.each([
  ['Basic', () => withSecret({ client_id: 'basic' })],
  ['the body', () => withSecret({ client_id: 'post', token_exchange_method: 'default_post' })],
  [
    'a token endpoint of the config',
    () => withSecret({ client_id: 'basic', issuer: undefined, token_url: `${authorizationServerOf().issuer}/token` }),
  ],
  ['a key', () => withKey({ key: KEY })],
  ['a variable', () => withKey({ key: '${MACHINE_KEY}' })],
])('a client that authenticates with %s', (_, oauth) => {
  test('connects, and nobody is asked for anything', async () => {
    const requested = watch();
    const { reinit, call, tokens, oauthStart, logger } = await start({ oauth: oauth() });
    expect(await reinit()).toEqual(connected('srv'));
    expect(said(await call())).toBe(true);
    expect(requested()).toEqual([expect.objectContaining({ grantType: 'client_credentials', status: 200 })]);
    expect(requested()[0].body).toMatchObject({ scope: 'mcp', resource: expect.stringMatching(/\/mcp$/) });
    expect(tokens()).toHaveLength(1);
    expect(oauthStart).not.toHaveBeenCalled();
    expect(logger.text()).not.toContain(SECRET);
    expect(logger.text()).not.toContain(tokens()[0].slice('Bearer '.length));
  });
});

test('a server that takes tokens of a key only is noticed, also where the operator named the authorization server', async () => {
  const requested = watch();
  const { reinit, call, server } = await start({ server: { dpop: true } });
  expect(await reinit()).toEqual(connected('srv'));
  expect(said(await call())).toBe(true);
  expect(requested().map(({ headers }) => Boolean(headers.dpop))).toEqual([false, true]);
  expect(server.problems).toEqual([]);

  const without = await start({ server: { dpop: true }, oauth: withSecret({ client_id: 'basic', dpop: false }) });
  const refused = expect.objectContaining({ message: expect.stringContaining('set `oauth.dpop: true`') });
  await expect(without.call()).rejects.toEqual(refused);
});

test('one token for all users, over the connection of all and over their own', async () => {
  const users = Array.from({ length: 50 }, () => createUser());
  for (const config of [{}, { customUserVars: { KEY: { title: 'Key', description: '' } } }]) {
    const requested = watch();
    const { call, tokens, server } = await start({ config });
    const userMCPAuthMap = { mcp_srv: { KEY: 'own' } };
    const answers = await Promise.all(users.map((user) => call(user, { userMCPAuthMap })));
    expect(answers.every(said)).toBe(true);
    expect([requested().length, tokens().length]).toEqual([1, 1]);
    expect(server.received('initialize')).toHaveLength('customUserVars' in config ? users.length : 1);
  }
});

test('an inspection finds the tools, and nothing for users to authorize', async () => {
  const { runtime, config, server } = await start();
  const { requiresOAuth, tools } = await runtime.inspectServer('srv', config);
  expect({ requiresOAuth, tools }).toEqual({ requiresOAuth: false, tools: 'echo, undescribed' });
  expect(server.received('tools/list')).toHaveLength(1);
  const later = await runtime.inspectServer('srv', { ...config, requiresOAuth: true });
  expect(later.tools).toBe('echo, undescribed');
});

test('runtime.client, and a runtime without a host', async () => {
  const { runtime, config, server } = await start();
  const { tools } = await runtime.client('srv').listTools();
  expect(tools.map(({ name }) => name)).toContain('echo');
  const { createMCPRuntime } = require('./support/addon');
  const requested = watch();
  const alone = fixtures.keep(
    createMCPRuntime({
      config: {
        mcpServers: { srv: config },
        mcpSettings: { allowedAddresses: [server.address, authorizationServerOf().address] },
      },
    }),
  );
  const answer = await alone
    .client('srv', { user: createUser() })
    .callTool({ name: 'echo', arguments: { text: 'hi' } });
  expect(answer).toMatchObject(answered);
  expect(requested()).toHaveLength(1);
});

test('a token that has expired is asked for anew', async () => {
  const short = fixtures.keep(await startAuthorizationServer({ clients: CLIENTS, accessTokenSeconds: 1 }));
  const requested = watch(short);
  const { call, tokens } = await start({
    at: short,
    oauth: { ...withSecret({ client_id: 'basic' }), issuer: short.issuer },
  });
  await until('a second token', async () => {
    expect(said(await call())).toBe(true);
    return requested().length > 1;
  });
  await until('its use', async () => said(await call()) && tokens().length > 1);
});

test('a refused token is replaced once, and the request repeated', async () => {
  const requested = watch();
  const { call, tokens, server } = await start();
  await call();
  const [first] = tokens();
  server.refused.add(first.slice('Bearer '.length));
  expect(said(await call())).toBe(true);
  expect([requested().length, tokens().length]).toEqual([2, 2]);
});

test('a token that came in place of a refused one is replaced, too, when its time has come', async () => {
  const requested = watch();
  const { call, tokens, server } = await start();
  const refuse = () => server.refused.add(tokens().at(-1).slice('Bearer '.length));
  await call();
  refuse();
  expect(said(await call())).toBe(true);
  refuse();
  const isAnswered = async () => {
    await delay(250);
    return said(await call().catch((error) => error));
  };
  await until('another token', isAnswered, 30_000);
  expect(requested()).toHaveLength(3);
});

test.each([
  ['the connection of all', {}],
  ["users' own connections", { customUserVars: { KEY: { title: 'Key', description: '' } } }],
  ['the connection of all, with DPoP', { oauth: { dpop: true } }],
])('30 calls at once with a refused token, over %s: all succeed with one other', async (_, { oauth, ...config }) => {
  const slow = fixtures.keep(await startAuthorizationServer({ clients: CLIENTS, tokenDelayMs: 300 }));
  const requested = watch(slow);
  const { call, tokens, server } = await start({
    at: slow,
    oauth: { ...withSecret({ client_id: 'basic' }), issuer: slow.issuer, ...oauth },
    config,
    server: { dpop: oauth?.dpop },
  });
  const users = Array.from({ length: 30 }, () => createUser());
  const all = async () => {
    const answers = await Promise.all(users.map((user) => call(user, { userMCPAuthMap: { mcp_srv: { KEY: 'own' } } })));
    return answers.filter(said).length;
  };
  expect(await all()).toBe(users.length);
  server.refused.add(tokens()[0].split(' ')[1]);
  expect(await all()).toBe(users.length);
  expect([requested().length, tokens().length]).toEqual([2, 2]);
});

test('a server that takes no token ends in an error of the operator, and the authorization server is left alone', async () => {
  const requested = watch();
  const { call, reinit, server, oauthStart } = await start();
  server.refused.has = () => true;
  const failure = await call().catch((error) => error);
  expect(failure).toMatchObject({ code: 'MCP_GRANT_FAILED', retryable: true });
  expect(failure.message).toMatch(/refuses a token that was just issued\. An operator.* in \d+ s at the earliest/);
  expect(await reinit()).toMatchObject({ success: false, oauthRequired: false, oauthUrl: null });
  await call().catch(() => {});
  expect(requested()).toHaveLength(2);
  expect(oauthStart).not.toHaveBeenCalled();
});

test.each([
  ['client_id', { client_id: 'unknown' }, /invalid_client.*oauth\.client_id/],
  ['client_secret', { client_secret: 'another-secret-of-nobody' }, /invalid_client.*oauth\.client_secret/],
])('a wrong %s: the error names what an operator has to check', async (_, members, expected) => {
  registerSecrets(members.client_secret);
  const { call, reinit, logger, oauthStart } = await start({ oauth: withSecret({ client_id: 'basic', ...members }) });
  const failure = await call().catch((error) => error);
  expect(failure).toMatchObject({ code: 'MCP_GRANT_FAILED', message: expect.stringMatching(expected) });
  const result = await reinit();
  expect(result).toMatchObject({ success: false, oauthRequired: false, oauthUrl: null });
  expect(oauthStart).not.toHaveBeenCalled();
  expect(logger.text()).not.toMatch(/another-secret|secret-of-the-operators/);
});

test('an authorization server that is away is tried again later', async () => {
  const { call } = await start();
  await authorizationServerOf().fail(503);
  await expect(call()).rejects.toMatchObject({ code: 'MCP_GRANT_FAILED', retryable: true });
  await authorizationServerOf().fail(null);
  expect(said(await call())).toBe(true);
});

test('an authorization server whose address is not allowed: the error names it, and the setting', async () => {
  const server = fixtures.keep(await startProtectedServer(authorizationServerOf()));
  const oauth = { ...GRANT, ...withSecret({ client_id: 'basic' }) };
  const servers = { srv: server.config({ requiresOAuth: undefined, oauth }) };
  const { runtime } = fixtures.runtime({ servers, allow: [server] });
  const failure = await runtime.manager.callTool({ ...ECHO, user: createUser() }).catch((error) => error);
  expect(failure.code).toBe('MCP_GRANT_FAILED');
  expect(failure.message).toContain(`blocked address: ${authorizationServerOf().address}.`);
  expect(failure.message).toContain('mcpSettings.allowedAddresses');
});

test.each([
  ['invalid_client', -3600, true],
  ['invalid_grant', 3600, true],
  ['invalid_client', 0, false],
  ['invalid_scope', 3600, false],
])('%s by a clock that is %d s off', async (error, seconds, isTold) => {
  const endpoint = createServer((_, response) => {
    const date = new Date(Date.now() + seconds * 1000).toUTCString();
    response.writeHead(400, { 'content-type': 'application/json', date }).end(JSON.stringify({ error }));
  });
  endpoint.listen(0, '127.0.0.1');
  await once(endpoint, 'listening');
  fixtures.keep({ close: () => new Promise((done) => endpoint.close(done)) });
  const address = `127.0.0.1:${endpoint.address().port}`;
  const oauth = { client_id: 'keyed', private_key_jwt: { key: KEY }, token_url: `http://${address}/token` };
  const { call } = await start({ oauth, allow: [{ address }] });
  const { message } = await call().catch((error) => error);
  expect(message).toContain(error);
  expect(/the server's clock says .* GMT, which assertions have to be close to/.test(message)).toBe(isTold);
});

test('over SSE', async () => {
  const server = await fixtures.server();
  const resource = new URL('/sse', server.url).href;
  server.fault = async ({ request, response }) => {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization)?.[1];
    const { active, aud } = token ? await authorizationServerOf().introspect(token) : {};
    if (active && aud === resource) return false;
    response.writeHead(401).end();
    return true;
  };
  const config = { type: 'sse', url: resource, oauth: { ...GRANT, ...withSecret({ client_id: 'basic' }) } };
  const { runtime } = fixtures.runtime({ servers: { srv: config }, allow: [server, authorizationServerOf()] });
  expect(said(await runtime.manager.callTool({ ...ECHO, user: createUser() }))).toBe(true);
});
