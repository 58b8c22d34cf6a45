/** What servers announce: on the stream of a session, and on the one that a server of MCP 2026-07-28 is asked for. */

const { isDeepStrictEqual } = require('node:util');
const { runInThisContext } = require('node:vm');
const { everythingOverStdio } = require('./support/everything');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { startModernServer } = require('./support/modern-server');
const { delay, until } = require('./support/wait');

const fixtures = useFixtures();
/** Jest's own is a copy. */
const { env } = runInThisContext('process');
const user = createUser();
const params = { user, serverName: 'srv' };
const FILE = 'file:///a.txt';
const CAPABILITIES = { tools: { listChanged: true }, resources: { subscribe: true, listChanged: true } };

async function modern(options, services) {
  const server = fixtures.keep(
    await startModernServer({
      resources: { [FILE]: 'first', 'file:///b.txt': 'other' },
      capabilities: CAPABILITIES,
      ...options,
    }),
  );
  const host = fixtures.runtime({
    servers: { srv: server.config({ startup: false }) },
    allow: [server],
    services,
  });
  return { ...host, server, manager: host.runtime.manager };
}

/** A connection, and what its listeners hear. */
async function connected(options, services) {
  const host = await modern(options, services);
  const connection = await host.manager.getConnection(params);
  return { ...host, connection, events: heard(connection) };
}

function heard(connection) {
  const events = [];
  for (const name of ['toolsChanged', 'resourcesChanged', 'promptsChanged', 'resourceUpdated']) {
    connection.on(name, (argument) => events.push({ name, argument }));
  }
  return events;
}

const LISTS = { toolsListChanged: true, resourcesListChanged: true };

/** Waits until the one stream of changes that is open is for this. */
const listens = (server, filter) =>
  until('the stream of changes', () => isDeepStrictEqual([...server.streams.values()], [filter]));

/** Answers `subscriptions/listen` with these messages, given its id, and then leaves the stream open unless `ends`. */
function listening(messages, { ends = false } = {}) {
  return (message, _request, response) => {
    if (message?.method !== 'subscriptions/listen') return false;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    for (const text of messages(message.id)) response.write(`data: ${JSON.stringify(text)}\n\n`);
    if (ends) response.end();
    return true;
  };
}

const notification = (method, id, members = {}) => ({
  jsonrpc: '2.0',
  method: `notifications/${method}`,
  params: { ...members, _meta: { 'io.modelcontextprotocol/subscriptionId': id } },
});
const acknowledgement = (id, notifications) => notification('subscriptions/acknowledged', id, { notifications });

