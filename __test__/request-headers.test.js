/** `requestHeaders`: what tool calls carry, and nothing else does. */

const { runInThisContext } = require('node:vm');
const { processMCPEnv } = require('./support/addon');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');

const fixtures = useFixtures();
const provider = 'openai';
const REQUEST_HEADERS = {
  'X-Chat': '{{LIBRECHAT_BODY_CONVERSATIONID}}',
  'X-User': '{{LIBRECHAT_USER_ID}}',
  'x-plan': 'call',
};

async function world(extra) {
  const server = await fixtures.server();
  const config = server.config({ headers: { 'X-Plan': 'base' }, requestHeaders: REQUEST_HEADERS, ...extra });
  if (config.type === 'sse') config.url = server.sseUrl;
  const host = fixtures.runtime({ servers: { srv: config }, allow: [server] });
  const call = (user, text) =>
    host.runtime.manager.callTool({
      user,
      serverName: 'srv',
      toolName: 'echo',
      provider,
      toolArguments: { text },
      requestBody: { conversationId: text },
    });
  const sent = () =>
    server.requests.map(({ method, message, headers }) => ({
      what: message?.method ?? method,
      text: message?.params?.arguments?.text,
      headers,
    }));
  return { ...host, server, call, sent };
}

test.each(['streamable-http', 'sse'])('%s: on tools/call, over what every request carries', async (type) => {
  const { runtime, call, sent } = await world({ type });
  const user = createUser();
  const reinit = await runtime.reinitMCPServer({ user, serverName: 'srv' });
  expect(reinit).toMatchObject({ success: true, tools: expect.arrayContaining([expect.anything()]) });
  expect(reinit.connectionDeferred).toBeUndefined();
  await call(user, 'one');
  const connection = await runtime.manager.getConnection({ user, serverName: 'srv' });
  await connection.fetchTools();
  const calls = sent().filter(({ what }) => what === 'tools/call');
  expect(calls).toHaveLength(1);
  expect(calls[0].headers).toMatchObject({ 'x-chat': 'one', 'x-user': user.id, 'x-plan': 'call' });
  const others = sent().filter(({ what }) => what !== 'tools/call');
  expect(others.map(({ what }) => what)).toEqual(expect.arrayContaining(['initialize', 'tools/list']));
  for (const { headers } of others) {
    expect(headers['x-plan']).toBe('base');
    expect(headers).not.toHaveProperty('x-chat');
    expect(headers).not.toHaveProperty('x-user');
  }
});

test('fixed values: users share no connection, and the list still goes without', async () => {
  const { runtime, call, sent, server } = await world({ requestHeaders: { 'X-Fixed': 'f' } });
  const users = [createUser(), createUser()];
  await Promise.all(users.map((user) => call(user, user.id)));
  await Promise.all(users.map((user) => runtime.reinitMCPServer({ user, serverName: 'srv' })));
  expect(server.received('initialize')).toHaveLength(2);
  for (const { what, headers } of sent()) expect(headers['x-fixed']).toBe(what === 'tools/call' ? 'f' : undefined);
});

test('fifty users at once: each call carries its own user’s values', async () => {
  const { call, sent } = await world();
  const users = Array.from({ length: 50 }, () => createUser());
  await Promise.all(users.flatMap((user) => [call(user, `${user.id}-a`), call(user, `${user.id}-b`)]));
  const calls = sent().filter(({ what }) => what === 'tools/call');
  expect(calls).toHaveLength(100);
  for (const { text, headers } of calls) {
    expect(headers['x-chat']).toBe(text);
    expect(text.startsWith(`${headers['x-user']}-`)).toBe(true);
  }
});

test('a caller’s own config with them does not go over the shared connection', async () => {
  const { runtime, server, sent } = await world({ requestHeaders: undefined });
  const user = createUser();
  const serverConfig = server.config({ requestHeaders: { 'X-Own': 'o' } });
  await runtime.manager.callTool({ user, serverName: 'srv', serverConfig, toolName: 'echo', provider });
  const [{ headers }] = sent().filter(({ what }) => what === 'tools/call');
  expect(headers['x-own']).toBe('o');
});

test('a redirect to another origin does not take them along', async () => {
  const { call, server } = await world({ requestHeaders: { 'X-Secret-Key': 'hunter2-of-the-call' } });
  const other = await fixtures.server();
  server.fault = ({ response, message }) =>
    message?.method === 'tools/call' && response.writeHead(307, { location: other.url }).end();
  const error = await call(createUser(), 'one').catch((reason) => reason);
  expect(error.code).toMatch(/^MCP_/);
  expect(other.requests.filter(({ headers }) => JSON.stringify(headers).includes('hunter2'))).toEqual([]);
});

