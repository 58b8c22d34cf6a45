/** Tool calls that servers answer with tasks, of 2026-07-28 (SEP-2663) and of 2025-11-25. */

const { InMemoryTaskMessageQueue } = require('@modelcontextprotocol/sdk/experimental/tasks');
const { ElicitResultSchema } = require('@modelcontextprotocol/sdk/types.js');
const { everythingOverStdio } = require('./support/everything');
const { useFixtures } = require('./support/fixtures');
const { createUser, openIdUser } = require('./support/host');
const { startIdentityProvider } = require('./support/identity-provider');
const { BASE } = require('./support/scripted-modern-server');
const { startTaskServer } = require('./support/task-server');
const { TaskStore } = require('./support/task-store');
const { until } = require('./support/wait');

const fixtures = useFixtures();
const requestedSchema = { type: 'object', properties: { depth: { type: 'integer' } } };
const question = { message: 'How deep?', requestedSchema };
const textOf = (text) => ({ content: [{ type: 'text', text }] });
/** A server that a user has for themselves. */
const OWN = { customUserVars: { KEY: { title: 'Key', description: '' } } };
const callOf = (user, more) => ({ serverName: 'srv', toolName: 'dig', provider: 'openai', user, ...more });

function runtimeOf(server, config, services) {
  const servers = { srv: { ...server.config, ...config } };
  return fixtures.runtime({ servers, allow: [server], services }).runtime;
}

/** A handle as another process gets it. */
const sent = (handle) => JSON.parse(JSON.stringify(handle));