describe('subscriptions/listen', () => {
  test('brings changes of lists while somebody hears of them', async () => {
    const { server, connection, events } = await connected();
    await listens(server, LISTS);
    server.tools.push('later');
    const changed = new Promise((resolve) => connection.once('toolsChanged', resolve));
    server.notify.toolsChanged();
    expect((await changed).map((tool) => tool.name)).toEqual(['echo', 'later']);
    server.notify.resourcesChanged();
    await until('resourcesChanged', () => events.some(({ name }) => name === 'resourcesChanged'));

    await connection.disconnect();
    await until('the end of the stream', () => server.streams.size === 0);
  });

  test('is not asked for where nobody hears of changes, or the server announces none', async () => {
    const silent = await modern(undefined, { updateMCPServerTools: undefined });
    await silent.manager.callTool({ ...params, toolName: 'echo', provider: 'openai' });
    expect(silent.server.filters()).toEqual([]);
    const connection = await silent.manager.getConnection(params);
    await listens(silent.server, LISTS);
    expect(connection.connectionState).toBe('connected');

    const publishing = await modern();
    await publishing.manager.callTool({ ...params, toolName: 'echo', provider: 'openai' });
    await listens(publishing.server, LISTS);
    await publishing.manager.getConnection(params);

    const untold = await modern({ capabilities: { tools: { listChanged: false } } });
    await untold.manager.callTool({ ...params, toolName: 'echo', provider: 'openai' });
    await untold.manager.getConnection(params);
    await listens(untold.server, { resourcesListChanged: true });
    for (const { server } of [publishing, untold]) expect(server.filters()).toHaveLength(1);

    const constant = await connected({
      resources: {},
      capabilities: { tools: { listChanged: false } },
    });
    await constant.connection.fetchTools();
    expect(constant.server.filters()).toEqual([]);
  });

  test('is asked for again when it is lost, and tells of changes then', async () => {
    const { server, connection } = await connected();
    await listens(server, LISTS);
    for (const response of server.streams.keys()) response.destroy();
    server.streams.clear();
    await listens(server, LISTS);
    const changed = new Promise((resolve) => connection.once('toolsChanged', resolve));
    server.tools.push('later');
    server.notify.toolsChanged();
    expect((await changed).map((tool) => tool.name)).toEqual(['echo', 'later']);
  });

  test('is not asked for again where the server refuses it', async () => {
    const error = { code: -32601, message: 'Method not found' };
    const refuse = (message, _request, response) => {
      if (message?.method !== 'subscriptions/listen') return false;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, error }));
      return true;
    };
    const { server, connection, logger } = await connected({ answer: refuse });
    await until('the refusal', () => logger.text().includes('does not tell of changes'));
    expect(server.filters()).toHaveLength(1);
    await expect(connection.subscribeResource(FILE)).rejects.toMatchObject({
      mcpCode: 'MCP_SERVER_ERROR',
      message: expect.stringContaining('Method not found'),
    });
    await expect(connection.fetchTools()).resolves.toHaveLength(1);
  });

  test('keeps no connection from being idle', async () => {
    const limit = 'MCP_USER_CONNECTION_IDLE_TIMEOUT';
    env[limit] = '2000';
    try {
      const { server, connection } = await connected();
      await until('the request', () => server.filters().length === 1);
      await until('the end of the connection', () => connection.connectionState === 'disconnected');
      await until('the end of the stream', () => server.streams.size === 0);
    } finally {
      delete env[limit];
    }
  });

  test('what belongs to another subscription, was not asked for or comes too early is not heard', async () => {
    const updates = (id) => notification('resources/updated', id, { uri: FILE });
    const answer = listening((id) => [
      notification('tools/list_changed', id),
      acknowledgement(id, { toolsListChanged: true, resourceSubscriptions: [FILE, 'file:///other'] }),
      acknowledgement(id, { promptsListChanged: true }),
      notification('prompts/list_changed', id),
      notification('resources/list_changed', id),
      notification('tools/list_changed', id + 1),
      notification('tools/list_changed', 'x'),
      updates(id + 1),
      notification('resources/updated', id, { uri: 'file:///other' }),
      notification('resources/updated', id, { uri: 7 }),
      updates(id),
    ]);
    const { server, connection, events } = await connected({ answer });
    await connection.subscribeResource(FILE);
    await until('the update', () => events.length > 0);
    await connection.fetchTools();
    expect(events).toEqual([{ name: 'resourceUpdated', argument: { uri: FILE } }]);
    expect(server.received('tools/list')).toHaveLength(1);
  });

  test('a server that sends without end is heard within bounds', async () => {
    const flood = (id) => `data: ${JSON.stringify(notification('resources/updated', id, { uri: `${FILE}/part` }))}\n\n`;
    const answer = (message, _request, response) => {
      if (message?.method !== 'subscriptions/listen') return false;
      let isOpen = true;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const { notifications } = message.params;
      response.write(`data: ${JSON.stringify(acknowledgement(message.id, notifications))}\n\n`);
      response.on('close', () => {
        isOpen = false;
      });
      const more = () => {
        while (isOpen && response.write(flood(message.id).repeat(64)));
        if (isOpen) response.once('drain', more);
      };
      if (notifications.resourceSubscriptions) more();
      return true;
    };
    const { connection, events, server } = await connected({ answer });
    await connection.subscribeResource(FILE);
    await until('updates', () => events.length > 2);
    await expect(connection.fetchTools()).resolves.toHaveLength(1);
    expect(new Set(events.map(({ argument }) => argument.uri))).toEqual(new Set([`${FILE}/part`]));
    await connection.disconnect();
    await until('the end of the stream', () => server.streams.size === 0);
  });
});

