/** `runtime.client`: one user's client of one server, over real servers of both generations of the protocol. */

const { AsyncLocalStorage } = require('node:async_hooks');
const { outcome, text, tool, useClients } = require('./support/client');
const { everythingOverStdio } = require('./support/everything');
const { createUser } = require('./support/host');
const { scripted } = require('./support/faults');
const { delay, never, until } = require('./support/wait');

const { connect, fixtures } = useClients();

describe.each(['stdio', 'streamableHttp'])('server-everything over %s', (transport) => {
  async function everything(services) {
    if (transport === 'stdio') return fixtures.runtime({ servers: { srv: everythingOverStdio() }, services });
    const server = await fixtures.everything(transport);
    return fixtures.runtime({ servers: { srv: server.config() }, allow: [server], services });
  }

  test('all that a client can ask', async () => {
    const { runtime } = await everything();
    const client = runtime.client('srv');
    expect([client.serverInfo, client.protocolVersion, client.capabilities, client.instructions]).toEqual(
      Array(4).fill(undefined),
    );

    const { tools, nextCursor } = await client.listTools();
    expect(nextCursor).toBeUndefined();
    expect(tools.map(({ name }) => name)).toContain('echo');
    expect(client.serverInfo).toMatchObject({ name: 'mcp-servers/everything' });
    expect(client.protocolVersion).toBe('2025-11-25');
    expect(client.capabilities).toMatchObject({ tools: { listChanged: true }, resources: { subscribe: true } });
    expect(client.instructions).toContain('Everything');

    expect(await client.callTool({ name: 'echo', arguments: { message: 'hi' } })).toEqual(text('Echo: hi'));
    const { resources } = await client.listResources();
    const { contents } = await client.readResource({ uri: resources[0].uri });
    expect(contents[0]).toMatchObject({ uri: resources[0].uri, text: expect.any(String) });
    const { resourceTemplates } = await client.listResourceTemplates();
    expect(resourceTemplates[0].uriTemplate).toContain('{');
    const { prompts } = await client.listPrompts();
    expect(prompts.map(({ name }) => name)).toContain('args-prompt');
    const { messages } = await client.getPrompt({ name: 'args-prompt', arguments: { city: 'Bern' } });
    expect(messages[0].content.text).toContain('Bern');
    const completed = await client.complete({
      ref: { type: 'ref/prompt', name: 'completable-prompt' },
      argument: { name: 'department', value: 'E' },
    });
    expect(completed.completion.values).toEqual(['Engineering']);
    expect(await client.ping()).toEqual({});
    expect(await outcome(client.readResource({ uri: 'nobody://knows' }))).toMatchObject({
      name: 'McpError',
      code: -32602,
      mcpCode: 'MCP_SERVER_ERROR',
    });
  });

  test('progress', async () => {
    const { runtime } = await everything();
    const heard = [];
    await runtime
      .client('srv')
      .callTool(
        { name: 'trigger-long-running-operation', arguments: { duration: 0.1, steps: 3 } },
        { onprogress: (progress) => heard.push(progress) },
      );
    // The last one may come after the result.
    await until('all progress', () => heard.length === 3);
    expect(heard.map(({ progress, total }) => [progress, total])).toEqual([
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
  });
});

describe('results', () => {
  test('come as the server wrote them, and parameters arrive as they were given', async () => {
    const result = {
      content: [{ type: 'text', text: 'x', annotations: { audience: ['user'] }, _meta: { a: 1 } }],
      structuredContent: { large: 12345678901234567000, nested: { list: [1, null] } },
      isError: true,
      _meta: { 'example.org/trace': 't' },
      unknown: 'member',
    };
    const { client, server } = await connect({ server: { callTool: () => result } });
    const params = { name: 'echo', arguments: { text: 'hi', n: 0.1 }, _meta: { 'example.org/mine': [1] } };
    expect(await client.callTool(params)).toEqual(result);
    const [{ message }] = server.received('tools/call');
    expect(message.params).toEqual({ ...params, _meta: { ...params._meta, progressToken: expect.any(Number) } });
  });

  test('what the tuple of `manager.callTool` leaves out is beside it, unseen', async () => {
    const beside = { isError: true, structuredContent: { a: [1] }, _meta: { b: 2 } };
    const { runtime } = await connect({
      server: { callTool: (params) => ({ ...text('x'), ...(params.arguments.all && beside) }) },
    });
    const call = (all) =>
      runtime.manager.callTool({ serverName: 'srv', toolName: 'echo', toolArguments: { all }, provider: 'openai' });
    const tuple = await call(true);
    expect(tuple).toEqual(['x', undefined]);
    expect(JSON.stringify(tuple)).toBe('["x",null]');
    expect(tuple.raw).toEqual(beside);
    expect('raw' in (await call(false))).toBe(false);
  });
});

test('an error has the data of the server’s, unless that is too much or has a secret in it', async () => {
  const datas = [{ why: [1, null] }, 'x'.repeat(65 * 1024), { header: 'a-secret-of-the-header' }, undefined];
  const fault = scripted({ 'tools/call': () => ({ error: { code: -32050, message: 'no', data: datas.shift() } }) });
  const headers = { Authorization: 'Bearer a-secret-of-the-header' };
  const { client } = await connect({ server: { fault }, config: { headers } });
  const failure = () => client.callTool({ name: 'echo' }).catch((error) => error);
  const error = await failure();
  expect(error).toMatchObject({ name: 'McpError', code: -32050, data: { why: [1, null] } });
  for (const left of [3, 2, 1]) {
    expect(datas).toHaveLength(left);
    const refused = await failure();
    expect([refused.code, 'data' in refused]).toEqual([-32050, false]);
  }
});

describe('the end of requests', () => {
  test('an abort', async () => {
    const { client, server } = await connect({ server: { callTool: never } });
    const controller = new AbortController();
    const call = client.callTool({ name: 'echo' }, { signal: controller.signal });
    await server.arrival('tools/call');
    const reason = new Error('enough');
    controller.abort(reason);
    const error = await call.catch((thrown) => thrown);
    expect(error).toMatchObject({ name: 'AbortError', code: 'MCP_ABORTED' });
    expect(error.cause).toBe(reason);
    await server.arrival('notifications/cancelled');
  });

  test('a time-out, which progress puts off', async () => {
    const callTool = async ({ _meta }, { sendNotification }) => {
      if (_meta?.quiet) return never();
      // Longer than the time-out altogether, and each step a small part of it.
      for (let progress = 1; progress <= 25; progress += 1) {
        await delay(200);
        const params = { progressToken: _meta.progressToken, progress };
        await sendNotification({ method: 'notifications/progress', params });
      }
      return text('done');
    };
    const { client } = await connect({ server: { callTool } });
    await client.connect();
    const late = client.callTool({ name: 'echo', _meta: { quiet: true } }, { timeout: 100 });
    expect(await outcome(late)).toMatchObject({ name: 'McpError', code: -32001, mcpCode: 'MCP_TIMEOUT' });
    expect(await client.callTool({ name: 'echo' }, { timeout: 4000 })).toEqual(text('done'));
    const bounded = client.callTool({ name: 'echo' }, { timeout: 4000, maxTotalTimeout: 500 });
    expect(await outcome(bounded)).toMatchObject({ mcpCode: 'MCP_TIMEOUT' });
  });

  test('`close()`: what is under way is aborted, what comes later refused, and the process of a user’s server ends', async () => {
    const own = { customUserVars: { KEY: { title: 'Key', description: '' } } };
    const { client, server } = await connect({
      server: { callTool: never },
      config: own,
      params: { user: createUser(), customUserVars: { KEY: 'k' } },
    });
    const call = outcome(client.callTool({ name: 'echo' }));
    await server.arrival('tools/call');
    await client.close();
    expect(await call).toMatchObject({ code: 'MCP_CLOSED' });
    expect(await outcome(client.listTools())).toMatchObject({ code: 'MCP_CLOSED' });
    expect(server.sessions.size).toBe(0);
    await client.close();
  });

  test('a client that closes leaves its connection to others', async () => {
    const callTool = () => new Promise((resolve) => (finish = () => resolve(text('done'))));
    let finish;
    const own = { customUserVars: { KEY: { title: 'Key', description: '' } } };
    const params = { user: createUser(), customUserVars: { KEY: 'k' } };
    const { runtime, client, server } = await connect({ server: { callTool }, config: own, params });
    const other = runtime.client('srv', params);
    const call = other.callTool({ name: 'echo' });
    await server.arrival('tools/call');
    await client.listTools();
    await client.close();
    finish();
    expect(await call).toEqual(text('done'));
    await until('the end of the session', () => server.sessions.size === 0);
  });
});

test('a session that the server has forgotten: requests go on in a new one', async () => {
  const { client, server } = await connect();
  await client.listTools();
  server.sessions.clear();
  expect(await client.callTool({ name: 'echo', arguments: { text: 'again' } })).toEqual(text('again'));
  server.sessions.clear();
  expect((await client.listTools()).tools.length).toBeGreaterThan(0);
});

test('a session in place of one that the server has forgotten is given its logging level', async () => {
  const capabilities = { tools: {}, logging: {} };
  const { client, server } = await connect({
    server: { capabilities },
    config: { shared: false },
    params: { user: createUser() },
  });
  await client.setLoggingLevel('debug');
  await client.setLoggingLevel('warning');
  server.sessions.clear();
  await client.listTools();
  const levels = () => server.received('logging/setLevel');
  await until('the level of the new session', () => levels().length === 3);
  expect(levels().map(({ message }) => message.params.level)).toEqual(['debug', 'warning', 'warning']);
  const [, before, after] = levels().map(({ headers }) => headers['mcp-session-id']);
  expect(server.sessions.has(after)).toBe(true);
  expect(after).not.toBe(before);
});

test('many users at once, each with their own values, in their own context', async () => {
  const config = { headers: { 'x-key': '{{KEY}}' }, customUserVars: { KEY: { title: 'Key', description: '' } } };
  const callTool = async ({ _meta }, { requestInfo, sendNotification }) => {
    const params = { progressToken: _meta.progressToken, progress: 1 };
    await sendNotification({ method: 'notifications/progress', params });
    return text(requestInfo.headers['x-key']);
  };
  const { runtime, server } = await connect({ server: { callTool }, config });
  const context = new AsyncLocalStorage();
  const one = async (n) => {
    const client = runtime.client('srv', { user: createUser(), customUserVars: { KEY: `key-${n}` } });
    const contexts = [];
    const onprogress = () => contexts.push(context.getStore());
    const result = await context.run(n, () => client.callTool({ name: 'echo' }, { onprogress }));
    await until('progress', () => contexts.length > 0);
    return [result.content[0].text, contexts];
  };
  const numbers = Array.from({ length: 25 }, (_, n) => n);
  expect(await Promise.all(numbers.map(one))).toEqual(numbers.map((n) => [`key-${n}`, [n]]));
  expect(server.sessions.size).toBe(25);
});

describe('events', () => {
  test('changes of lists, for every listener', async () => {
    const capabilities = { tools: { listChanged: true } };
    const { client, server, runtime } = await connect({ server: { capabilities, tools: [tool('a')] } });
    const heard = [];
    const fails = () => {
      throw new Error('a listener’s own fault');
    };
    client.on('toolsChanged', fails);
    client.on('toolsChanged', (tools) => heard.push(tools.map(({ name }) => name)));
    const once = jest.fn();
    client.once('toolsChanged', once);
    await client.connect();
    await until('the stream', server.hasListener);
    await server.notify('notifications/tools/list_changed');
    await until('the first', () => heard.length === 1);
    await server.notify('notifications/tools/list_changed');
    await until('the second', () => heard.length === 2);
    expect(heard).toEqual([['a'], ['a']]);
    expect(once).toHaveBeenCalledTimes(1);
    expect(runtime.stats().callbackFailures).toMatchObject({ toolsChanged: 2 });
  });

  test('the end of a connection; nothing after `close()`', async () => {
    const { client, runtime } = await connect();
    const states = [];
    const listener = (state) => states.push(state);
    await client.connect();
    client.on('connectionChange', listener);
    await runtime.manager.appConnections.disconnect('srv');
    await until('the state', () => states.length > 0);
    expect(states).toEqual(['disconnected']);
    await client.connect();
    await until('the state', () => states.includes('connected'));
    await client.close();
    const before = [...states];
    await runtime.manager.appConnections.disconnect('srv');
    expect(states).toEqual(before);
  });
});

describe('what is refused', () => {
  test('requests without the values that each user sets', async () => {
    const config = { headers: { 'x-key': '{{KEY}}' }, customUserVars: { KEY: { title: 'Key', description: '' } } };
    const { runtime, server } = await connect({ config });
    for (const customUserVars of [undefined, { KEY: ' ' }, { key: 'k' }]) {
      const client = runtime.client('srv', { user: createUser(), customUserVars });
      for (const asked of [client.listTools(), client.callTool({ name: 'echo' }), client.connect()]) {
        expect(await outcome(asked)).toMatchObject({
          code: 'MCP_MISSING_USER_VARS',
          message: expect.stringContaining('[KEY]'),
        });
      }
    }
    expect(server.received('initialize')).toEqual([]);
  });

  test('parameters of a wrong type, and unknown servers', async () => {
    const { runtime } = await connect();
    expect(() => runtime.client()).toThrow(
      expect.objectContaining({ name: 'TypeError', code: 'MCP_INVALID_ARGUMENT' }),
    );
    expect(() => runtime.client('srv', 'x')).toThrow(expect.objectContaining({ name: 'TypeError' }));
    const client = runtime.client('srv');
    const wrong = [
      client.listTools({}, { timeout: 'soon' }),
      client.callTool({ name: 'echo', arguments: { big: 1n } }),
      runtime.client('srv', { user: 'me' }).listTools(),
    ];
    for (const error of await Promise.all(wrong.map(outcome))) expect(error.name).toBe('TypeError');
    expect(await outcome(runtime.client('nobody').listTools())).toMatchObject({ mcpCode: 'MCP_CONFIG_NOT_FOUND' });
  });
});

test('a resource that two clients are subscribed to, over one connection', async () => {
  const { runtime } = fixtures.runtime({ servers: { srv: everythingOverStdio() } });
  const [one, two] = [runtime.client('srv'), runtime.client('srv')];
  const { resources } = await one.listResources();
  const uri = resources[0].uri;
  const heard = { one: 0, two: 0 };
  one.on('resourceUpdated', (resource) => {
    if (resource.uri === uri) heard.one += 1;
  });
  two.on('resourceUpdated', () => {
    heard.two += 1;
  });
  await Promise.all([one.subscribeResource({ uri }), two.subscribeResource({ uri })]);
  await one.callTool({ name: 'toggle-subscriber-updates', arguments: {} });
  await until('the update', () => heard.one > 0 && heard.two > 0);
  await one.unsubscribeResource({ uri });
  const before = { ...heard };
  await until('another update for the other', () => heard.two > before.two, 30_000);
  expect(heard.one).toBe(before.one);
});