describe('a server of 2026-07-28', () => {
  const start = async (state) => fixtures.keep(await startTaskServer(state));

  test('the result of the task is the result of the call', async () => {
    let asked = 0;
    const server = await start(() =>
      ++asked < 3
        ? { status: 'working', statusMessage: `step ${asked}` }
        : { status: 'completed', result: { ...BASE, ...textOf('gold') } },
    );
    const { manager } = runtimeOf(server);
    const onprogress = jest.fn();
    const answer = await manager.callTool(callOf(createUser(), { options: { onprogress } }));
    expect(answer).toEqual(['gold', undefined]);
    expect(onprogress).toHaveBeenLastCalledWith({ progress: 2, message: 'step 2' });
    expect(server.received('tools/call')).toHaveLength(1);
    const [{ headers, params }] = server.received('tasks/get');
    expect(headers).toMatchObject({ 'mcp-method': 'tasks/get', 'mcp-name': params.taskId });
  });

  test('requests of a connection object become tasks, too', async () => {
    const server = await start(() => ({ status: 'completed', result: { ...BASE, ...textOf('gold') } }));
    const { manager } = runtimeOf(server);
    const connection = await manager.getConnection({ serverName: 'srv', user: createUser() });
    const result = await connection.client.request({ method: 'tools/call', params: { name: 'dig' } });
    expect(result).toEqual({ ...BASE, ...textOf('gold') });
  });

  test('what it wants to know is asked in the call, and the task gets the answer', async () => {
    let server;
    const isAnswered = () => server.received('tasks/update').length > 0;
    const inputRequests = { depth: { method: 'elicitation/create', params: question } };
    server = await start(() =>
      isAnswered()
        ? { status: 'completed', result: { ...BASE, ...textOf('gold') } }
        : { status: 'input_required', inputRequests },
    );
    const elicitation = jest.fn(() => ({ action: 'accept', content: { depth: 3 } }));
    const { manager } = runtimeOf(server, {}, { elicitation });
    const user = createUser();
    expect(await manager.callTool(callOf(user))).toEqual(['gold', undefined]);
    expect(elicitation).toHaveBeenCalledTimes(1);
    const [[params, peer]] = elicitation.mock.calls;
    expect(params).toEqual(question);
    expect(peer).toMatchObject({ serverName: 'srv', userId: user.id, toolName: 'dig' });
    expect(server.received('tasks/update')[0].params).toMatchObject({
      taskId: 't1',
      inputResponses: { depth: { action: 'accept', content: { depth: 3 } } },
    });
  });

  test('input that nobody here can give ends the call and the task', async () => {
    const inputRequests = { depth: { method: 'elicitation/create', params: question } };
    const server = await start(() => ({ status: 'input_required', inputRequests }));
    const { manager } = runtimeOf(server);
    await expect(manager.callTool(callOf(createUser()))).rejects.toMatchObject({ name: 'McpError', code: -32601 });
    expect(server.received('tasks/cancel')).toHaveLength(1);
  });

  test('a task that has failed fails the call as the tool would have', async () => {
    const error = { code: -32050, message: 'cave-in' };
    const server = await start(() => ({ status: 'failed', error }));
    const { manager } = runtimeOf(server);
    const failure = { name: 'McpError', code: -32050, message: 'MCP error -32050: cave-in' };
    await expect(manager.callTool(callOf(createUser()))).rejects.toMatchObject(failure);
  });

  test('a task is asked after again where that has failed', async () => {
    let asked = 0;
    const server = await start(() => {
      asked += 1;
      return asked > 3 && { status: 'completed', result: { ...BASE, ...textOf('gold') } };
    });
    const { manager } = runtimeOf(server);
    expect(await manager.callTool(callOf(createUser()))).toEqual(['gold', undefined]);
    expect(server.received('tools/call')).toHaveLength(1);
  });

  test('an abort cancels the task', async () => {
    const server = await start(() => ({ status: 'working' }));
    const { manager } = runtimeOf(server);
    const controller = new AbortController();
    const ontask = jest.fn(() => controller.abort(new Error('enough')));
    const calling = manager.callTool(callOf(createUser(), { options: { signal: controller.signal, ontask } }));
    await expect(calling).rejects.toMatchObject({ name: 'AbortError', cause: { message: 'enough' } });
    expect(server.received('tasks/cancel')[0].params).toMatchObject({ taskId: 't1' });
  });

  test('another process goes on with a task when a runtime closes', async () => {
    let isDone = false;
    const server = await start(() =>
      isDone ? { status: 'completed', result: { ...BASE, ...textOf('gold') } } : { status: 'working' },
    );
    const first = runtimeOf(server);
    const handles = [];
    const user = createUser();
    const ontask = (handle) => handles.push(handle);
    const calling = first.manager.callTool(callOf(user, { options: { ontask } }));
    const closed = expect(calling).rejects.toMatchObject({ code: 'MCP_CLOSED' });
    await until('a handle', () => handles.length > 0);
    await first.close();
    await closed;
    expect(server.received('tasks/cancel')).toHaveLength(0);
    const [task] = sent(handles);
    expect(task).toEqual({
      serverName: 'srv',
      toolName: 'dig',
      taskId: 't1',
      protocolVersion: '2026-07-28',
      createdAt: expect.any(Number),
    });
    isDone = true;
    const second = runtimeOf(server);
    expect(await second.manager.resumeTask({ task, user, provider: 'openai' })).toEqual(['gold', undefined]);
    expect(server.received('tools/call')).toHaveLength(1);
  });

  test('a client gives the result as the server wrote it, and closes without ending the task', async () => {
    let isDone = false;
    const result = { ...BASE, ...textOf('gold'), structuredContent: { depth: 3 } };
    const server = await start(() => (isDone ? { status: 'completed', result } : { status: 'working' }));
    const runtime = runtimeOf(server);
    const params = { user: createUser() };
    const handles = [];
    const first = runtime.client('srv', params);
    const calling = first.callTool({ name: 'dig' }, { ontask: (handle) => handles.push(handle) });
    const closed = expect(calling).rejects.toMatchObject({ code: 'MCP_CLOSED' });
    await until('a handle', () => handles.length > 0);
    await first.close();
    await closed;
    expect(server.received('tasks/cancel')).toHaveLength(0);
    isDone = true;
    const second = runtime.client('srv', params);
    const [task] = sent(handles);
    expect(await second.resumeTask(task)).toEqual(result);
    const elsewhere = second.resumeTask({ ...task, serverName: 'other' });
    await expect(elsewhere).rejects.toMatchObject({
      name: 'TypeError',
      message: expect.stringContaining('serverName'),
    });
    await expect(second.resumeTask()).rejects.toMatchObject({ name: 'TypeError' });
    expect(server.received('tools/call')).toHaveLength(1);
  });

  test('a handle goes over the connection of who resumes it, and nobody else', async () => {
    const server = await start((_, { authorization }) =>
      authorization === 'Bearer of-ada'
        ? { status: 'completed', result: { ...BASE, ...textOf('gold') } }
        : { error: { code: -32602, message: 'No such task' } },
    );
    const { manager } = runtimeOf(server, { ...OWN, headers: { Authorization: 'Bearer {{KEY}}' } });
    const task = {
      serverName: 'srv',
      toolName: 'dig',
      taskId: 't1',
      protocolVersion: '2026-07-28',
      createdAt: Date.now(),
    };
    const resume = (name) => manager.resumeTask({ task, user: createUser(), customUserVars: { KEY: `of-${name}` } });
    await expect(resume('eve')).rejects.toMatchObject({ status: 400 });
    expect((await resume('ada'))[0]).toContain('gold');
  });

  test('a task outlives more than one token', async () => {
    const idp = fixtures.keep(await startIdentityProvider());
    const asked = [];
    const server = await start((_, { authorization }) => {
      if (authorization === 'Bearer for-one-3') return { status: 'completed', result: { ...BASE, ...textOf('gold') } };
      const isOver = asked.includes(authorization);
      asked.push(authorization);
      return isOver ? { error: { code: -32000, message: 'expired' }, httpStatus: 401 } : { status: 'working' };
    });
    const config = { obo: { scopes: 'api://server/.default' } };
    const { manager } = runtimeOf(server, config, { openIdConfig: () => idp.config });
    expect((await manager.callTool(callOf(openIdUser('one'))))[0]).toBe('gold');
    expect(new Set(asked)).toEqual(new Set(['Bearer for-one-1', 'Bearer for-one-2']));
  });

  test('what is no handle is a TypeError', async () => {
    const server = await start(() => ({ status: 'working' }));
    const { manager } = runtimeOf(server);
    const user = createUser();
    const whole = { serverName: 'srv', toolName: 'dig', taskId: 't', protocolVersion: '2026-07-28', createdAt: 1 };
    for (const [task, member] of [
      [undefined, 'task'],
      ['t', 'task'],
      [{}, 'task.taskId'],
      [{ ...whole, serverName: 7 }, 'task.serverName'],
      [{ ...whole, toolName: '' }, 'task.toolName'],
      [{ ...whole, taskId: 'x'.repeat(5000) }, 'task.taskId'],
      [{ ...whole, protocolVersion: '1999-01-01' }, 'task.protocolVersion'],
      [{ ...whole, createdAt: 'now' }, 'task.createdAt'],
    ]) {
      const message = expect.stringContaining(`params.${member} must`);
      await expect(manager.resumeTask({ task, user })).rejects.toMatchObject({ name: 'TypeError', message });
    }
    expect(server.received('tasks/get')).toHaveLength(0);
  });

  test('many tasks are waited for at once', async () => {
    let isDone = false;
    const server = await start(({ taskId }) =>
      isDone ? { status: 'completed', result: { ...BASE, ...textOf(taskId) } } : { status: 'working' },
    );
    const { manager } = runtimeOf(server);
    const calls = Array.from({ length: 200 }, () => manager.callTool(callOf(createUser())));
    await until('200 tasks', () => server.received('tools/call').length === 200, 60_000);
    isDone = true;
    const texts = (await Promise.all(calls)).map(([text]) => text);
    expect(new Set(texts).size).toBe(200);
  });
});

