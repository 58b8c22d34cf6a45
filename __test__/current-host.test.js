/** What a host of August 2026 has beside June's: allowlists of tenants, configs of tenants, connections of its own. */

const { ECHO } = require('./support/calls');
const { useCurrentHost } = require('./support/current-host');
const { createUser, Registry } = require('./support/host');
const { until } = require('./support/wait');

const { fixtures, user, world } = useCurrentHost();

describe('what belongs to a tenant', () => {
  test('rules are asked for the user before each connection and call', async () => {
    const { call, reinit, asked, manager, params } = await world({ shared: false });
    const whose = { userId: user.id, role: 'ADMIN' };
    await reinit();
    expect(asked).toContainEqual(whose);
    const count = asked.length;
    await call();
    await manager.getConnection(params);
    await manager.discoverServerTools(params);
    expect(asked.length).toBeGreaterThanOrEqual(count + 3);
    expect(asked.every((it) => it.userId === user.id && it.role === 'ADMIN')).toBe(true);
  });

  test('a tenant that does not allow the server is refused, also over a connection that is open', async () => {
    let allows = true;
    const { call, server } = await world({
      rules: (whose) => (whose.userId === user.id && !allows ? { allowedDomains: ['elsewhere.example'] } : {}),
    });
    await call();
    allows = false;
    await expect(call()).rejects.toThrow();
    await call({ user: createUser() });
    expect(server.received('tools/call')).toHaveLength(2);
  });

  test('a tenant with rules of its own does not share a connection', async () => {
    const other = createUser();
    const { call, server, registry } = await world({
      rules: (whose) =>
        whose.userId === other.id ? { allowedAddresses: [...registry.allowedAddresses, '10.0.0.1:80'] } : {},
    });
    await call();
    await call({ user: createUser() });
    expect(server.received('initialize')).toHaveLength(1);
    await call({ user: other });
    expect(server.received('initialize')).toHaveLength(2);
  });

  test("a config that is not the operator's own gets a connection of its own", async () => {
    const { call, server, base, reinit, manager, updates } = await world();
    await call();
    const overlay = { ...base, headers: { 'X-Tenant': 'a' } };
    await call({ serverConfig: overlay });
    const used = server.received('tools/call').map((entry) => entry.headers['x-tenant']);
    expect(used).toEqual([undefined, 'a']);
    expect(server.received('initialize')).toHaveLength(2);
    await reinit({ configServers: { srv: overlay } });
    expect(updates.at(-1)).toMatchObject({ userId: user.id });
    expect(server.received('tools/list').at(-1).headers['x-tenant']).toBe('a');
    // Another overlay, and the operator's own config, are not served over it.
    await call({ serverConfig: { ...base, headers: { 'X-Tenant': 'b' } } });
    await call();
    expect(server.received('tools/call').map((entry) => entry.headers['x-tenant'])).toEqual([
      undefined,
      'a',
      'b',
      undefined,
    ]);
    expect(manager.getConnectionStats()).toMatchObject({ appConnectionCount: 1, totalConnections: 1 });
  });
});

describe('a config that names fields of the chat request', () => {
  const config = { headers: { 'X-Chat': '{{LIBRECHAT_BODY_CONVERSATIONID}}' } };

  test('defers without a request body', async () => {
    const { reinit, server } = await world({ config });
    for (const extra of [{}, { requestBody: { conversationId: ' ' } }]) {
      expect(await reinit(extra)).toMatchObject({ success: true, connectionDeferred: true, tools: null });
    }
    expect(server.requests).toHaveLength(0);
    expect(await reinit({ requestBody: { conversationId: 'c1' } })).not.toHaveProperty('connectionDeferred');
  });

  test('is refused for a call without it, and leaves no trace of the user', async () => {
    const { call, manager } = await world({ config });
    await expect(call()).rejects.toThrow(
      'Request body field(s) required to resolve runtime MCP placeholders: conversationId.',
    );
    const requestScopedConnections = { connections: new Map(), pending: new Map() };
    await call({ requestBody: { conversationId: 'c1' }, requestScopedConnections });
    expect(requestScopedConnections.connections.size).toBe(1);
    expect(manager.getConnectionStats()).toMatchObject({ trackedUsers: 0, activityEntries: 0 });
  });
});

