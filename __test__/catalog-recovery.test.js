/** What LibreChat's recovery of catalogs asks of the manager: a memory between requests, and discoveries with an end. */

const { runInThisContext } = require('node:vm');
const { POLICY, discovering, recover } = require('./support/catalog');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { until } = require('./support/wait');

const fixtures = useFixtures();
const user = createUser();

/** A manager as LibreChat of autumn makes it. */
async function world({ options = {}, ...rest } = {}) {
  const server = await fixtures.server();
  const host = fixtures.runtime({
    servers: { srv: server.config({ startup: false }) },
    allow: [server],
    ...rest,
  });
  const manager = await host.runtime.MCPManager.createInstance({}, options);
  const params = { user, serverName: 'srv' };
  return { ...host, server, manager, params };
}

describe('what is remembered', () => {
  test('a server that failed is not asked again before its time, and the next time is later', async () => {
    const { manager, params } = await world();
    const discover = discovering();
    const again = (discoveryBackoffMs) => recover(manager, { ...params, discover, policy: { discoveryBackoffMs } });
    expect(await again([60_000])).toMatchObject({ tools: null, state: 'backoff' });
    expect(await again([60_000])).toMatchObject({ tools: null, state: 'backoff' });
    expect(discover).toHaveBeenCalledTimes(1);

    // Another policy is another subject; its second wait is longer than its first.
    await until('the first wait is over', async () => {
      await again([1, 60_000]);
      return discover.mock.calls.length === 3;
    });
    await again([1, 60_000]);
    expect(discover).toHaveBeenCalledTimes(3);
  });

  test('a user who has to authorize is not asked for before reauthRetryMs are over', async () => {
    const { manager, params } = await world();
    const discover = discovering({ tools: [], oauthRequired: true, authenticationKind: 'oauth' });
    const again = (reauthRetryMs) => recover(manager, { ...params, discover, policy: { reauthRetryMs } });
    expect(await again(60_000)).toMatchObject({ tools: [], state: 'reauth_required' });
    expect(await again(60_000)).toMatchObject({ tools: null, state: 'reauth_required' });
    expect(discover).toHaveBeenCalledTimes(1);
    await until('the wait is over', async () => {
      await again(1);
      return discover.mock.calls.length > 2;
    });
  });

  test('tools are nobody else’s: they are listed each time', async () => {
    const { manager, params } = await world();
    const discover = discovering({ tools: [{}], oauthRequired: false });
    for (let round = 0; round < 2; round++) {
      expect(await recover(manager, { ...params, discover })).toMatchObject({ tools: [{}] });
    }
    expect(discover).toHaveBeenCalledTimes(2);
  });

  test('requests at the same time share a discovery', async () => {
    const { manager, params } = await world();
    const discover = discovering({ tools: [{}], oauthRequired: false });
    discover.hold();
    const both = [recover(manager, { ...params, discover }), recover(manager, { ...params, discover })];
    await until('the discovery begins', () => discover.mock.calls.length > 0);
    discover.release();
    expect(await Promise.all(both)).toMatchObject([{ tools: [{}] }, { tools: [{}] }]);
    expect(discover).toHaveBeenCalledTimes(1);
  });

  test('other users, configs, generations and profiles have memories of their own', async () => {
    const { manager, params } = await world();
    const discover = discovering();
    await recover(manager, { ...params, discover, generation: 'g1' });
    await recover(manager, { ...params, discover, generation: 'g1' });
    expect(discover).toHaveBeenCalledTimes(1);
    for (const other of [{ user: createUser() }, { serverConfig: { url: 'http://other' } }, { generation: 'g2' }]) {
      await recover(manager, { ...params, discover, generation: 'g1', ...other });
    }
    expect(discover).toHaveBeenCalledTimes(4);
    const tracker = manager.getCatalogRecoveryTracker();
    const candidate = { serverName: 'srv', serverConfig: {}, capabilityProfile: 'apps' };
    const apps = jest.fn(async () => ({ serverName: 'srv', tools: null, state: 'backoff' }));
    await tracker.run(user, candidate, POLICY, 'g2', apps);
    expect(apps).toHaveBeenCalledTimes(1);
  });

  test.each([
    ['clearCatalogRecoveryState', (manager) => manager.clearCatalogRecoveryState(user.id, 'srv'), 2],
    ['that of all of a user’s servers', (manager) => manager.clearCatalogRecoveryState(user.id), 2],
    ['with another generation', (manager) => manager.clearCatalogRecoveryState(user.id, 'srv', 'g9'), 2],
    ['that of another server', (manager) => manager.clearCatalogRecoveryState(user.id, 'other'), 1],
    ['that of another user', (manager) => manager.clearCatalogRecoveryState(`${user.id}x`), 1],
    ['a disconnect', (manager) => manager.disconnectUserConnection(user.id, 'srv'), 2],
    ['a disconnect of all', (manager) => manager.disconnectUserConnections(user.id), 2],
    ['an idle disconnect', (manager) => manager.disconnectUserConnection(user.id, 'srv', { reason: 'idle' }), 1],
  ])('forgotten by: %s', async (_, forget, discoveries) => {
    const { manager, params } = await world();
    const discover = discovering();
    await recover(manager, { ...params, discover });
    await forget(manager);
    await recover(manager, { ...params, discover });
    expect(discover).toHaveBeenCalledTimes(discoveries);
  });

  test('as many as createInstance says, those used last', async () => {
    const { manager, params } = await world({ options: { catalogRecoveryMaxStateEntries: 2 } });
    const discover = discovering();
    for (const serverName of ['a', 'b', 'a', 'c', 'a', 'b'])
      await recover(manager, { ...params, serverName, discover });
    // `a` was used when `c` came, so `b` went.
    expect(discover.mock.calls.map(([{ serverName }]) => serverName)).toEqual(['a', 'b', 'c', 'b']);
  });

  test('the tracker is one, and clearing needs none', async () => {
    const { manager } = await world();
    expect(manager.clearCatalogRecoveryState('nobody')).toBeUndefined();
    expect(manager.getCatalogRecoveryTracker()).toBe(manager.getCatalogRecoveryTracker());
  });

  test.each([
    [{ catalogRecoveryMaxStateEntries: 0 }, /options\.catalogRecoveryMaxStateEntries must be a positive integer/],
    [{ catalogRecoveryMaxDetachedDiscoveries: 'many' }, /must be a positive integer, got a string/],
    [{ catalogRecoveryMaxDetachedDiscoveries: 1.5 }, /options\.catalogRecoveryMaxDetachedDiscoveries must be/],
  ])('wrong limits are refused: %j', async (options, message) => {
    const { runtime } = fixtures.runtime({ servers: {} });
    await expect(runtime.MCPManager.createInstance({}, options)).rejects.toThrow(message);
    // What was refused was no first call.
    expect(() => runtime.MCPManager.getInstance()).toThrow('MCPManager has not been initialized.');
    expect(await runtime.MCPManager.createInstance({}, {})).toBe(runtime.manager);
  });
});