describe('a server of 2025-11-25', () => {
  const tool = (taskSupport) => ({ name: 'dig', inputSchema: { type: 'object' }, execution: { taskSupport } });
  const capabilities = { tools: {}, tasks: { cancel: {}, requests: { tools: { call: {} } } } };

  /** `dig(taskId, extra)` works on a task after it was created, where there is one. */
  async function start(dig, taskSupport = 'required') {
    const tasks = { taskStore: new TaskStore(), taskMessageQueue: new InMemoryTaskMessageQueue() };
    const callTool = async (params, extra) => {
      if (!params.task) return textOf('at once');
      const { ttl } = params.task;
      const task = await extra.taskStore.createTask({ ttl, pollInterval: 100 });
      void dig(task.taskId, extra);
      return { task };
    };
    const options = { tools: [tool(taskSupport)], capabilities, callTool, tasks };
    const server = await fixtures.server(options);
    const store = tasks.taskStore;
    fixtures.keep({ close: () => store.cleanup() });
    /** Another process of it, so to speak, in the place of the first. */
    const restart = async () => {
      await server.close();
      return fixtures.server({ ...options, port: Number(server.address.split(':')[1]) });
    };
    return { address: server.address, config: server.config(), server, store, restart };
  }

  const finishing = (result) => (taskId, extra) => extra.taskStore.storeTaskResult(taskId, 'completed', result);

  test('a tool that must run as a task does', async () => {
    const started = await start(finishing(textOf('gold')));
    const { manager } = runtimeOf(started);
    expect(await manager.callTool(callOf(createUser()))).toEqual(['gold', undefined]);
    const [{ message }] = started.server.received('tools/call');
    expect(message.params.task).toEqual({ ttl: expect.any(Number) });
  });

  test('a tool that may run as a task does for who wants the handle', async () => {
    const { manager } = runtimeOf(await start(finishing(textOf('as a task')), 'optional'));
    const user = createUser();
    expect(await manager.callTool(callOf(user))).toEqual(['at once', undefined]);
    const ontask = jest.fn();
    expect(await manager.callTool(callOf(user, { options: { ontask } }))).toEqual(['as a task', undefined]);
    expect(ontask).toHaveBeenCalledTimes(1);
    const task = sent(ontask.mock.calls[0][0]);
    expect(await manager.resumeTask({ task, user, provider: 'openai' })).toEqual(['as a task', undefined]);
  });

  test('what it wants to know comes with the result, and is asked in the call', async () => {
    const started = await start(async (taskId, extra) => {
      const relatedTask = { taskId };
      const asked = { method: 'elicitation/create', params: question };
      const { content } = await extra.sendRequest(asked, ElicitResultSchema, { relatedTask });
      await extra.taskStore.storeTaskResult(taskId, 'completed', textOf(`gold at ${content.depth}`));
    });
    const elicitation = jest.fn(() => ({ action: 'accept', content: { depth: 3 } }));
    const { manager } = runtimeOf(started, {}, { elicitation });
    const user = createUser();
    expect(await manager.callTool(callOf(user))).toEqual(['gold at 3', undefined]);
    expect(elicitation.mock.calls[0][1]).toMatchObject({ userId: user.id, toolName: 'dig' });
  });

  test('a task that has failed says why', async () => {
    const failing = (taskId, extra) => extra.taskStore.updateTaskStatus(taskId, 'failed', 'cave-in');
    const { manager } = runtimeOf(await start(failing));
    const message = expect.stringContaining('(cave-in)');
    await expect(manager.callTool(callOf(createUser()))).rejects.toMatchObject({ name: 'McpError', message });
  });

  test('an abort cancels the task', async () => {
    const { store, ...started } = await start(() => {});
    const { manager } = runtimeOf(started);
    const controller = new AbortController();
    const ontask = () => controller.abort();
    const calling = manager.callTool(callOf(createUser(), { options: { signal: controller.signal, ontask } }));
    await expect(calling).rejects.toMatchObject({ name: 'AbortError' });
    expect(await store.getTask(store.ids[0])).toMatchObject({ status: 'cancelled' });
  });

  test('a task outlives its session', async () => {
    const { store, server, ...started } = await start(() => {});
    const { manager } = runtimeOf(started);
    const calling = manager.callTool(callOf(createUser()));
    await server.arrival('tasks/get');
    const [...before] = server.sessions.keys();
    server.sessions.clear();
    await until('another session', () => server.sessions.size > 0);
    await store.storeTaskResult(store.ids[0], 'completed', textOf('gold'));
    expect(await calling).toEqual(['gold', undefined]);
    expect(before).not.toContain([...server.sessions.keys()][0]);
    expect(server.received('tools/call')).toHaveLength(1);
  });

  test.each(['streamable-http', 'sse'])('a task outlives its connection over %s', async (type) => {
    const { store, server, restart, ...started } = await start(() => {});
    const { manager } = runtimeOf(started, { type, url: type === 'sse' ? server.sseUrl : server.url });
    const calling = manager.callTool(callOf(createUser()));
    await server.arrival('tasks/get');
    const next = await restart();
    await next.arrival('tasks/get');
    await store.storeTaskResult(store.ids[0], 'completed', textOf('gold'));
    expect(await calling).toEqual(['gold', undefined]);
    expect(next.received('tools/call')).toHaveLength(0);
  });
});

