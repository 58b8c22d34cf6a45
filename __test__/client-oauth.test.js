/** `runtime.client` of servers that users authorize with. */

const { completeAuthorization, useAuthorization } = require('./support/authorization');

const suite = useAuthorization();

const failure = (promise) =>
  promise.then(
    () => undefined,
    ({ code, message }) => ({ code, message }),
  );

test('a request waits for the user, and goes on with the token', async () => {
  const host = await suite.host();
  const { runtime, user, server } = host;
  const oauthStart = async (url) => {
    const parameters = await suite.authorizationServer.signIn(url);
    await completeAuthorization(host, parameters);
  };
  const client = runtime.client('srv', { user, oauthStart });
  expect(await client.callTool({ name: 'echo', arguments: { text: 'hi' } })).toEqual({
    content: [{ type: 'text', text: 'hi' }],
  });
  expect(host.bearers('tools/call')).toEqual([expect.any(String)]);
  expect(server.received('tools/call')).toHaveLength(1);
});

test('`returnOnOAuth` hands out the URL, `authorize: false` asks nobody', async () => {
  const { runtime, user, server } = await suite.host();
  const urls = [];
  const oauthStart = (url) => urls.push(url);
  const asked = runtime.client('srv', { user, oauthStart, authorize: false });
  expect(await failure(asked.listTools())).toMatchObject({ code: 'MCP_AUTHORIZATION_REQUIRED' });
  expect(urls).toEqual([]);
  const client = runtime.client('srv', { user, oauthStart, returnOnOAuth: true });
  expect(await failure(client.listTools())).toMatchObject({
    code: 'MCP_OAUTH_REQUIRED',
    message: expect.stringContaining('OAuth authentication required'),
  });
  expect(urls).toEqual([expect.stringContaining(suite.authorizationServer.issuer)]);
  expect(server.received('tools/list')).toEqual([]);
});

test('a token that the server refuses in the middle of a session is refreshed, whatever the request', async () => {
  const host = await suite.host();
  await host.authorize();
  const client = host.runtime.client('srv', { user: host.user });
  await client.listTools();
  const [first] = host.bearers('tools/list');
  host.server.refused.add(first);
  expect((await client.listTools()).tools.length).toBeGreaterThan(0);
  const used = new Set(host.bearers('tools/list'));
  expect([...used].at(0)).toBe(first);
  expect(used.size).toBe(2);
});

test('without `oauthStart` nothing begins a login, whatever is called', async () => {
  const { runtime, server, user, flowManager } = await suite.host();
  const begun = ['initFlow', 'createFlow'].map((name) => jest.spyOn(flowManager, name));
  const calls = [
    (client) => client.connect(),
    (client) => client.ping(),
    (client) => client.setLoggingLevel('info'),
    (client) => client.subscribeResource({ uri: 'a://b' }),
    (client) => client.request({ method: 'logging/setLevel', params: { level: 'info' } }),
    (client) => client.listTools(),
  ];
  const outcomes = await Promise.all(calls.map((call) => failure(call(runtime.client('srv', { user })))));
  expect(outcomes).toEqual(calls.map(() => expect.objectContaining({ code: 'MCP_AUTHORIZATION_REQUIRED' })));
  for (const method of begun) expect(method).not.toHaveBeenCalled();
  expect(server.received('ping')).toEqual([]);
});