test('resources that change faster than JavaScript hears of them are told up to a bound', async () => {
  const { server, connection, events, logger } = await connected();
  await connection.subscribeResource(FILE);
  const dropped = () => logger.messages('warn').filter((line) => line.includes('faster than listeners hear'));
  let sent = 0;
  await until('a warning', () => {
    for (let count = 0; count < 1000; count += 1, sent += 1) {
      const id = server.received('subscriptions/listen').at(-1).message.id;
      const text = JSON.stringify(notification('resources/updated', id, { uri: `${FILE}/${sent}` }));
      for (const response of server.streams.keys()) response.write(`data: ${text}\n\n`);
    }
    // Nothing is heard in the meantime.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    return dropped().length > 0;
  });
  expect(dropped()[0]).toMatch(/dropped: 1$/);
  const uris = events.map(({ argument }) => argument.uri);
  expect(new Set(uris).size).toBe(uris.length);
  expect(uris.length).toBeLessThan(sent);
  await expect(connection.fetchTools()).resolves.toHaveLength(1);
});

describe('resources of a server of 2026-07-28', () => {
  test('are subscribed to on the one stream', async () => {
    const { server, connection, events } = await connected();
    await connection.subscribeResource(FILE);
    await listens(server, { ...LISTS, resourceSubscriptions: [FILE] });
    server.notify.resourceUpdated('file:///b.txt');
    server.notify.resourceUpdated(FILE);
    await until('the update', () => events.length > 0);
    expect(events).toEqual([{ name: 'resourceUpdated', argument: { uri: FILE } }]);

    await connection.unsubscribeResource(FILE);
    await listens(server, LISTS);
    expect(server.received('resources/subscribe')).toEqual([]);
  });

  test('cannot be subscribed to where the server does not tell of them', async () => {
    const none = await connected({ capabilities: { resources: { subscribe: false } } });
    await expect(none.connection.subscribeResource(FILE)).rejects.toMatchObject({ mcpCode: 'MCP_SERVER_ERROR' });
    const answer = listening((id) => [acknowledgement(id, { toolsListChanged: true })]);
    const { connection } = await connected({ answer });
    await expect(connection.subscribeResource(FILE)).rejects.toMatchObject({
      mcpCode: 'MCP_SERVER_ERROR',
      message: expect.stringContaining('does not tell of changes of this resource'),
    });
    await expect(connection.subscribeResource(7)).rejects.toMatchObject({ name: 'TypeError' });
    await expect(connection.subscribeResource('x'.repeat(9000))).rejects.toMatchObject({
      code: 'MCP_INVALID_ARGUMENT',
    });
  });

  test('waiting for the server ends with the caller', async () => {
    const answer = listening(() => []);
    const { connection, server } = await connected({ answer });
    const abort = new AbortController();
    const subscribing = connection.subscribeResource(FILE, abort.signal);
    await until('the request', () => server.filters().some((filter) => filter.resourceSubscriptions));
    abort.abort();
    await expect(subscribing).rejects.toMatchObject({ code: 'MCP_ABORTED' });
    await until('the filter without it', () => server.filters().at(-1).resourceSubscriptions === undefined);
  });
});

