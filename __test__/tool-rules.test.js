/** `tools: { allow, deny }` of an operator: what is kept away is in no list, and no call of it gets to the server. */

const { configSchema } = require('librechat-data-provider');
const { tools: langchainTools } = require('../langchain');
const addon = require('./support/addon');
const { startAppsServer } = require('./support/apps-server');
const { useCli } = require('./support/cli');
const { useEnvironment } = require('./support/environment');
const { scripted } = require('./support/faults');
const { createHost, createUser } = require('./support/host');
const { startModernServer } = require('./support/modern-server');
const { until } = require('./support/wait');

const { fixtures, withServers } = useCli();
const user = createUser();
const tool = (name) => ({ name, description: name, inputSchema: { type: 'object', properties: {} } });
const TOOLS = ['get', 'delete_all', 'put', 'delete_one'].map(tool);
const SHOWN = ['get', 'put'];
const DENY = { tools: { deny: ['delete_*'] } };
const DENIED = expect.objectContaining({
  code: 'MCP_TOOL_DENIED',
  retryable: false,
  message: expect.stringMatching(/'srv'.*`tools\.deny`.*mcpSettings/),
});
const names = (tools) => tools.map(({ name }) => name);

/** A real server with these tools under the name `srv`, and whoever uses it; `services` are the host's. */
async function world({ config = DENY, services, tools = TOOLS, ...options } = {}) {
  const server = await fixtures.server({
    tools,
    callTool: ({ name }) => ({ content: [{ type: 'text', text: name ?? 'no name' }] }),
    capabilities: { tools: { listChanged: true } },
    ...options,
  });
  const host = fixtures.runtime({ servers: { srv: server.config(config) }, allow: [server], services });
  const { manager } = host.runtime;
  const params = { user, serverName: 'srv' };
  return {
    ...host,
    server,
    manager,
    reinit: (more) => host.runtime.reinitMCPServer({ ...params, ...more }),
    call: (toolName, more) => manager.callTool({ ...params, toolName, toolArguments: {}, provider: 'openai', ...more }),
    connect: () => manager.getConnection(params),
    client: host.runtime.client('srv', { user }),
    discover: () => manager.discoverServerTools(params),
    called: () => server.received('tools/call').map(({ message }) => message.params.name),
  };
}

describe('lists', () => {
  test('of a reinit, a discovery and an inspection', async () => {
    const { reinit, discover, runtime, server, updates } = await world();
    const { tools, availableTools } = await reinit();
    expect(names(tools)).toEqual(SHOWN);
    expect(Object.keys(availableTools)).toEqual(SHOWN.map((name) => `${name}_mcp_srv`));
    expect(names(updates[0].tools)).toEqual(SHOWN);
    expect(names((await discover()).tools)).toEqual(SHOWN);
    const inspected = await runtime.inspectServer('srv', server.config(DENY));
    expect(inspected.tools).toEqual(DENY.tools);
    expect(Object.keys(inspected.toolFunctions)).toEqual(SHOWN.map((name) => `${name}_mcp_srv`));
  });

  test('of an inspection under the rules of all servers', async () => {
    const { runtime, server } = await world({ services: { mcpSettings: DENY } });
    expect((await runtime.inspectServer('srv', server.config())).tools).toBe('get, put');
  });

  test('of connections', async () => {
    const { connect } = await world();
    const connection = await connect();
    expect(names(await connection.fetchTools())).toEqual(SHOWN);
    expect(names((await connection.client.listTools()).tools)).toEqual(SHOWN);
    expect(names((await connection.client.request({ method: 'tools/list' })).tools)).toEqual(SHOWN);
  });

  test('of clients, whole and page by page, with all else of a page as it was', async () => {
    const { client, server } = await world({ pageSize: 1 });
    expect(names(await client.listTools().then(({ tools }) => tools))).toEqual(SHOWN);
    expect(names((await client.request({ method: 'tools/list' })).tools)).toEqual(SHOWN);
    const pages = [];
    let cursor = server.received('tools/list')[1].message.params.cursor;
    while (cursor !== undefined) {
      const page = await client.request({ method: 'tools/list', params: { cursor } });
      pages.push(names(page.tools));
      cursor = page.nextCursor;
    }
    expect(pages).toEqual([[], ['put'], []]);
  });

  test('that are told when they change', async () => {
    const { client, server } = await world();
    await client.connect();
    const heard = [];
    client.on('toolsChanged', (tools) => heard.push(names(tools)));
    await until('somebody listens', () => server.hasListener());
    await server.notify('notifications/tools/list_changed');
    await until('the list', () => heard.length > 0);
    expect(heard[0]).toEqual(SHOWN);
  });

  test('of agent frameworks', async () => {
    const { client, server } = await world();
    expect(names(await langchainTools(client))).toEqual(SHOWN);
    expect(server.received('tools/list').length).toBeGreaterThan(0);
  });

  test('of a server of 2026-07-28, with what says how long it may be kept', async () => {
    const server = fixtures.keep(
      await startModernServer({
        tools: names(TOOLS),
        cacheHints: { 'tools/list': { ttlMs: 60_000, cacheScope: 'private' } },
      }),
    );
    const { runtime } = fixtures.runtime({ servers: { srv: server.config(DENY) }, allow: [server] });
    const client = runtime.client('srv', { user });
    for (let asked = 0; asked < 2; asked += 1) {
      const page = await client.request({ method: 'tools/list' });
      expect(names(page.tools)).toEqual(SHOWN);
    }
    await expect(client.callTool({ name: 'delete_all', arguments: {} })).rejects.toEqual(DENIED);
    expect(server.requests.filter(({ message }) => message?.method === 'tools/call')).toEqual([]);
  });

  test('of the command line, which calls nothing either', async () => {
    const server = await fixtures.server({ tools: TOOLS });
    const config = { ...server.config(), ...DENY };
    const { run } = withServers({ srv: config }, { allowedAddresses: [server.address] });
    const { code, json } = await run(['tools', 'srv', '--json']);
    expect(code).toBe(0);
    expect(JSON.stringify(json())).not.toContain('delete_');
    const call = await run(['call', 'srv', 'delete_all']);
    expect(call.code).not.toBe(0);
    expect(call.stdout + call.stderr).toContain('change `tools` of the server');
    expect(server.received('tools/call')).toEqual([]);
  });

  test('a page that is none is not shown', async () => {
    const { client, server } = await world();
    await client.connect();
    server.fault = scripted({ 'tools/list': () => ({ result: { tools: { name: 'delete_all' } } }) });
    await expect(client.request({ method: 'tools/list', params: { cursor: 'c' } })).rejects.toMatchObject({
      code: 'MCP_INVALID_RESPONSE',
    });
  });
});

