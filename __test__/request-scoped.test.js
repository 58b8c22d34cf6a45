/** Connections that belong to a chat request, because its fields are part of what they are made from. */

const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { until } = require('./support/wait');

const fixtures = useFixtures();
const user = createUser();

/** A server whose URL, or else a header, names the conversation. */
async function world({ header = false } = {}) {
  const server = await fixtures.server();
  const placeholder = '{{LIBRECHAT_BODY_CONVERSATIONID}}';
  const bound = header ? { headers: { 'x-chat': placeholder } } : { url: `${server.url}?chat=${placeholder}` };
  const host = fixtures.runtime({ servers: { srv: server.config(bound) }, allow: [server] });
  const chats = [];
  server.fault = ({ request, message }) => {
    const { searchParams } = new URL(request.url, server.url);
    if (message)
      chats.push([
        message.method,
        searchParams.get('chat') ?? request.headers['x-chat'],
        message.params?.arguments?.text,
      ]);
    return false;
  };
  const call = (conversationId, requestScopedConnections) =>
    host.runtime.manager.callTool({
      user,
      serverName: 'srv',
      toolName: 'echo',
      provider: 'openai',
      toolArguments: { text: conversationId },
      requestBody: { conversationId },
      requestScopedConnections,
    });
  const calls = () => chats.filter(([method]) => method === 'tools/call').map(([, chat, text]) => [chat, text]);
  return { ...host, server, call, calls };
}

const store = () => ({ connections: new Map(), pending: new Map() });
const noSessions = (server) => until('the end of the sessions', () => server.sessions.size === 0);

test('without a place to keep it, a connection ends with its call', async () => {
  const { call, calls, server, runtime } = await world();
  await Promise.all(['a', 'b'].map((chat) => call(chat)));
  await call('a');
  expect(calls().sort()).toEqual([
    ['a', 'a'],
    ['a', 'a'],
    ['b', 'b'],
  ]);
  expect(server.received('initialize')).toHaveLength(3);
  await noSessions(server);
  await until('the end', () => runtime.manager.getConnectionStats().totalConnections === 0);
});

test('also after a reinit, and after one that fails', async () => {
  const { runtime, server } = await world();
  const reinit = () => runtime.reinitMCPServer({ user, serverName: 'srv', requestBody: { conversationId: 'a' } });
  expect(await reinit()).toMatchObject({ success: true, tools: [{ name: 'echo' }, { name: 'undescribed' }] });
  await noSessions(server);
  server.fault = ({ response, message }) => message?.method === 'tools/list' && response.writeHead(500).end();
  expect(await reinit()).toMatchObject({ success: true, toolsError: { code: 'MCP_TOOLS_LIST_FAILED' } });
  await noSessions(server);
  expect(runtime.manager.getUserConnections(user.id)).toBeUndefined();
});

test.each([{ header: false }, { header: true }])(
  'a request keeps one connection, and disposes of it at its end (%j)',
  async ({ header }) => {
    const { call, calls, server, runtime } = await world({ header });
    const [one, other] = [store(), store()];
    await Promise.all([call('a', one), call('a', one), call('b', other)]);
    await call('a', one);
    expect(calls().sort()).toEqual([
      ['a', 'a'],
      ['a', 'a'],
      ['a', 'a'],
      ['b', 'b'],
    ]);
    expect(server.received('initialize')).toHaveLength(2);
    const key = `${user.id}:srv`;
    expect([...one.connections.keys()]).toEqual([key]);
    const connection = one.connections.get(key);
    expect(connection).toMatchObject({ serverName: 'srv', connectionState: 'connected' });
    const params = { user, serverName: 'srv', requestBody: { conversationId: 'a' }, requestScopedConnections: one };
    expect(await runtime.manager.getConnection(params)).toBe(connection);
    expect(other.connections.get(key)).not.toBe(connection);
    expect(runtime.manager.getUserConnections(user.id)).toBeUndefined();
    await connection.dispose();
    expect(connection.connectionState).toBe('disconnected');
    expect(server.sessions.size).toBe(1);

    // Disposed of by hand, and wanted again: another one.
    await call('a', one);
    expect(server.received('initialize')).toHaveLength(3);
    for (const kept of [one, other]) await kept.connections.get(key).dispose();
    expect(server.sessions.size).toBe(0);
  },
);

test('a request that was answered meanwhile keeps nothing', async () => {
  const { call, server } = await world();
  const kept = { ...store(), cleanupStarted: true };
  await call('a', kept);
  expect(kept.connections.size).toBe(0);
  await noSessions(server);
});

test('a failed call leaves its connection with the request', async () => {
  const { call, server } = await world();
  const kept = store();
  const { fault } = server;
  server.fault = async (exchange) => {
    await fault(exchange);
    return exchange.message?.method === 'tools/call' && exchange.response.writeHead(500).end();
  };
  await expect(call('a', kept)).rejects.toMatchObject({ message: expect.stringContaining('500') });
  await kept.connections.get(`${user.id}:srv`).dispose();
  expect(server.sessions.size).toBe(0);
});

test('a user who is disconnected has no request left', async () => {
  const { call, server, runtime } = await world();
  await call('a', store());
  await runtime.manager.disconnectUserConnections(user.id);
  expect(server.sessions.size).toBe(0);
});

test('a place of a wrong shape is refused', async () => {
  const { call } = await world();
  await expect(call('a', 'store')).rejects.toThrow('callTool: params.requestScopedConnections must be an object');
});