describe('discoveries that go on although nobody waits', () => {
  const policy = { discoveryTimeoutMs: 1, discoverySettleGraceMs: 1 };

  test('hold the server until they are over', async () => {
    const { manager, params } = await world();
    const discover = discovering();
    discover.hold();
    expect(await recover(manager, { ...params, discover, policy })).toMatchObject({ tools: null });
    manager.clearCatalogRecoveryState(user.id, 'srv');
    expect(await recover(manager, { ...params, discover, policy })).toEqual({ serverName: 'srv', tools: null });
    expect(discover).toHaveBeenCalledTimes(1);

    discover.release();
    await until('the server is free', async () => {
      await recover(manager, { ...params, discover, policy });
      return discover.mock.calls.length > 1;
    });
  });

  test('hold all servers where there are too many, and the log says so', async () => {
    const { manager, params, logger } = await world({ options: { catalogRecoveryMaxDetachedDiscoveries: 1 } });
    const discover = discovering();
    discover.hold();
    await recover(manager, { ...params, discover, policy });
    const tracker = manager.getCatalogRecoveryTracker();
    const other = { serverName: 'other', serverConfig: {} };
    expect(tracker.admitsDiscovery(user, other, POLICY)).toBe(false);
    expect(logger.text()).toContain('Released discoveries still running reached the limit of 1');
    discover.release();
    await until('others are free', () => tracker.admitsDiscovery(user, other, POLICY));
    tracker.detachDiscovery(user, other, POLICY, Promise.reject(new Error('over')));
    await until('what failed is over, too', () => tracker.admitsDiscovery(user, other, POLICY));
  });

  test.each([
    ['is no promise', undefined],
    [
      'tells twice',
      {
        // biome-ignore lint/suspicious/noThenProperty: a promise of the host’s own
        then(done) {
          done();
          done();
        },
      },
    ],
  ])('are counted once, also where the discovery %s', async (_, discovery) => {
    const { manager } = await world({ options: { catalogRecoveryMaxDetachedDiscoveries: 1 } });
    const tracker = manager.getCatalogRecoveryTracker();
    const candidate = { serverName: 'srv', serverConfig: {} };
    const other = { ...candidate, serverName: 'other' };
    tracker.detachDiscovery(user, candidate, POLICY, discovery);
    await until('it is over', () => tracker.admitsDiscovery(user, other, POLICY));
    tracker.detachDiscovery(user, candidate, POLICY, new Promise(() => {}));
    expect(tracker.admitsDiscovery(user, other, POLICY)).toBe(false);
  });
});

