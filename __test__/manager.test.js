/** `runtime.manager` on the public server from npm: connections, tool calls, what servers ask their client. */

const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { everythingOverStdio } = require('./support/everything');
const { delay, processGone, until } = require('./support/wait');

const fixtures = useFixtures();
const user = createUser();

/** The public server for one user; `shared` makes it one that all users share. */
async function everything({ shared = false, services, config } = {}) {
  const server = await fixtures.everything('streamableHttp');
  const host = fixtures.runtime({
    servers: { every: server.config({ startup: shared, ...config }) },
    allow: [server],
    services,
  });
  const call = (toolName, toolArguments, extra) =>
    host.runtime.manager.callTool({ user, serverName: 'every', toolName, provider: 'openai', toolArguments, ...extra });
  return { ...host, server, call, manager: host.runtime.manager };
}

describe('connections', () => {
  test('one object per connection, with the surface of LibreChat’s class', async () => {
    const { manager, server } = await everything();
    const connection = await manager.getConnection({ user, serverName: 'every' });
    expect(connection).toMatchObject({ serverName: 'every', url: server.url, connectionState: 'connected' });
    expect(connection.createdAt).toBeLessThanOrEqual(Date.now());
    expect(connection.isStale(connection.createdAt + 1)).toBe(true);
    expect(connection.isStale(connection.createdAt)).toBe(false);
    expect(await connection.isConnected()).toBe(true);
    expect(connection.client.getServerCapabilities()).toMatchObject({ tools: {} });
    expect(typeof connection.client.getInstructions()).toBe('string');

    const names = (await connection.fetchTools()).map((tool) => tool.name);
    expect(names).toContain('echo');
    expect((await connection.client.listTools()).tools.map((tool) => tool.name)).toEqual(names);
    expect((await connection.fetchResources()).length).toBeGreaterThan(0);
    expect((await connection.fetchPrompts()).length).toBeGreaterThan(0);
    expect(await manager.getUserConnection({ user, serverName: 'every' })).toBe(connection);
    expect([...manager.getUserConnections(user.id)]).toEqual([['every', connection]]);
    expect(manager.getUserConnections('somebody else')).toBeUndefined();
    expect(manager.getConnectionStats()).toEqual({
      trackedUsers: 1,
      totalConnections: 1,
      activityEntries: 1,
      appConnectionCount: 0,
    });
  });

  test('disconnecting ends the connection and tells its listeners; connect() makes it anew', async () => {
    const { manager } = await everything();
    const connection = await manager.getConnection({ user, serverName: 'every' });
    const states = [];
    connection.on('connectionChange', (state) => states.push(state));
    await manager.disconnectUserConnection(user.id, 'every');
    await until('the event', () => states.length > 0);
    expect(states).toEqual(['disconnected']);
    expect(connection.connectionState).toBe('disconnected');
    expect(await connection.isConnected()).toBe(false);
    expect(await connection.fetchTools()).toEqual([]);
    await connection.connect();
    expect(connection.connectionState).toBe('connected');
    await manager.disconnectUserConnections(user.id);
    expect(manager.getUserConnections(user.id)).toBeUndefined();
  });

  test('a lost connection comes back, unless its user has been disconnected meanwhile', async () => {
    const stdio = fixtures.stdio();
    const own = stdio.config({ startup: false });
    const { runtime } = fixtures.runtime({ servers: { kept: own, left: own } });
    const { manager } = runtime;
    const connections = [];
    for (const serverName of ['kept', 'left']) {
      connections.push(await manager.getUserConnection({ user, serverName }));
    }
    for (const pid of stdio.pids()) process.kill(pid, 'SIGKILL');
    await until('loss', () => connections.every((connection) => connection.connectionState === 'error'));
    await manager.disconnectUserConnection(user.id, 'left');
    await until('reconnecting', () => connections[0].connectionState === 'connected');
    // The longest that a first pause takes.
    await delay(3000);
    expect(stdio.pids()).toHaveLength(3);
    expect([...manager.getUserConnections(user.id).keys()]).toEqual(['kept']);

    process.kill(stdio.pids()[2], 'SIGKILL');
    await until('loss', () => connections[0].connectionState === 'error');
    await manager.disconnectUserConnections(user.id);
    await delay(3000);
    expect(stdio.pids()).toHaveLength(3);
    expect(manager.getConnectionStats()).toMatchObject({ totalConnections: 0, activityEntries: 0 });
  });

  test('who never had a connection is not counted', async () => {
    const { manager } = await everything({ config: { url: 'http://127.0.0.1:1/mcp' } });
    await expect(manager.getConnection({ user, serverName: 'every' })).rejects.toThrow();
    expect(manager.getConnectionStats()).toMatchObject({ trackedUsers: 0, activityEntries: 0 });
  });

  test('a server that all users share: one connection, in appConnections', async () => {
    const { manager } = await everything({ shared: true });
    const connection = await manager.getConnection({ user, serverName: 'every' });
    expect(await manager.getConnection({ user: createUser(), serverName: 'every' })).toBe(connection);
    const { appConnections } = manager;
    expect(await appConnections.get('every')).toBe(connection);
    expect(await appConnections.get('other')).toBeNull();
    expect(await appConnections.has('every')).toBe(true);
    expect(await appConnections.has('other')).toBe(false);
    for (const map of [
      await appConnections.getAll(),
      await appConnections.getLoaded(),
      await appConnections.getMany(['every', 'other']),
    ]) {
      expect(Object.prototype.toString.call(map)).toBe('[object Map]');
      expect([...map.keys()]).toEqual(['every']);
    }
    expect(appConnections.getConnectionCount()).toBe(1);
    await expect(manager.getUserConnection({ user, serverName: 'every' })).rejects.toMatchObject({
      name: 'McpError',
      code: -32600,
      message: expect.stringContaining('Trying to create user-specific connection for app-level server "every"'),
    });
    await Promise.all(appConnections.disconnectAll());
    expect(appConnections.getConnectionCount()).toBe(0);
  });

  test('an unknown server is an McpError', async () => {
    const { manager } = await everything();
    await expect(manager.getConnection({ user, serverName: 'nope' })).rejects.toMatchObject({
      name: 'McpError',
      code: -32600,
      mcpCode: 'MCP_CONFIG_NOT_FOUND',
      message: `MCP error -32600: [MCP][User: ${user.id}] Configuration for server "nope" not found.`,
    });
  });

  test('the statics belong to the runtime and work unbound', async () => {
    const { runtime } = await everything();
    const { createInstance, getInstance } = runtime.MCPManager;
    expect(() => getInstance()).toThrow('MCPManager has not been initialized.');
    expect(await createInstance({}, 'stray')).toBe(runtime.manager);
    expect(getInstance('stray')).toBe(runtime.manager);
    await expect(createInstance({})).rejects.toMatchObject({
      name: 'Error',
      message: 'MCPManager has already been initialized.',
      code: 'MCP_INVALID_ARGUMENT',
    });
    expect(runtime.MCPConnection.clearCooldown('every')).toBeUndefined();
    expect(runtime.MCPConnection.decrementCycleCount('every', user.id)).toBeUndefined();
  });

  test('after close() everything rejects with MCP_CLOSED', async () => {
    const { runtime, manager } = await everything();
    await runtime.close();
    const calls = await Promise.allSettled([
      manager.getConnection({ user, serverName: 'every' }),
      manager.callTool({ user, serverName: 'every', toolName: 'echo', provider: 'openai' }),
      manager.disconnectUserConnection(user.id, 'every'),
      manager.appConnections.get('every'),
    ]);
    for (const { reason } of calls) expect(reason).toMatchObject({ code: 'MCP_CLOSED' });
  });
});

