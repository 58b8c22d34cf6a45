/** One `MCPConnection` object over its life: its states, its events, the sessions behind it, its end. */

const { runInThisContext } = require('node:vm');
const faults = require('./support/faults');
const { useFixtures } = require('./support/fixtures');
const { collectGarbage } = require('./support/garbage');
const { createUser } = require('./support/host');
const { delay, until } = require('./support/wait');

const fixtures = useFixtures();
/** Jest's own is a copy. */
const { env } = runInThisContext('process');
const user = createUser();
const params = { user, serverName: 'srv' };

/** The small server as a user's `srv`. */
async function world({ config, services, capabilities } = {}) {
  const server = await fixtures.server({ capabilities });
  const host = fixtures.runtime({
    servers: { srv: server.config({ startup: false, ...config }) },
    allow: [server],
    services,
  });
  const { manager, MCPConnection } = host.runtime;
  return { ...host, server, manager, clearCooldown: () => MCPConnection.clearCooldown('srv', user.id) };
}

/** The same, with a connection and the states that its listeners are told. */
async function connected(options) {
  const host = await world(options);
  const connection = await host.manager.getConnection(params);
  const states = [];
  connection.on('connectionChange', (state) => states.push(state));
  return { ...host, connection, states };
}

/** The server answers `initialize` when `release` is called. */
function holdInitialize(server) {
  let release;
  const released = new Promise((resolve) => {
    release = resolve;
  });
  server.fault = async ({ message }) => {
    if (message?.method === 'initialize') await released;
    return false;
  };
  return release;
}

describe('states', () => {
  test('over disconnect() and connect(), as listeners are told', async () => {
    const { connection, states, server } = await connected();
    expect(connection.connectionState).toBe('connected');
    await connection.connect();
    expect(server.received('initialize')).toHaveLength(1);
    expect(states).toEqual([]);

    await connection.disconnect();
    expect(connection.connectionState).toBe('disconnected');
    await connection.disconnect();
    expect(states).toEqual(['disconnected']);
    const release = holdInitialize(server);
    const connecting = connection.connect();
    await until('connecting', () => connection.connectionState === 'connecting');
    release();
    await connecting;
    expect(connection.connectionState).toBe('connected');
    expect(states).toEqual(['disconnected', 'connecting', 'connected']);
    await connection.disconnect();
    expect(states).toEqual(['disconnected', 'connecting', 'connected', 'disconnected']);
  });

  test('of a connect() that fails', async () => {
    const { connection, states, server, clearCooldown } = await connected();
    await connection.disconnect();
    server.fault = faults.answer(422);
    await expect(connection.connect()).rejects.toMatchObject({ status: 422 });
    expect(connection.connectionState).toBe('error');
    expect(states).toEqual(['disconnected', 'connecting', 'error']);
    await connection.disconnect();
    expect(connection.connectionState).toBe('disconnected');
    expect(states.at(-1)).toBe('disconnected');

    server.fault = undefined;
    clearCooldown();
    await connection.connect();
    expect(connection.connectionState).toBe('connected');
    expect(states.slice(-2)).toEqual(['connecting', 'connected']);
  });

  test('of a connect() that takes too long', async () => {
    const { connection, states, server } = await connected({ config: { initTimeout: 8000 } });
    await connection.disconnect();
    server.fault = faults.on('initialize', faults.hang());
    await expect(connection.connect()).rejects.toMatchObject({ retryable: true });
    expect(connection.connectionState).toBe('error');
    expect(states).toEqual(['disconnected', 'connecting', 'error']);
  });

  test('of one whose user is idle, and of one whose runtime closes', async () => {
    const limit = 'MCP_USER_CONNECTION_IDLE_TIMEOUT';
    env[limit] = '300';
    try {
      const { connection, states, runtime } = await connected();
      await until('the end', () => states.length > 0);
      expect(states).toEqual(['disconnected']);
      expect(connection.connectionState).toBe('disconnected');
      await connection.connect();
      await runtime.close();
      await until('the end', () => states.length > 3);
      expect(states.slice(1)).toEqual(['connecting', 'connected', 'disconnected']);
    } finally {
      delete env[limit];
    }
  });
});