describe('credentials that change meanwhile', () => {
  const candidate = { serverName: 'srv', serverConfig: {} };
  const tools = { a: {} };

  /** Runs `during` inside a discovery that finds tools. */
  async function run(tracker, generation, during) {
    return tracker.run(user, candidate, POLICY, generation, async (publish) => {
      await during(publish);
      return { serverName: 'srv', tools };
    });
  }

  test('the discovery’s own refresh: it goes on under the generation that it published', async () => {
    const { manager } = await world();
    const tracker = manager.getCatalogRecoveryTracker();
    const replacement = jest.fn();
    let joined;
    const outcome = await run(tracker, 'g1', (publish) =>
      publish(async () => {
        manager.clearCatalogRecoveryState(user.id, 'srv', 'g2');
        joined = tracker.run(user, candidate, POLICY, 'g2', replacement);
        return 'g2';
      }),
    );
    expect(outcome).toEqual({ serverName: 'srv', tools, recoveryGeneration: 'g2', adopted: true });
    expect(await joined).toBe(outcome);
    expect(replacement).not.toHaveBeenCalled();
  });

  test.each([
    ['the same', 'g1', 'g1', { tools, recoveryGeneration: 'g1' }],
    ['another', 'g1', 'g2', { tools, recoveryGeneration: 'g1', unconfirmed: true }],
    ['one, where the discovery knows none', undefined, 'g2', { tools: null }],
    ['none', 'g1', undefined, { tools: null }],
  ])('somebody else’s change, under %s', async (_, generation, cleared, expected) => {
    const { manager } = await world();
    const tracker = manager.getCatalogRecoveryTracker();
    const outcome = await run(tracker, generation, () => manager.clearCatalogRecoveryState(user.id, 'srv', cleared));
    expect(outcome).toEqual({ serverName: 'srv', ...expected });
  });

  test('a publication that fails leaves nothing to believe', async () => {
    const { manager } = await world();
    const outcome = await run(manager.getCatalogRecoveryTracker(), undefined, (publish) =>
      publish(async () => {
        manager.clearCatalogRecoveryState(user.id, 'srv', 'g3');
        throw new Error('no cache');
      }).catch(() => undefined),
    );
    expect(outcome).toEqual({ serverName: 'srv', tools: null });
  });
});

describe('lists with an end', () => {
  // The addon reads the process's own environment, of which Jest gives a suite a copy.
  const { env } = runInThisContext('process');
  afterEach(() => {
    delete env.MCP_CONNECTION_CHECK_TTL;
  });

  test('the snapshot of a server whose connection does not answer', async () => {
    const { manager, params, server } = await world();
    await manager.getConnection(params);
    const config = server.config({ startup: false });
    const read = (options) => manager.getServerToolFunctionsSnapshot(user.id, 'srv', config, options);
    expect((await read({ deadlineMs: Date.now() + 60_000 })).tools).not.toBeNull();
    server.fault = ({ message }) => message?.method === 'tools/list';
    expect(await read({ deadlineMs: Date.now() + 200 })).toEqual({ tools: null });
    const controller = new AbortController();
    const reading = read({ signal: controller.signal });
    controller.abort();
    expect(await reading).toEqual({ tools: null });
  });

  test('those of a connection, and its sign of life', async () => {
    // Each question is the server's to answer.
    env.MCP_CONNECTION_CHECK_TTL = '0';
    const { manager, params, server } = await world();
    const connection = await manager.getConnection(params);
    server.fault = ({ message }) => message?.method === 'tools/list' || message?.method === 'ping';
    const nothing = { tools: [], complete: false };
    expect(await connection.fetchOrderedToolsSnapshot(Date.now() + 200)).toEqual(nothing);
    expect(await connection.fetchToolsSnapshot(Date.now() + 200)).toEqual(nothing);
    await expect(connection.fetchOrderedToolsSnapshot(undefined, AbortSignal.abort())).resolves.toEqual(nothing);
    expect(await connection.isConnected(AbortSignal.abort())).toBe(false);
  });

  test('the connections that users share and that are open', async () => {
    const server = await fixtures.server();
    const { runtime } = fixtures.runtime({ servers: { srv: server.config() }, allow: [server] });
    expect((await runtime.manager.getLoadedAppConnections('standard')).size).toBe(0);
    await runtime.manager.appConnections.get('srv');
    expect([...(await runtime.manager.getLoadedAppConnections('apps')).keys()]).toEqual(['srv']);
  });
});

describe('names of tools', () => {
  const services = { updateMCPServerTools: async () => ({}), getMCPToolsCacheGeneration: async () => 'g' };
  const tools = [{ name: 'srv_search', inputSchema: { type: 'object' } }];

  test.each([
    ['a LibreChat that recovers catalogs', { catalogRecoveryMaxStateEntries: undefined }, 'search_mcp_srv'],
    ['one that does not', undefined, 'srv_search_mcp_srv'],
  ])('are those of %s', async (_, options, key) => {
    const server = await fixtures.server({ tools });
    const config = server.config({ startup: false });
    const { runtime } = fixtures.runtime({ servers: { srv: config }, allow: [server], services });
    const manager = await runtime.MCPManager.createInstance({}, options);
    await manager.getConnection({ user, serverName: 'srv' });
    const { tools: functions } = await manager.getServerToolFunctionsSnapshot(user.id, 'srv', config);
    expect(Object.keys(functions)).toEqual([key]);
    expect(functions[key].serverToolName).toBe(key === 'search_mcp_srv' ? 'srv_search' : undefined);
  });
});