describe('calls', () => {
  test('are refused on every way, and do not get to the server', async () => {
    const { call, client, connect, called, runtime } = await world();
    const connection = await connect();
    const params = { name: 'delete_all', arguments: {} };
    const request = { method: 'tools/call', params };
    await expect(call('delete_all')).rejects.toEqual(DENIED);
    await expect(client.callTool(params)).rejects.toEqual(DENIED);
    await expect(client.request(request)).rejects.toEqual(DENIED);
    await expect(connection.client.request(request)).rejects.toEqual(DENIED);
    expect(called()).toEqual([]);
    expect(runtime.metrics()).toMatch(/librechat_mcp_tool_calls_total\{.*"MCP_TOOL_DENIED".*\} 4/);
    expect(await call('get')).toEqual(['get', undefined]);
    expect(await client.callTool({ name: 'put', arguments: {} })).toMatchObject({ content: [{ text: 'put' }] });
    expect(called()).toEqual(['get', 'put']);
  });

  describe('of tools behind the pages that are read', () => {
    useEnvironment({ MCP_TOOLS_LIST_MAX_PAGES: '1' });

    test('are made, unless they are denied', async () => {
      const { reinit, call, called } = await world({ pageSize: 1 });
      expect(names((await reinit()).tools)).toEqual(['get']);
      expect(await call('put')).toEqual(['put', undefined]);
      await expect(call('delete_one')).rejects.toEqual(DENIED);
      expect(called()).toEqual(['put']);
    });
  });

  test('of a tool that is not named are refused', async () => {
    const { client, connect, called } = await world();
    const connection = await connect();
    for (const params of [undefined, {}, { name: null }, { name: 7 }, { name: ['delete_all'] }, { name: '' }]) {
      const request = { method: 'tools/call', params };
      await expect(client.request(request)).rejects.toMatchObject({ code: 'MCP_TOOL_DENIED' });
      await expect(connection.client.request(request)).rejects.toMatchObject({ code: 'MCP_TOOL_DENIED' });
    }
    expect(called()).toEqual([]);
  });

  test('by names that a server may read more generously are refused', async () => {
    const { call, called } = await world({ config: { tools: { deny: ['delete_all'] } } });
    for (const name of ['delete_all ', ' delete_all', 'delete_all\u200b', 'delete\u00a0all', 'delete_all\n']) {
      await expect(call(name)).rejects.toMatchObject({ code: 'MCP_TOOL_DENIED' });
    }
    expect(called()).toEqual([]);
  });

  test('by methods that a server may read more generously are refused', async () => {
    const { client, connect, server } = await world();
    const connection = await connect();
    const lists = server.received('tools/list').length;
    for (const method of [
      'tools/call ',
      'TOOLS/CALL',
      'tools/call\0',
      '/tools//call',
      'tools/list\n',
      'Tasks/get',
      'tas\u212as/result',
    ]) {
      const request = { method, params: { name: 'delete_all' } };
      await expect(client.request(request)).rejects.toMatchObject({ code: 'MCP_INVALID_ARGUMENT' });
      await expect(connection.client.request(request)).rejects.toMatchObject({ code: 'MCP_INVALID_ARGUMENT' });
      expect(server.received(method)).toEqual([]);
    }
    expect(server.received('tools/list')).toHaveLength(lists);
    // Others are the server's to refuse.
    await expect(client.request({ method: 'tools/call_all' })).rejects.toMatchObject({ code: -32601 });
    expect(server.received('tools/call_all')).toHaveLength(1);
  });

  test('by the name that models know a tool by are refused, too', async () => {
    let rules = {};
    const { call, reinit, called } = await world({
      config: {},
      tools: [tool('srv_delete'), tool('srv_get')],
      services: { updateMCPServerTools: undefined, mcpSettings: () => rules },
    });
    const { availableTools } = await reinit();
    expect(Object.keys(availableTools)).toEqual(['delete_mcp_srv', 'get_mcp_srv']);
    expect(await call('delete')).toEqual(['srv_delete', undefined]);
    rules = { tools: { deny: ['srv_delete'] } };
    await expect(call('delete')).rejects.toMatchObject({ code: 'MCP_TOOL_DENIED' });
    await expect(call('srv_delete')).rejects.toMatchObject({ code: 'MCP_TOOL_DENIED' });
    expect(Object.keys((await reinit()).availableTools)).toEqual(['get_mcp_srv']);
    expect(called()).toEqual(['srv_delete']);
  });

  test('that became tasks are not gone on with', async () => {
    const { manager, server } = await world();
    const task = {
      serverName: 'srv',
      toolName: 'delete_all',
      taskId: 't1',
      protocolVersion: '2025-11-25',
      createdAt: 1,
    };
    await expect(manager.resumeTask({ task, user, provider: 'openai' })).rejects.toEqual(DENIED);
    expect(server.requests.filter(({ message }) => message?.method?.startsWith('tasks/'))).toEqual([]);
  });

  test('of apps are refused, and apps see no such tool', async () => {
    const server = fixtures.keep(await startAppsServer());
    const config = server.config({ startup: false, tools: { deny: ['move'] } });
    const { runtime } = fixtures.runtime({ servers: { srv: config }, allow: [server] });
    const client = runtime.client('srv', { user });
    const { tools } = await client.listTools();
    expect(names(tools)).not.toContain('move');
    const { binding } = await client.readApp(tools.find(({ name }) => name === 'show'));
    await expect(client.callAppTool({ binding, name: 'move' })).rejects.toMatchObject({
      code: expect.stringMatching(/^MCP_TOOL_(HIDDEN|DENIED)$/),
    });
    expect(await server.called()).toEqual([]);
  });
});

