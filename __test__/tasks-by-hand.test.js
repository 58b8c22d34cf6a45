/** Tasks that callers ask for, and about, with requests of their own: their results stand under the rules of their tools. */

const { InMemoryTaskMessageQueue } = require('@modelcontextprotocol/sdk/experimental/tasks');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { BASE } = require('./support/scripted-modern-server');
const { startTaskServer } = require('./support/task-server');
const { TaskStore } = require('./support/task-store');

const fixtures = useFixtures();
const user = createUser();
const textOf = (text) => ({ content: [{ type: 'text', text }] });
const LARGE = textOf('gold '.repeat(1000));

/** The surfaces on which requests are made. */
const SURFACES = {
  'runtime.client': (runtime) => runtime.client('srv', { user }),
  'MCPConnection.client': async ({ manager }) => (await manager.getConnection({ serverName: 'srv', user })).client,
};

describe.each(Object.entries(SURFACES))('%s, a server of 2025-11-25', (_, surface) => {
  /** A server whose tools become tasks that have ended at once, and whoever calls them. */
  async function start({ config, services, other = services }) {
    const tasks = { taskStore: new TaskStore(), taskMessageQueue: new InMemoryTaskMessageQueue() };
    fixtures.keep({ close: () => tasks.taskStore.cleanup() });
    const callTool = async ({ task: { ttl } }, { taskStore }) => {
      const task = await taskStore.createTask({ ttl });
      await taskStore.storeTaskResult(task.taskId, 'completed', LARGE);
      return { task };
    };
    const capabilities = { tools: {}, tasks: { requests: { tools: { call: {} } } } };
    const tools = [{ name: 'dig', inputSchema: { type: 'object' } }];
    const server = await fixtures.server({ tools, capabilities, callTool, tasks });
    const servers = { srv: server.config({ startup: false, ...config }) };
    const records = [];
    const onAudit = (record) => void records.push(record);
    const clientOf = async (more) => {
      const allServices = { onAudit, ...more };
      return surface(fixtures.runtime({ servers, allow: [server], services: allServices }).runtime);
    };
    const [client, elsewhere] = [await clientOf(services), await clientOf(other)];
    const begin = async () => {
      const params = { name: 'dig', arguments: { deep: 1 }, task: { ttl: 60_000 } };
      return (await client.request({ method: 'tools/call', params })).task.taskId;
    };
    /** A caller may say what it wants about the tool. */
    const fetch = (taskId, by = client) => by.request({ method: 'tasks/result', params: { taskId, name: 'harmless' } });
    return { begin, fetch, elsewhere, client, records, server };
  }

  test('the host is asked about the result, and not about the handle', async () => {
    const onToolCall = jest.fn();
    const onToolResult = jest.fn(() => ({ result: textOf('seen') }));
    const { begin, fetch, client, records } = await start({ services: { onToolCall, onToolResult } });
    const taskId = await begin();
    await client.request({ method: 'tasks/get', params: { taskId } });
    expect(onToolResult).not.toHaveBeenCalled();
    expect(await fetch(taskId)).toEqual(textOf('seen'));
    const about = { serverName: 'srv', toolName: 'dig', userId: user.id };
    expect(onToolCall.mock.calls).toEqual([
      [expect.objectContaining({ ...about, arguments: { deep: 1 } })],
      [expect.objectContaining({ ...about, resumed: true })],
    ]);
    expect(onToolResult.mock.calls).toEqual([[expect.objectContaining(about)]]);
    expect(records).toMatchObject([
      { toolName: 'dig', decision: 'allowed', outcome: 'ok' },
      { toolName: 'dig', decision: 'rewritten', rule: 'onToolResult', outcome: 'ok', argumentsDigest: null },
    ]);
  });

  test('a `task` that is none is not sent', async () => {
    const { client, server } = await start({});
    for (const task of [null, true, 'dig', []]) {
      const asked = client.request({ method: 'tools/call', params: { name: 'dig', task } });
      await expect(asked).rejects.toMatchObject({ code: 'MCP_INVALID_ARGUMENT' });
    }
    expect(server.received('tools/call')).toEqual([]);
  });

  test('a refusal holds', async () => {
    const services = { onToolResult: () => ({ refuse: 'no' }) };
    const { begin, fetch, records } = await start({ services });
    await expect(fetch(await begin())).rejects.toMatchObject({ code: 'MCP_CALL_REFUSED' });
    expect(records.at(-1)).toMatchObject({ toolName: 'dig', decision: 'refused', rule: 'onToolResult' });
  });

  test('the result of a task whose tool is not known is not given where hooks or `tools` decide', async () => {
    for (const more of [{ services: { onToolResult: () => true } }, { config: { tools: { allow: ['dig'] } } }]) {
      const { begin, fetch, elsewhere, records } = await start(more);
      const taskId = await begin();
      await expect(fetch(taskId, elsewhere)).rejects.toMatchObject({ code: 'MCP_TOOL_DENIED' });
      expect(records.at(-1)).toMatchObject({ toolName: '', decision: 'refused', rule: 'tools' });
      expect((await fetch(taskId)).content).toEqual(LARGE.content);
    }
  });

  test('it is bounded, whoever fetches it', async () => {
    const { begin, fetch, elsewhere, records } = await start({ config: { maxResultBytes: 1024, overflow: 'cut' } });
    const taskId = await begin();
    for (const by of [undefined, elsewhere]) {
      const { content } = await fetch(taskId, by);
      expect(content[0].text).toMatch(/^gold .*\n\[… cut: /);
      expect(records.at(-1)).toMatchObject({ decision: 'rewritten', rule: 'maxResultBytes', outcome: 'ok' });
    }
  });
});

describe.each(Object.entries(SURFACES))('%s, a server of 2026-07-28', (_, surface) => {
  const completed = { status: 'completed', result: { ...BASE, ...LARGE } };
  const get = (client) => client.request({ method: 'tasks/get', params: { taskId: 't1' } });

  async function start(state, config, services) {
    const server = fixtures.keep(await startTaskServer(() => state));
    const servers = { srv: { ...server.config, ...config } };
    return surface(fixtures.runtime({ servers, allow: [server], services }).runtime);
  }

  test('a status with a result is bounded, and else stays as it is', async () => {
    const bound = { maxResultBytes: 1024, overflow: 'cut' };
    const status = await get(await start(completed, bound));
    expect(status).toMatchObject({ taskId: 't1', status: 'completed', pollIntervalMs: 100 });
    expect(status.result.content[0].text).toMatch(/^gold .*\n\[… cut: /);
    expect((await get(await start(completed))).result.content).toEqual(LARGE.content);
  });

  test('where hooks decide it is not given, and a status without one is', async () => {
    const records = [];
    const services = { onToolResult: jest.fn(), onAudit: (record) => void records.push(record) };
    expect(await get(await start({ status: 'working' }, {}, services))).toMatchObject({ status: 'working' });
    expect(records).toEqual([]);
    const denied = get(await start(completed, {}, services));
    await expect(denied).rejects.toMatchObject({ code: 'MCP_TOOL_DENIED' });
    expect(services.onToolResult).not.toHaveBeenCalled();
    expect(records).toMatchObject([{ decision: 'refused', rule: 'tools', outcome: 'MCP_TOOL_DENIED' }]);
  });
});