test('a connection says whether users authorize with the server', async () => {
  const { manager } = await world();
  const connection = await manager.appConnections.get('srv');
  expect(connection.usesOAuth()).toBe(false);
  expect(manager.getToolConfigGeneration(connection)).toBeUndefined();
});

describe('a GET stream that the server holds on to', () => {
  /** The stream of a session opens once; its socket then dies, and every other is refused. */
  function conflicting({ streams, conflicts }) {
    return async ({ request, response }) => {
      if (request.method !== 'GET') return false;
      const session = request.headers['mcp-session-id'];
      if (streams.has(session)) {
        conflicts.push(session);
        response.writeHead(409).end('{}');
        return true;
      }
      streams.add(session);
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': open\n\n');
      if (streams.size === 1) setTimeout(() => request.socket.destroy(), 20);
      return true;
    };
  }

  test('leads to another session', async () => {
    const [streams, conflicts] = [new Set(), []];
    const { manager, params, server, logger, call } = await world({
      shared: false,
      server: { fault: conflicting({ streams, conflicts }) },
    });
    const connection = await manager.getConnection(params);
    const states = [];
    connection.on('connectionChange', (state) => states.push(state));
    await until('another session', () => server.received('initialize').length === 2 && states.at(-1) === 'connected');
    expect(states).toEqual(['error', 'connecting', 'connected']);
    expect(await connection.isConnected()).toBe(true);
    expect(logger.messages('warn').filter((text) => text.includes('conflicted with a stale server-side'))).toHaveLength(
      1,
    );
    expect((await call())[0]).toContain('hi');
    expect(new Set(conflicts).size).toBe(1);
  });

  test('a first stream that is refused leads to nothing', async () => {
    const { manager, params, server, call } = await world({
      shared: false,
      server: {
        fault: async ({ request, response }) => {
          if (request.method !== 'GET') return false;
          response.writeHead(409).end('{}');
          return true;
        },
      },
    });
    await manager.getConnection(params);
    await until('the refusal', () => server.requests.some((entry) => entry.method === 'GET'));
    await call();
    expect(server.received('initialize')).toHaveLength(1);
  });
});

describe('createInstance', () => {
  /** A registry that takes servers, as LibreChat's does. */
  class Taking extends Registry {
    constructor(options) {
      super(options);
      this.added = [];
    }

    async addServer(name, config, storage) {
      this.added.push(['addServer', name, storage]);
      if (config.url === 'bad') throw new Error('cannot be inspected');
      this.servers[name] = { ...config, source: 'yaml', updatedAt: Date.now(), tools: 'echo' };
      return { serverName: name, config: this.servers[name] };
    }

    async addServerStub(name, config, storage) {
      this.added.push(['addServerStub', name, storage]);
      this.servers[name] = { ...config, source: 'yaml', inspectionFailed: true, updatedAt: Date.now() };
      return { serverName: name, config: this.servers[name] };
    }

    async removeServer(name, storage) {
      this.added.push(['removeServer', name, storage]);
      delete this.servers[name];
    }
  }

  const setup = (servers) => {
    const registry = new Taking({ servers });
    const host = fixtures.runtime({ services: { registry: () => registry } });
    return { ...host, registry };
  };

  test('adds the configured servers, and stubs of those that cannot be inspected', async () => {
    const { registry, runtime, logger } = setup({});
    const manager = await runtime.MCPManager.createInstance({
      good: { url: 'http://good.example/mcp?key=1' },
      bad: { url: 'bad' },
    });
    expect(manager).toBe(runtime.MCPManager.getInstance());
    expect(registry.added).toEqual(
      expect.arrayContaining([
        ['addServer', 'good', 'CACHE'],
        ['addServer', 'bad', 'CACHE'],
        ['addServerStub', 'bad', 'CACHE'],
      ]),
    );
    expect(registry.servers).toMatchObject({ good: { tools: 'echo' }, bad: { inspectionFailed: true } });
    const text = logger.text();
    expect(text).toContain('[MCP][good] Tools: echo');
    expect(text).toContain('[MCP][bad] Stored stub config for recovery via reinitialize');
    expect(text).not.toContain('key=1');
    await expect(runtime.MCPManager.createInstance({})).rejects.toThrow('MCPManager has already been initialized.');
  });

  test('says of which server the registry keeps what it found in place of a rule', async () => {
    const { runtime, logger } = setup({});
    const tools = { deny: ['delete_*'] };
    await runtime.MCPManager.createInstance({
      ruled: { url: 'http://ruled', tools },
      stub: { url: 'bad', tools },
      plain: { url: 'http://plain' },
    });
    const told = logger.messages('error').filter((message) => message.includes('mcpSettings.tools'));
    expect(told).toEqual([expect.stringMatching(/^\[MCP\]\[ruled\] .*startup: false/)]);
  });

  test('leaves what was added in the life of the process, and replaces what is older or other', async () => {
    const old = Date.now() - 1000 * 3600 * 24 * 365;
    const entry = (url, updatedAt, more) => ({ url, source: 'yaml', updatedAt, ...more });
    const { registry, runtime } = setup({
      fresh: entry('http://fresh', Date.now()),
      stale: entry('http://stale', old),
      other: entry('http://before', Date.now()),
      gone: entry('http://gone', Date.now()),
      mine: { url: 'http://mine', source: 'user', updatedAt: old },
    });
    await runtime.MCPManager.createInstance({
      fresh: { url: 'http://fresh' },
      stale: { url: 'http://stale' },
      other: { url: 'http://other' },
    });
    const names = (method) => registry.added.filter(([it]) => it === method).map(([, name]) => name);
    expect(names('addServer').sort()).toEqual(['other', 'stale']);
    expect(names('removeServer').sort()).toEqual(['gone', 'other', 'stale']);
    expect(registry.servers.mine).toBeDefined();
  });

  test('leaves a registry alone that takes no servers', async () => {
    const { runtime, registry } = fixtures.runtime({ servers: { srv: { url: 'http://x' } } });
    expect(await runtime.MCPManager.createInstance({ other: { url: 'http://y' } })).toBe(runtime.manager);
    expect(Object.keys(registry.servers)).toEqual(['srv']);
  });
});