describe('whose rules', () => {
  const allow = (...globs) => ({ tools: { allow: globs } });

  test('those of a server take the place of those of all', async () => {
    const services = { mcpSettings: allow('put') };
    expect(names((await (await world({ services, config: {} })).reinit()).tools)).toEqual(['put']);
    expect(names((await (await world({ services, config: allow('get') })).reinit()).tools)).toEqual(['get']);
    expect((await (await world({ services, config: allow() })).reinit()).tools).toEqual([]);
  });

  test('a user’s config brings none, and stands under those of all', async () => {
    const services = { mcpSettings: allow('put') };
    for (const theirs of [{ source: 'user' }, { source: 'user', dbId: '1', author: 'a' }, { source: 'plugin' }]) {
      const config = { startup: false, ...theirs, ...allow('get', 'delete_all') };
      const { reinit, call } = await world({ services, config });
      expect(names((await reinit()).tools)).toEqual(['put']);
      await expect(call('get')).rejects.toMatchObject({ code: 'MCP_TOOL_DENIED' });
    }
  });

  test('the names that an inspection of LibreChat found are none', async () => {
    const { reinit } = await world({ config: { tools: 'get, put' } });
    expect(names((await reinit()).tools)).toEqual(names(TOOLS));
  });

  test('a function is asked with every call, and new rules hold for open connections', async () => {
    let rules;
    const { call, client, called } = await world({ config: {}, services: { mcpSettings: () => rules } });
    expect(await call('delete_all')).toEqual(['delete_all', undefined]);
    rules = DENY;
    await expect(call('delete_all')).rejects.toEqual(DENIED);
    expect(names((await client.listTools()).tools)).toEqual(SHOWN);
    rules = null;
    expect(await call('delete_all')).toEqual(['delete_all', undefined]);
    expect(called()).toEqual(['delete_all', 'delete_all']);
  });

  test('a connection object’s calls stand under what holds when they are made, and for whom', async () => {
    const tenants = { one: {}, two: { limits: { perUser: '1/d' } } };
    let tenant = 'one';
    const { connect, server } = await world({ config: {}, services: { mcpSettings: () => tenants[tenant] } });
    const { client } = await connect();
    const call = () => client.request({ method: 'tools/call', params: { name: 'get' } });
    const limited = { code: 'MCP_RATE_LIMITED' };
    await call();
    tenant = 'two';
    await call();
    await expect(call()).rejects.toMatchObject(limited);
    tenant = 'one';
    await call();
    expect(server.sessions.size).toBe(1);
  });

  test('where they cannot be had, nothing is called', async () => {
    const thrown = () => {
      throw new Error('no rules today');
    };
    const failing = [
      [thrown, 'no rules today'],
      [async () => DENY, 'must answer an object at once, got a promise'],
      [() => 'delete_*', 'got a string'],
      [() => ({ tools: { denny: ['delete_*'] } }), '`mcpSettings.tools.denny`'],
    ];
    for (const [broken, why] of failing) {
      let mcpSettings = () => ({});
      const audit = [];
      const services = { mcpSettings: () => mcpSettings(), onAudit: (record) => audit.push(record) };
      const { call, client, called, runtime, manager } = await world({ config: {}, services });
      const connection = await manager.getConnection({ user, serverName: 'srv' });
      mcpSettings = broken;
      const request = { method: 'tools/call', params: { name: 'get', arguments: {} } };
      const calls = [
        () => call('get'),
        () => client.callTool({ name: 'get' }),
        () => connection.client.request(request),
      ];
      for (const made of calls) {
        await expect(made()).rejects.toMatchObject({
          code: 'MCP_HOST_ERROR',
          message: expect.stringContaining(why),
          cause: expect.objectContaining({ message: expect.stringContaining(why) }),
        });
      }
      await expect(connection.client.listTools()).rejects.toMatchObject({ code: 'MCP_HOST_ERROR' });
      expect(called()).toEqual([]);
      expect(audit.map(({ toolName, outcome }) => [toolName, outcome])).toEqual(
        calls.map(() => ['get', 'MCP_HOST_ERROR']),
      );
      expect(runtime.stats().toolCalls).toMatchObject({ srv: { MCP_HOST_ERROR: calls.length } });
    }
  });

  test('a runtime is not made with wrong ones', () => {
    const made = (services) => () => addon.createMCPRuntime(createHost({ services }).services);
    expect(made({ mcpSettings: { limits: { perUser: '60/min' } } })).toThrow(
      expect.objectContaining({
        code: 'MCP_INVALID_CONFIG',
        message: expect.stringMatching(/^`mcpSettings\.limits\.perUser` must be .*60\/m/),
      }),
    );
    expect(made({ mcpSettings: 'off' })).toThrow(/host\.mcpSettings must be an object or a function/);
    expect(() => addon.createMCPRuntime({ config: { mcpServers: {} }, mcpSettings: {} })).toThrow(
      /host\.mcpSettings and host\.config exclude each other/,
    );
    const config = { mcpServers: {}, mcpSettings: { tools: { deny: 'x' } } };
    expect(() => addon.createMCPRuntime({ config })).toThrow(/config: `mcpSettings\.tools\.deny` must be a list/);
  });

  test('LibreChat takes a file with rules', () => {
    const rules = { ...DENY, pinTools: 'block', limits: { perUser: '60/m' }, maxResultBytes: 2048, overflow: 'cut' };
    const config = { mcpServers: { srv: { type: 'sse', url: 'https://a.example', ...rules } }, mcpSettings: rules };
    expect(configSchema.strict().safeParse({ version: '1.2.8', ...config }).success).toBe(true);
  });

  test('those of a YAML hold for its servers', async () => {
    const server = await fixtures.server({ tools: TOOLS });
    const config = (own) => ({
      mcpServers: { srv: { ...server.config(), ...own } },
      mcpSettings: { allowedAddresses: [server.address], ...DENY },
    });
    const listed = async (own) => {
      const runtime = fixtures.keep(addon.createMCPRuntime({ config: config(own) }));
      return names((await runtime.reinitMCPServer({ user, serverName: 'srv' })).tools);
    };
    expect(await listed({})).toEqual(SHOWN);
    expect(await listed(allow('delete_one'))).toEqual(['delete_one']);
  });
});