test('what a server repeats of them is in no error and no line of the log', async () => {
  const { call, server, logger } = await world({ requestHeaders: { 'X-Secret-Key': 'hunter2-of-the-call' } });
  server.fault = ({ request, response, message }) => {
    if (message?.method !== 'tools/call') return false;
    response.writeHead(200, { 'content-type': 'application/json' });
    const text = `no: ${request.headers['x-secret-key']}`;
    response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, error: { code: -32000, message: text } }));
    return true;
  };
  const error = await call(createUser(), 'one').catch((reason) => reason);
  expect(error.message).toContain('no: ');
  expect(`${error.stack} ${JSON.stringify(error)} ${logger.text()}`).not.toContain('hunter2');
});

test.each([
  ['websocket', { url: 'ws://127.0.0.1:9/' }],
  ['stdio', { command: process.execPath, args: ['-e', ''] }],
])('%s has no headers of single requests: refused', async (type, config) => {
  const serverConfig = { type, source: 'yaml', requestHeaders: { A: 'b' }, ...config };
  const host = fixtures.runtime({ servers: { srv: serverConfig } });
  const call = host.runtime.manager.callTool({ user: createUser(), serverName: 'srv', toolName: 'echo', provider });
  await expect(call).rejects.toMatchObject({
    code: 'MCP_INVALID_CONFIG',
    message: expect.stringContaining(`requestHeaders is not available over the ${type} transport`),
  });
});

test('processMCPEnv: oauth_headers, and members that are undefined', () => {
  const user = { id: 'u1' };
  const options = { url: 'http://x', oauth_headers: { 'X-User': '{{LIBRECHAT_USER_ID}}' }, env: { A: undefined } };
  expect(processMCPEnv({ options, user })).toMatchObject({
    oauth_headers: { 'X-User': 'u1' },
    env: { A: 'undefined' },
  });
  const plugin = processMCPEnv({ options: { ...options, source: 'plugin' }, user });
  expect(plugin).toEqual({ ...options, source: 'plugin' });
});

test('headers are those of the config and the environment at the time of the call', async () => {
  // Jest gives a suite a copy of the environment; the addon reads the process's own.
  const { env } = runInThisContext('process');
  const server = await fixtures.server();
  const config = server.config({ startup: false, headers: { 'X-One': 'a ${HEADER_OF_THE_TEST}', 'X-Two': 'two' } });
  const { runtime } = fixtures.runtime({ servers: { srv: config }, allow: [server] });
  const user = createUser();
  const sent = async (requestBody) => {
    await runtime.manager.callTool({ user, serverName: 'srv', toolName: 'echo', provider, requestBody });
    const { headers } = server.received('tools/call').at(-1);
    return [headers['x-one'], headers['x-two'], server.received('initialize').length];
  };
  try {
    env.HEADER_OF_THE_TEST = 'one';
    expect(await sent()).toEqual(['a one', 'two', 1]);
    expect(await sent()).toEqual(['a one', 'two', 1]);
    // The registry gives the same object, which leads to another connection now.
    env.HEADER_OF_THE_TEST = 'other';
    expect(await sent()).toEqual(['a other', 'two', 2]);
    config.headers['X-Two'] = 'three';
    expect(await sent()).toEqual(['a other', 'three', 3]);
    // What is of the call needs no other connection.
    config.headers['X-Two'] = '{{LIBRECHAT_BODY_CONVERSATIONID}}';
    expect(await sent({ conversationId: 'c1' })).toEqual(['a other', 'c1', 4]);
    expect(await sent({ conversationId: 'c2' })).toEqual(['a other', 'c2', 4]);
    // A variable may name what is of the call.
    config.headers['X-Two'] = 'two';
    env.HEADER_OF_THE_TEST = '{{LIBRECHAT_BODY_CONVERSATIONID}}';
    expect(await sent({ conversationId: 'c3' })).toEqual(['a c3', 'two', 5]);
    expect(await sent({ conversationId: 'c4' })).toEqual(['a c4', 'two', 5]);
    expect(await sent()).toEqual(['a', 'two', 5]);
  } finally {
    delete env.HEADER_OF_THE_TEST;
  }
});

test('user and password of a URL are a header, and nothing else', async () => {
  const server = await fixtures.server();
  const config = server.config({ url: server.url.replace('//', '//bob:hunter2@') });
  const { runtime } = fixtures.runtime({ servers: { srv: config }, allow: [server] });
  expect(await runtime.reinitMCPServer({ user: createUser(), serverName: 'srv' })).toMatchObject({ success: true });
  for (const { url, headers } of server.requests) {
    expect([url, headers.host]).toEqual(['/mcp', server.address]);
    expect(headers.authorization).toBe(`Basic ${Buffer.from('bob:hunter2').toString('base64')}`);
  }
});