describe("the host's own connections", () => {
  const TOOLS = [{ name: 'theirs', inputSchema: { type: 'object' } }];
  const theirs = (connections) => ({
    connections: () => ({ appConnections: { getLoaded: async () => new Map(Object.entries(connections)) } }),
  });

  test('are used where they are there', async () => {
    const fetchOrderedToolsSnapshot = async () => ({ tools: TOOLS, complete: true, publicationRevision: '9' });
    const { reinit, server, updates } = await world({
      services: { keepConnections: false, ...theirs({ srv: { fetchOrderedToolsSnapshot } }) },
    });
    const answer = await reinit();
    expect(answer).toMatchObject({
      success: true,
      message: "MCP server 'srv' reinitialized successfully",
      tools: TOOLS,
    });
    expect(updates).toMatchObject([{ userId: user.id, serverName: 'srv', tools: TOOLS, publicationRevision: '9' }]);
    expect(server.requests).toHaveLength(0);
  });

  test('are not, where they do not list, or a user has the server for himself', async () => {
    const failing = { fetchTools: async () => Promise.reject(new Error('gone')) };
    const shared = await world({ services: { keepConnections: false, ...theirs({ srv: failing }) } });
    expect((await shared.reinit()).tools).toHaveLength(2);
    const own = await world({ shared: false, services: theirs({ srv: { fetchTools: async () => TOOLS } }) });
    expect((await own.reinit()).tools).toHaveLength(2);
    const none = await world({ services: { connections: () => ({ appConnections: null }) } });
    expect((await none.reinit()).tools).toHaveLength(2);
  });
});

test('tools of a server that the policy of the host has users share are listed for all, and called by each', async () => {
  const server = await fixtures.server();
  const config = server.config({ headers: { 'X-User': '{{LIBRECHAT_USER_ID}}' } });
  const { runtime } = fixtures.runtime({
    servers: { srv: config },
    allow: [server],
    services: { requiresUserScopedConnection: ({ requiresOAuth }) => requiresOAuth === true },
  });
  const functions = await runtime.manager.getServerToolFunctions(user.id, 'srv');
  expect(Object.keys(functions)).toEqual(['echo_mcp_srv', 'undescribed_mcp_srv']);
  expect(server.received('tools/list').at(-1).headers['x-user']).toBe('{{LIBRECHAT_USER_ID}}');
  await runtime.manager.callTool({ ...ECHO, user });
  expect(server.received('tools/call')[0].headers['x-user']).toBe(user.id);
});
