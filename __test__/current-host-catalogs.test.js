/** The catalogs that a host of August 2026 orders: published under revisions, or under the generation of a user. */

const { runInThisContext } = require('node:vm');
const { useCurrentHost } = require('./support/current-host');
const { until } = require('./support/wait');

// The environment of the process; jest gives suites a copy.
const { env } = runInThisContext('process');

const { fixtures, user, world } = useCurrentHost();

/** Revisions in the order in which they were reserved, and how many lists had been asked for by then. */
function revisions() {
  const reserved = [];
  const service = async ({ serverName, serverConfig }) => {
    reserved.push({ serverName, serverConfig });
    if (service.fails > 0) {
      service.fails -= 1;
      throw new Error('no store');
    }
    return `r${reserved.length}`;
  };
  service.fails = 0;
  service.reserved = reserved;
  return service;
}

describe('a catalog that users share', () => {
  test('is published by a reinit under a revision that was reserved before the list', async () => {
    const next = revisions();
    const seen = [];
    const { reinit, server, base, updates } = await world({
      services: {
        getMCPToolsCacheGeneration: async () => 'g1',
        getNextAppToolsPublicationRevision: async (scope) => {
          seen.push(server.received('tools/list').length);
          return next(scope);
        },
      },
    });
    expect(await reinit()).toMatchObject({ success: true });
    expect(updates[0]).toMatchObject({ userId: user.id, publicationGeneration: 'g1', publicationRevision: 'r1' });
    expect(updates[0].serverConfig).toBe(base);
    expect(next.reserved[0].serverConfig).toBe(base);
    expect(seen[0]).toBe(0);
  });

  test.each([
    ['', (config) => `hash of ${config.url}`],
    [', later', async (config) => `hash of ${config.url}`],
  ])("LibreChat's own function gets a name and what the host calls the config%s", async (_, generation) => {
    const calls = [];
    const { reinit, updates } = await world({
      services: {
        getMCPAppToolsPublicationGeneration: generation,
        getNextAppToolsPublicationRevision: async (serverName, configGeneration) => {
          calls.push([serverName, configGeneration]);
          return '7';
        },
      },
    });
    await reinit();
    expect(calls[0]).toEqual(['srv', expect.stringContaining('hash of http')]);
    expect(updates[0]).toMatchObject({ publicationRevision: '7' });
  });

  test('is served, and published later, where no revision can be reserved', async () => {
    const next = revisions();
    next.fails = 3;
    const { reinit, updates, manager } = await world({ services: { getNextAppToolsPublicationRevision: next } });
    const answer = await reinit();
    expect(answer.tools).toHaveLength(2);
    expect(updates[0]).not.toHaveProperty('publicationRevision');
    const connection = await manager.appConnections.get('srv');
    await until('a list under a revision', () => updates.some((update) => update.publicationRevision));
    const published = updates.find((update) => update.publicationRevision);
    expect(published).not.toHaveProperty('userId');
    expect(await connection.fetchToolsSnapshot()).toMatchObject({
      complete: true,
      publicationRevision: expect.any(String),
    });
    next.fails = 1;
    expect(await connection.fetchOrderedToolsSnapshot()).toMatchObject({ complete: true, orderingUnavailable: true });
  });

  test('is published again when the server announces other tools, and listeners get them', async () => {
    const { manager, server, updates } = await world({
      services: { getNextAppToolsPublicationRevision: revisions() },
    });
    const connection = await manager.appConnections.get('srv');
    await until('the first list', () => updates.length > 0);
    await until('the stream', server.hasListener);
    const before = updates.length;
    const events = [];
    connection.on('toolsChanged', (...event) => events.push(event));
    await server.notify('notifications/tools/list_changed');
    await until('the list', () => updates.length > before);
    const { publicationRevision } = updates.at(-1);
    await until('the event', () => events.some(([, revision]) => revision === publicationRevision));
    expect(events.at(-1)[0].map((tool) => tool.name)).toEqual(['echo', 'undescribed']);
    expect(updates.at(-1)).not.toHaveProperty('userId');
    connection.removeAllListeners('toolsChanged');
    expect(connection.listenerCount('toolsChanged')).toBe(0);
    await connection.refreshToolList();
    expect(updates.length).toBeGreaterThan(before + 1);
  });

  test('is opened and published at the start, whatever a server does', async () => {
    const { manager, updates, registry, logger, runtime } = await world({
      services: { getNextAppToolsPublicationRevision: revisions() },
    });
    registry.servers.gone = { type: 'streamable-http', url: registry.servers.srv.url.replace('/mcp', '/none') };
    expect(await manager.connectAppServers()).toBeUndefined();
    expect(updates).toMatchObject([{ serverName: 'srv', publicationRevision: 'r1' }]);
    expect([...(await manager.appConnections.getLoaded()).keys()]).toEqual(['srv']);
    expect(logger.messages('warn').join()).toContain('[MCP][gone] Failed to establish connection');
    const both = await manager.appConnections.getMany(['gone', 'srv'], { continueOnError: true, refreshTools: false });
    expect([...both.keys()]).toEqual(['srv']);
    await expect(manager.appConnections.getMany(['gone'])).rejects.toThrow();
    await manager.disconnectAppServers();
    expect(runtime.manager.appConnections.getConnectionCount()).toBe(0);
    await runtime.close();
    expect(await manager.disconnectAppServers()).toBeUndefined();
  });
});