describe('the public server', () => {
  const research = (more) => ({ ...callOf(createUser(), more), toolName: 'simulate-research-query' });

  test('over stdio: works on a task, asks meanwhile, and tells how far it is', async () => {
    const elicitation = jest.fn(() => ({ action: 'accept', content: { interpretation: 'snake' } }));
    const { runtime } = fixtures.runtime({ servers: { srv: everythingOverStdio(OWN) }, services: { elicitation } });
    const onprogress = jest.fn();
    const toolArguments = { topic: 'python', ambiguous: true };
    const customUserVars = { KEY: 'k' };
    const [text] = await runtime.manager.callTool(research({ toolArguments, customUserVars, options: { onprogress } }));
    expect(text).toContain('python (snake)');
    expect(elicitation).toHaveBeenCalledTimes(1);
    const messages = onprogress.mock.calls.map(([{ message }]) => message);
    expect(messages).toContain('Generating report...');
  });

  test('over Streamable HTTP', async () => {
    const server = await fixtures.everything('streamableHttp');
    const { runtime } = fixtures.runtime({ servers: { srv: server.config() }, allow: [server] });
    const [text] = await runtime.manager.callTool(research({ toolArguments: { topic: 'gold' } }));
    expect(text).toContain('Research Report: gold');
  });
});