describe('disconnecting while a connection is being made', () => {
  const gone = {
    name: 'McpError',
    code: -32000,
    mcpCode: 'MCP_CONNECTION_LOST',
    message: 'MCP error -32000: Connection closed',
  };

  test('by the object: connect() rejects as it does in LibreChat', async () => {
    const { connection, states, server } = await connected();
    await connection.disconnect();
    const release = holdInitialize(server);
    const attempt = expect(connection.connect()).rejects.toMatchObject(gone);
    await until('connecting', () => states.at(-1) === 'connecting');
    await connection.disconnect();
    await attempt;
    expect(connection.connectionState).toBe('disconnected');
    expect(states).toEqual(['disconnected', 'connecting', 'disconnected']);
    release();
  });

  test('by the manager: whoever waits is told the same', async () => {
    const { manager, server } = await world();
    const release = holdInitialize(server);
    const attempt = expect(manager.getConnection(params)).rejects.toMatchObject(gone);
    await server.arrival('initialize');
    await manager.disconnectUserConnection(user.id, 'srv');
    await attempt;
    release();
  });

  test('a call after one that was aborted has an attempt of its own', async () => {
    const { manager, server } = await world();
    const release = holdInitialize(server);
    const controller = new AbortController();
    const aborted = expect(manager.getConnection({ ...params, signal: controller.signal })).rejects.toMatchObject({
      code: 'MCP_ABORTED',
    });
    await server.arrival('initialize');
    controller.abort();
    const next = manager.getConnection(params);
    await aborted;
    release();
    expect((await next).connectionState).toBe('connected');
  });
});

describe('sessions', () => {
  test('the object stands for all of them, and hears of each', async () => {
    const { connection, manager, server } = await connected({ capabilities: { tools: { listChanged: true } } });
    let changes = 0;
    connection.on('toolsChanged', () => {
      changes += 1;
    });
    for (const round of [1, 2]) {
      await until('the announcement', async () => {
        await server.notify('notifications/tools/list_changed');
        return changes > 0;
      });
      changes = 0;
      await connection.disconnect();
      await connection.connect();
      expect(server.received('initialize')).toHaveLength(1 + round);
      expect(await manager.getConnection(params)).toBe(connection);
      expect([...manager.getUserConnections(user.id)]).toEqual([['srv', connection]]);
    }
    // Also where the manager has made one.
    await connection.disconnect();
    expect(await manager.getConnection(params)).toBe(connection);
    expect(await connection.isConnected()).toBe(true);
  });

  test('createdAt is the age of the config, not of the session', async () => {
    const { connection, manager, server, registry } = await connected();
    const { createdAt } = connection;
    await delay(5);
    await connection.disconnect();
    await connection.connect();
    expect([...manager.getUserConnections(user.id).values()]).toEqual([connection]);
    expect(connection.createdAt).toBe(createdAt);

    const updatedAt = Date.now();
    await delay(5);
    expect(connection.isStale(updatedAt)).toBe(true);
    registry.servers.srv = server.config({ startup: false, url: `${server.url}?new`, timeout: 5000, updatedAt });
    expect(await manager.getConnection(params)).toBe(connection);
    expect(connection).toMatchObject({ url: `${server.url}?new`, timeout: 5000, connectionState: 'connected' });
    expect(connection.isStale(updatedAt)).toBe(false);
    // What is there is newer than what the object was first made from.
    await connection.connect();
    expect(server.received('initialize')).toHaveLength(3);
  });

  test('where the runtime keeps none, the object does', async () => {
    const { connection, states, server } = await connected({ services: { keepConnections: false } });
    expect(await connection.isConnected()).toBe(true);
    await connection.disconnect();
    await until('the end of the session', () => server.sessions.size === 0);
    await connection.connect();
    await delay(100);
    expect(await connection.isConnected()).toBe(true);
    expect((await connection.fetchTools()).length).toBeGreaterThan(0);
    expect(states).toEqual(['disconnected', 'connecting', 'connected']);
    await connection.disconnect();
    expect(server.sessions.size).toBe(0);
  });
});

describe('garbage', () => {
  /** An object that nobody has, and what its listener hears. */
  async function forgotten(options) {
    const { connection, states, ...host } = await connected(options);
    return { ...host, states, object: new WeakRef(connection) };
  }

  const collected = (object) =>
    until('the end of the object', () => {
      collectGarbage();
      return object.deref() === undefined;
    });

  test('an object hears of its connection for as long as that is there', async () => {
    const { manager, object, states } = await forgotten();
    for (let round = 0; round < 5; round += 1) {
      collectGarbage();
      await delay(10);
    }
    await manager.disconnectUserConnection(user.id, 'srv');
    await until('the event', () => states.length > 0);
    expect(states).toEqual(['disconnected']);
    await collected(object);
    expect((await manager.getConnection(params)).connectionState).toBe('connected');
  });

  test('also one that could not connect again', async () => {
    const forget = async () => {
      const { connection, server } = await connected();
      await connection.disconnect();
      server.fault = faults.answer(422);
      await expect(connection.connect()).rejects.toThrow();
      return new WeakRef(connection);
    };
    await collected(await forget());
  });

  test('where the runtime keeps no connections, one ends with its object', async () => {
    const { object, server } = await forgotten({ services: { keepConnections: false } });
    expect(server.sessions.size).toBe(1);
    await collected(object);
    await until('the end of the session', () => server.sessions.size === 0);
  });
});