describe('getServerToolFunctionsSnapshot', () => {
  test('of a server that users share', async () => {
    const { manager } = await world({ services: { getNextAppToolsPublicationRevision: revisions() } });
    const snapshot = await manager.getServerToolFunctionsSnapshot(user.id, 'srv');
    expect(Object.keys(snapshot.tools)).toEqual(['echo_mcp_srv', 'undescribed_mcp_srv']);
    expect(snapshot.publicationRevision).toMatch(/^r\d+$/);
    expect(snapshot).not.toHaveProperty('publicationGeneration');
  });

  test('of a user ends with the config and the generation that the connection was made under', async () => {
    const generation = { now: 'g1' };
    const { manager, params, base } = await world({
      shared: false,
      services: { getMCPToolsCacheGeneration: async () => generation.now },
    });
    expect(await manager.getServerToolFunctionsSnapshot(user.id, 'srv')).toEqual({ tools: null });
    await manager.getConnection(params);
    const snapshot = await manager.getServerToolFunctionsSnapshot(user.id, 'srv', base);
    expect(snapshot).toMatchObject({ publicationGeneration: 'g1', tools: { echo_mcp_srv: {} } });
    const other = { ...base, headers: { 'X-Tenant': 'other' } };
    expect(await manager.getServerToolFunctionsSnapshot(user.id, 'srv', other)).toEqual({ tools: null });
    expect(manager.getUserConnections(user.id)).toBeUndefined();
    await manager.getConnection(params);
    generation.now = 'g2';
    expect(await manager.getServerToolFunctionsSnapshot(user.id, 'srv', base)).toEqual({ tools: null });
    expect(manager.getUserConnections(user.id)).toBeUndefined();
  });

  test('never rejects', async () => {
    const { manager, registry } = await world();
    registry.getServerConfig = async () => {
      throw new Error('no registry');
    };
    expect(await manager.getServerToolFunctionsSnapshot(user.id, 'srv')).toEqual({ tools: null });
  });
});

describe('the generation of a user', () => {
  test('is renewed while the connection is in use, and one that is lost costs the connection', async () => {
    const renewed = [];
    const answers = [true, false];
    env.MCP_USER_CONNECTION_IDLE_TIMEOUT = '2000';
    try {
      const { call, server } = await world({
        shared: false,
        services: {
          getMCPToolsCacheGeneration: async () => 'g1',
          renewMCPToolsCacheGeneration: async (scope) => {
            renewed.push(scope);
            return answers[renewed.length - 1] ?? true;
          },
        },
      });
      await call();
      await call();
      await until('a renewal', () => renewed.length === 1);
      expect(renewed[0]).toEqual({ userId: user.id, serverName: 'srv', publicationGeneration: 'g1' });
      expect(server.received('initialize')).toHaveLength(1);
      // Half of the idle time later it is asked again, and says no.
      await until('another', async () => {
        await call();
        return renewed.length >= 2;
      });
      await until('another connection', async () => {
        await call();
        return server.received('initialize').length === 2;
      });
    } finally {
      delete env.MCP_USER_CONNECTION_IDLE_TIMEOUT;
    }
  });

  test('is renewed while its user works with another server, which has none', async () => {
    const renewed = [];
    env.MCP_USER_CONNECTION_IDLE_TIMEOUT = '2000';
    try {
      const { call, base, registry } = await world({
        shared: false,
        services: {
          getMCPToolsCacheGeneration: async ({ serverName }) => (serverName === 'srv' ? 'g1' : null),
          renewMCPToolsCacheGeneration: async ({ serverName }) => renewed.push(serverName) > 0,
        },
      });
      registry.servers.other = base;
      await call();
      await until('three renewals', async () => {
        await call({ serverName: 'other' });
        return renewed.length >= 3;
      });
      expect(new Set(renewed)).toEqual(new Set(['srv']));
    } finally {
      delete env.MCP_USER_CONNECTION_IDLE_TIMEOUT;
    }
  });

  test('that has changed costs the connection', async () => {
    const generation = { now: 'g1' };
    const { call, server } = await world({
      shared: false,
      services: { getMCPToolsCacheGeneration: async () => generation.now },
    });
    await call();
    await call();
    expect(server.received('initialize')).toHaveLength(1);
    generation.now = 'g2';
    await call();
    expect(server.received('initialize')).toHaveLength(2);
  });

  test('is missed at the start', () => {
    const { logger } = fixtures.runtime({ servers: {} });
    expect(logger.messages('warn').join()).toContain('without getMCPToolsCacheGeneration');
  });
});