describe('tools', () => {
  test('text, images and resources are formatted for the provider', async () => {
    const { call } = await everything();
    expect(await call('echo', { message: 'hi' })).toEqual(['Echo: hi', undefined]);
    const [text, artifacts] = await call('get-tiny-image', {});
    expect(text).toContain('MCP logo');
    expect(artifacts.content[0]).toMatchObject({
      type: 'image_url',
      image_url: { url: expect.stringMatching(/^data:image\/png;base64,/) },
    });
    const [all, none] = await call('get-tiny-image', {}, { provider: 'unknown' });
    expect(all).toContain('"type": "image"');
    expect(none).toBeUndefined();
    const [resource] = await call('get-resource-reference', { resourceType: 'Text', resourceId: 1 });
    expect(resource).toContain('Resource URI: demo://resource/dynamic/text/1');
  });

  test('progress is passed on and starts the time again', async () => {
    const { call } = await everything();
    const seen = [];
    const options = { timeout: 4000, onprogress: (progress) => seen.push(progress) };
    const [text] = await call('trigger-long-running-operation', { duration: 5, steps: 10 }, { options });
    expect(text).toContain('Long running operation completed');
    expect(seen[0]).toEqual({ progress: 1, total: 10 });
    expect(seen.length).toBeGreaterThanOrEqual(9);
  });

  test('maxTotalTimeout ends a call in spite of progress; the connection stays', async () => {
    const { call } = await everything();
    const options = { timeout: 4000, maxTotalTimeout: 1200 };
    await expect(call('trigger-long-running-operation', { duration: 5, steps: 10 }, { options })).rejects.toMatchObject(
      {
        name: 'McpError',
        code: -32001,
        mcpCode: 'MCP_TIMEOUT',
        message: 'MCP error -32001: Request timed out',
      },
    );
    expect(await call('echo', { message: 'still' })).toEqual(['Echo: still', undefined]);
  });

  test('an aborted call rejects with an AbortError that carries the reason', async () => {
    const { call } = await everything();
    const controller = new AbortController();
    const reason = new Error('changed my mind');
    setTimeout(() => controller.abort(reason), 300);
    const running = call(
      'trigger-long-running-operation',
      { duration: 20, steps: 2 },
      { options: { signal: controller.signal } },
    );
    await expect(running).rejects.toMatchObject({ name: 'AbortError', code: 'MCP_ABORTED', cause: reason });
    expect(await call('echo', { message: 'next' })).toEqual(['Echo: next', undefined]);
  });

  test('an unknown tool is told as the server tells it, and logged', async () => {
    const { call, logger } = await everything();
    const [text] = await call('no-such-tool', {});
    expect(text).toMatch(/not found/);
    await expect(call('echo', {}, { serverName: 'nope' })).rejects.toMatchObject({ name: 'McpError' });
    await until('the log', () =>
      logger.messages('error').some((line) => line.endsWith('[nope][echo] Tool call failed')),
    );
  });

  test('a hundred calls of fifty users get their own answers', async () => {
    const { manager } = await everything({ shared: true });
    const calls = Array.from({ length: 100 }, async (_, index) => {
      const [text] = await manager.callTool({
        user: { id: `user-${index % 50}` },
        serverName: 'every',
        toolName: 'echo',
        provider: 'openai',
        toolArguments: { message: `m${index}` },
      });
      return text === `Echo: m${index}`;
    });
    expect((await Promise.all(calls)).every(Boolean)).toBe(true);
  });

  test('tool functions: LibreChat’s format, missing descriptions stay missing', async () => {
    const { manager } = await everything();
    expect(await manager.getServerToolFunctions(user.id, 'every')).toBeNull();
    await manager.getConnection({ user, serverName: 'every' });
    const functions = await manager.getServerToolFunctions(user.id, 'every');
    expect(functions.echo_mcp_every).toMatchObject({ type: 'function', function: { name: 'echo_mcp_every' } });
  });
});