describe('resources of a server with sessions', () => {
  const SUBSCRIBABLE = { resources: { subscribe: true } };

  async function withSessions() {
    const subscribed = [];
    const server = await fixtures.server({ capabilities: { tools: {}, ...SUBSCRIBABLE } });
    server.fault = async ({ message, response }) => {
      const { method, id, params: given } = message ?? {};
      if (!/^resources\/(un)?subscribe$/.test(method)) return false;
      subscribed.push({ method, uri: given.uri });
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ jsonrpc: '2.0', id, result: {} }));
      return true;
    };
    const host = fixtures.runtime({ servers: { srv: server.config({ startup: false }) }, allow: [server] });
    const connection = await host.runtime.manager.getConnection(params);
    await until('the GET stream', () => server.hasListener());
    return { ...host, server, subscribed, connection, events: heard(connection) };
  }

  const update = (server, uri) =>
    Promise.all(
      [...server.sessions.values()].map((transport) =>
        transport.send({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } }),
      ),
    );

  test('of the public server, which updates them by itself', async () => {
    const server = await fixtures.everything('streamableHttp');
    const { runtime } = fixtures.runtime({ servers: { srv: server.config({ startup: false }) }, allow: [server] });
    const connection = await runtime.manager.getConnection(params);
    const [resource] = await connection.fetchResources();
    const updated = new Promise((resolve) => connection.once('resourceUpdated', resolve));
    await connection.subscribeResource(resource.uri);
    await connection.client.request({
      method: 'tools/call',
      params: { name: 'toggle-subscriber-updates', arguments: {} },
    });
    await expect(updated).resolves.toEqual({ uri: resource.uri });
    await connection.unsubscribeResource(resource.uri);
  }, 60_000);

  test('are subscribed to by the connection that comes back after a loss', async () => {
    const stdio = fixtures.stdio();
    const { command, args, ...config } = everythingOverStdio({ startup: false });
    const [, pidFile] = stdio.config().args;
    const noted = ['-c', 'echo $$ >> "$0"; exec "$@"', pidFile, command, ...args];
    const { runtime } = fixtures.runtime({ servers: { srv: { ...config, command: 'sh', args: noted } } });
    const connection = await runtime.manager.getConnection(params);
    const [{ uri }] = await connection.fetchResources();
    await connection.subscribeResource(uri);
    const states = [];
    connection.on('connectionChange', (state) => states.push(state));
    process.kill(stdio.pids()[0], 'SIGKILL');
    await until('another connection', () => states.at(-1) === 'connected', 60_000);
    expect(stdio.pids()).toHaveLength(2);
    const updated = new Promise((resolve) => connection.once('resourceUpdated', resolve));
    const toggle = { name: 'toggle-subscriber-updates', arguments: {} };
    await connection.client.request({ method: 'tools/call', params: toggle });
    await expect(updated).resolves.toEqual({ uri });
  }, 120_000);

  test('are told to listeners, and only those that were subscribed to', async () => {
    const { server, connection, subscribed, events } = await withSessions();
    await update(server, 'file:///b.txt');
    await connection.subscribeResource(FILE);
    await update(server, 'file:///b.txt');
    await update(server, FILE);
    await until('the update', () => events.length > 0);
    await connection.unsubscribeResource(FILE);
    await update(server, FILE);
    await connection.fetchTools();
    await delay(50);
    expect(events).toEqual([{ name: 'resourceUpdated', argument: { uri: FILE } }]);
    expect(subscribed).toEqual([
      { method: 'resources/subscribe', uri: FILE },
      { method: 'resources/unsubscribe', uri: FILE },
    ]);
  });

  test('are subscribed to by the session that takes the place of one that the server has forgotten', async () => {
    const { server, connection, subscribed, events } = await withSessions();
    await connection.subscribeResource(FILE);
    server.sessions.clear();
    await connection.fetchTools();
    await until('another subscription', () => subscribed.length === 2);
    await until('the GET stream', () => server.hasListener());
    await until('an update', async () => {
      await update(server, FILE);
      return events.length > 0;
    });
    expect(subscribed[1]).toEqual({ method: 'resources/subscribe', uri: FILE });
  });

  test('are subscribed to by a connection that takes the place of another, until somebody disconnects', async () => {
    const { manager, MCPConnection, server, connection, subscribed } = await withSessions().then((world) => ({
      ...world,
      ...world.runtime,
    }));
    await connection.subscribeResource(FILE);
    MCPConnection.clearCooldown('srv', user.id);
    await manager.getConnection({ ...params, forceNew: true });
    await until('another subscription', () => subscribed.length === 2);
    await connection.disconnect();
    await connection.connect();
    await connection.fetchTools();
    expect(subscribed.filter(({ method }) => method === 'resources/subscribe')).toHaveLength(2);
    expect(server.received('initialize').length).toBeGreaterThan(2);
  });
});
