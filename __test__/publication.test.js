/** Tool lists that are out of date, and work that a connection is kept for. */

const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { delay, until } = require('./support/wait');

const fixtures = useFixtures();
const user = createUser();

/** A user's server; `generation.now` is what its tools are published under. */
async function world({ generation, config, ...options } = {}) {
  const server = await fixtures.server(options);
  const asked = [];
  const host = fixtures.runtime({
    servers: { srv: server.config({ startup: false, ...config }) },
    allow: [server],
    services: generation && {
      getMCPToolsCacheGeneration: async (params) => {
        asked.push(params);
        return generation.now;
      },
    },
  });
  const params = { user, serverName: 'srv' };
  const { manager } = host.runtime;
  const call = () =>
    manager.callTool({ ...params, toolName: 'echo', provider: 'openai', toolArguments: { text: 'hi' } });
  const reinit = (extra) => host.runtime.reinitMCPServer({ ...params, ...extra });
  return { ...host, server, asked, params, manager, call, reinit };
}

/** The server's tools/list takes until `release()`. */
function holdList(server) {
  let release;
  const released = new Promise((resolve) => {
    release = resolve;
  });
  server.fault = async ({ message }) => {
    if (message?.method === 'tools/list') await released;
    return false;
  };
  return release;
}

describe('the generation of published tools', () => {
  test('is that of the connection, and goes to the host with the tools', async () => {
    const generation = { now: 'g1' };
    const { manager, params, reinit, updates, asked } = await world({ generation });
    expect(await reinit()).toMatchObject({ success: true, tools: [{ name: 'echo' }, { name: 'undescribed' }] });
    expect(updates).toMatchObject([{ userId: user.id, serverName: 'srv', publicationGeneration: 'g1' }]);
    expect(asked[0]).toEqual({ userId: user.id, serverName: 'srv' });
    const connection = await manager.getConnection(params);
    expect(manager.getToolPublicationGeneration(connection)).toBe('g1');
    expect(manager.getToolPublicationGeneration({})).toBeUndefined();
  });

  test('a list that another generation has overtaken is discarded', async () => {
    const generation = { now: 'g1' };
    const { reinit, updates, logger, server } = await world({ generation });
    const release = holdList(server);
    const pending = reinit();
    await server.arrival('tools/list');
    generation.now = 'g2';
    release();
    expect(await pending).toMatchObject({ success: true, tools: null, availableTools: null });
    expect(updates).toEqual([]);
    expect(logger.messages('warn').join()).toContain('Discarding stale tools for srv');
    // A connection of the new generation publishes again.
    expect(await reinit({ forceNew: true })).toMatchObject({ success: true, tools: [{ name: 'echo' }, {}] });
    expect(updates).toMatchObject([{ publicationGeneration: 'g2' }]);
  });

  test('without the service nothing is asked or passed on', async () => {
    const { manager, params, reinit, updates } = await world();
    await reinit();
    expect(updates[0]).not.toHaveProperty('publicationGeneration');
    expect(manager.getToolPublicationGeneration(await manager.getConnection(params))).toBeUndefined();
  });
});

describe('ordered snapshots', () => {
  test('a list that is complete, and one that cannot be had', async () => {
    const { manager, params, server } = await world({ pageSize: 1 });
    const connection = await manager.getConnection(params);
    expect(await connection.fetchOrderedToolsSnapshot()).toMatchObject({
      tools: [{ name: 'echo' }, { name: 'undescribed' }],
      complete: true,
    });
    server.fault = ({ response, message }) => message?.method === 'tools/list' && response.writeHead(500).end();
    expect(await connection.fetchOrderedToolsSnapshot()).toEqual({ tools: [], complete: false });
    await connection.disconnect();
    expect(await connection.fetchOrderedToolsSnapshot()).toEqual({ tools: [], complete: false });
  });

  test('a list during which the tools change is read again', async () => {
    const { manager, params, server } = await world({ capabilities: { tools: { listChanged: true } } });
    const connection = await manager.getConnection(params);
    const changed = new Promise((resolve) => connection.once('toolsChanged', resolve));
    // The connection does not wait for its own stream; what is announced before is lost.
    await until('the stream', server.hasListener);
    let announced = false;
    server.fault = async ({ message }) => {
      if (message?.method !== 'tools/list' || announced) return false;
      announced = true;
      await server.notify('notifications/tools/list_changed');
      await changed;
      return false;
    };
    expect(await connection.fetchOrderedToolsSnapshot()).toMatchObject({ complete: true });
    expect(server.received('tools/list').length).toBeGreaterThanOrEqual(2);
  });
});

describe('a connection that is replaced', () => {
  test('serves the calls that use it to their end', async () => {
    const { call, reinit, server } = await world();
    await call();
    let release;
    const released = new Promise((resolve) => {
      release = resolve;
    });
    server.fault = async ({ message }) => {
      if (message?.method === 'tools/call') await released;
      return false;
    };
    const borrowers = [call(), call(), call()];
    await until('the calls', () => server.received('tools/call').length === 4);
    expect(await reinit({ forceNew: true })).toMatchObject({ success: true });
    expect(server.sessions.size).toBe(2);
    release();
    for (const result of await Promise.all(borrowers)) expect(result[0]).toContain('hi');
    await until('the end of the replaced session', () => server.sessions.size === 1);
  });

  test('replacements of one user wait for each other', async () => {
    const { reinit, server } = await world();
    let open = 0;
    let most = 0;
    server.fault = async ({ message }) => {
      if (message?.method !== 'initialize') return false;
      open += 1;
      most = Math.max(most, open);
      await delay(50);
      open -= 1;
      return false;
    };
    const results = await Promise.all(Array.from({ length: 4 }, () => reinit({ forceNew: true })));
    expect(results.map(({ success }) => success)).toEqual([true, true, true, true]);
    expect(most).toBe(1);
    expect(server.received('initialize')).toHaveLength(4);
    await until('one session', () => server.sessions.size === 1);
  });
});

describe('withUserConnectionLease', () => {
  test('keeps the connection until the work is done', async () => {
    const { manager, params, reinit, server } = await world();
    const value = await manager.withUserConnectionLease(params, async (connection) => {
      expect(connection.connectionState).toBe('connected');
      await reinit({ forceNew: true });
      expect(server.sessions.size).toBe(2);
      return { kept: connection.serverName };
    });
    expect(value).toEqual({ kept: 'srv' });
    await until('the end of the replaced session', () => server.sessions.size === 1);
  });

  test('what the work throws is what the caller gets', async () => {
    const { manager, params } = await world();
    const mine = new Error('mine');
    const failing = manager.withUserConnectionLease(params, () => Promise.reject(mine));
    await expect(failing).rejects.toBe(mine);
    await expect(manager.withUserConnectionLease(params)).rejects.toThrow(
      'withUserConnectionLease: the operation must be a function',
    );
  });
});