describe('what a server asks', () => {
  const peer = { serverName: 'every', userId: user.id };

  test('sampling, elicitation with defaults and roots reach the host', async () => {
    const asked = [];
    const { call, manager } = await everything({
      services: {
        sampling: async (params, from) => {
          asked.push(['sampling', params.messages.length, from]);
          return { role: 'assistant', content: { type: 'text', text: 'sampled' }, model: 'model' };
        },
        elicitation: (params, from) => {
          asked.push(['elicitation', typeof params.requestedSchema, from]);
          return { action: 'accept', content: { name: 'Ann' } };
        },
        roots: () => ({ roots: [{ uri: 'file:///here', name: 'here' }] }),
      },
    });
    await manager.getConnection({ user, serverName: 'every' });
    expect((await call('trigger-sampling-request', { prompt: 'hi', maxTokens: 5 }))[0]).toContain('sampled');
    const [form] = await call('trigger-elicitation-request', {});
    expect(form).toContain('- Name: Ann');
    expect(form).toContain('- Favorite Integer: 42');
    expect((await call('get-roots-list', {}))[0]).toContain('file:///here');
    const [sampling, elicitation] = asked;
    expect(sampling.slice(0, 2)).toEqual(['sampling', 1]);
    expect(sampling[2]).toMatchObject({ ...peer, toolName: 'trigger-sampling-request' });
    expect(elicitation.slice(0, 2)).toEqual(['elicitation', 'object']);
    expect(elicitation[2]).toMatchObject({ ...peer, toolName: 'trigger-elicitation-request' });
    expect(asked).toHaveLength(2);
  });

  test('without handlers nothing is declared, so the server offers nothing that needs them', async () => {
    const { manager } = await everything();
    const connection = await manager.getConnection({ user, serverName: 'every' });
    const names = (await connection.fetchTools()).map((tool) => tool.name);
    expect(names).not.toContain('trigger-sampling-request');
    expect(names).not.toContain('trigger-elicitation-request');
  });
});

describe('over stdio', () => {
  async function local() {
    const host = fixtures.runtime({ servers: { local: everythingOverStdio() } });
    const connection = await host.runtime.manager.getConnection({ user, serverName: 'local' });
    return { ...host, connection, manager: host.runtime.manager };
  }

  test('tools can be called', async () => {
    const { manager } = await local();
    const answer = await manager.callTool({
      user,
      serverName: 'local',
      toolName: 'echo',
      provider: 'openai',
      toolArguments: { message: 'pipe' },
    });
    expect(answer).toEqual(['Echo: pipe', undefined]);
  });

  test('a process that died comes back by itself', async () => {
    const stdio = fixtures.stdio();
    const host = fixtures.runtime({ servers: { local: stdio.config() } });
    const connection = await host.runtime.manager.getConnection({ user, serverName: 'local' });
    const states = [];
    connection.on('connectionChange', (state) => states.push(state));
    const first = stdio.pids().at(-1);
    process.kill(first, 'SIGKILL');
    await processGone(first);
    await until('the loss', () => states.includes('error'));
    await until('the reconnection', () => connection.connectionState === 'connected');
    expect(stdio.pids().at(-1)).not.toBe(first);
    expect((await connection.fetchTools()).length).toBeGreaterThan(0);
    await until('the event', () => states.length > 2);
    expect(states).toEqual(['error', 'connecting', 'connected']);
  });
});
