/** MCP Apps: which tools models hear of, and which they may call. */

const { startAppsServer } = require('./support/apps-server');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { until } = require('./support/wait');

/** Of the server's, without `move` (for apps) and `nobody`. */
const SHOWN = ['show', 'explain', 'outside', 'large', 'flat', 'plain'];
const ALL = ['show', 'move', 'explain', 'nobody', 'outside', 'large', 'flat', 'plain'];
const SHOWN_KEYS = SHOWN.map((name) => `${name}_mcp_board`);

const fixtures = useFixtures();
const user = createUser();
const names = (tools) => tools.map((tool) => tool.name);

/** A server with an app, and a host whose `updateMCPServerTools` knows nothing of visibility. */
async function board({ services, startup = false, config } = {}) {
  const server = fixtures.keep(await startAppsServer());
  const host = fixtures.runtime({
    servers: { board: server.config({ startup, ...config }) },
    allow: [server],
    services,
  });
  const { runtime } = host;
  const params = { user, serverName: 'board' };
  const call = (toolName, extra) =>
    runtime.manager.callTool({ ...params, toolName, toolArguments: {}, provider: 'openai', ...extra });
  return { ...host, server, params, call, manager: runtime.manager };
}

describe('lists that are made for models', () => {
  test('reinitMCPServer: what the host formats, and what it gets', async () => {
    const { runtime, params, updates } = await board();
    const result = await runtime.reinitMCPServer(params);
    expect(names(result.tools)).toEqual(SHOWN);
    expect(Object.keys(result.availableTools)).toEqual(SHOWN_KEYS);
    expect(updates.map(({ tools }) => names(tools))).toEqual([SHOWN]);
  });

  test('reinitMCPServer without updateMCPServerTools', async () => {
    const { runtime, params } = await board({ services: { updateMCPServerTools: undefined } });
    const result = await runtime.reinitMCPServer(params);
    expect(names(result.tools)).toEqual(SHOWN);
    expect(Object.keys(result.availableTools)).toEqual(SHOWN_KEYS);
  });

  test('discoverServerTools, getServerToolFunctions, inspectServer', async () => {
    const { server, runtime, manager, params } = await board();
    expect(names((await manager.discoverServerTools(params)).tools)).toEqual(SHOWN);
    await manager.getConnection(params);
    expect(Object.keys(await manager.getServerToolFunctions(user.id, 'board'))).toEqual(SHOWN_KEYS);
    const inspected = await runtime.inspectServer('board', server.config());
    expect(inspected.tools).toBe(SHOWN.join(', '));
    expect(Object.keys(inspected.toolFunctions)).toEqual(SHOWN_KEYS);
  });

  test('a connection lists what the server wrote', async () => {
    const { manager, params } = await board();
    const connection = await manager.getConnection(params);
    const tools = await connection.fetchTools();
    expect(names(tools)).toEqual(ALL);
    expect(tools[1]._meta.ui).toEqual({ resourceUri: 'ui://board/view', visibility: ['app'] });
    expect((await connection.client.listTools()).tools).toEqual(tools);
  });

  test('lists after a change are published without what is hidden now', async () => {
    const { server, runtime, params, updates } = await board();
    await runtime.reinitMCPServer(params);
    await server.setVisibility('explain', ['app']);
    await until('the new list', () => updates.length > 1);
    expect(names(updates.at(-1).tools)).toEqual(SHOWN.filter((name) => name !== 'explain'));
  });
});

describe('callTool', () => {
  const hidden = expect.objectContaining({ code: 'MCP_TOOL_HIDDEN', retryable: false });

  test('refuses what is hidden from models, and sends nothing', async () => {
    const { server, runtime, params, call } = await board();
    await runtime.reinitMCPServer(params);
    await expect(call('move')).rejects.toEqual(hidden);
    await expect(call('nobody')).rejects.toEqual(hidden);
    expect(await call('explain')).toEqual([expect.stringContaining('explain'), undefined]);
    expect(await server.called()).toEqual(['explain']);
  });

  test('goes by the last list', async () => {
    const { server, runtime, params, call } = await board();
    await runtime.reinitMCPServer(params);
    await server.setVisibility('move', ['model', 'app']);
    await server.setVisibility('nobody', ['model']);
    await server.setVisibility('explain', []);
    await runtime.reinitMCPServer(params);
    await expect(call('explain')).rejects.toEqual(hidden);
    await call('move');
    await call('nobody');
    expect(await server.called()).toEqual(['move', 'nobody']);
  });

  test('refuses it to all who share the connection', async () => {
    const { server, runtime, params, call } = await board({ startup: true });
    await runtime.reinitMCPServer(params);
    await expect(call('move', { user: createUser() })).rejects.toEqual(hidden);
    expect(await server.called()).toEqual([]);
  });

  describe('of what this process has not listed', () => {
    const APPS = { 'io.modelcontextprotocol/ui': { mimeTypes: ['text/html;profile=mcp-app'] } };

    test.each([
      ['the host', { services: { extensions: APPS } }],
      ['the server’s config', { config: { extensions: APPS } }],
    ])('lists first, once, where %s declares apps', async (_, options) => {
      const { server, call } = await board(options);
      await expect(call('move')).rejects.toEqual(hidden);
      await call('explain');
      await expect(call('nobody')).rejects.toEqual(hidden);
      expect(await server.called()).toEqual(['explain']);
      expect(await server.lists()).toBe(1);
    });

    test('lists for each user', async () => {
      const { server, call } = await board({ services: { extensions: APPS } });
      await Promise.all([call('explain'), expect(call('move', { user: createUser() })).rejects.toEqual(hidden)]);
      expect(await server.called()).toEqual(['explain']);
      expect(await server.lists()).toBe(2);
    });

    test('goes on without a list where nobody declares apps', async () => {
      const { server, call } = await board({ config: { extensions: { 'io.modelcontextprotocol/ui': null } } });
      await call('explain');
      expect(await server.lists()).toBe(0);
    });
  });
});
