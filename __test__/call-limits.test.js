/** `limits`: when the calls of the users of one server are made, and which are refused. */

const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { parseMetrics } = require('./support/prometheus');
const { BASE } = require('./support/scripted-modern-server');
const { startTaskServer } = require('./support/task-server');
const { until } = require('./support/wait');

const fixtures = useFixtures();

/** A server with these limits, whose calls end when `end` tells them to; `begun` has those that it was sent, in their order. */
async function world(limits, services) {
  const [begun, ends] = [[], new Map()];
  const callTool = ({ arguments: { text } }) =>
    new Promise((resolve) => {
      begun.push(text);
      ends.set(text, () => resolve({ content: [{ type: 'text', text }] }));
    });
  const server = await fixtures.server({ callTool });
  const { runtime, registry } = fixtures.runtime({
    servers: { srv: server.config({ startup: false, limits }) },
    allow: [server],
    services,
  });
  const call = (user, text, options) =>
    runtime.manager.callTool({
      user,
      serverName: 'srv',
      toolName: 'echo',
      toolArguments: { text },
      provider: 'openai',
      ...options,
    });
  const queue = () => runtime.stats().queues.srv;
  return {
    runtime,
    registry,
    server,
    begun,
    call,
    queue,
    end: (text) => ends.get(text)(),
    hasBegun: (text) => until(`begin of ${text}`, () => begun.includes(text)),
    /** Waits until so many calls wait for their turn. */
    waiting: (count) => until(`${count} calls that wait`, () => queue()?.waiting === count),
  };
}

const limited = (message) =>
  expect.objectContaining({
    code: 'MCP_RATE_LIMITED',
    retryable: true,
    retryAfterMs: expect.any(Number),
    message: expect.stringContaining(message),
  });

test('the calls of users take turns, and the runtime shows who waits', async () => {
  const { runtime, call, queue, begun, end, hasBegun, waiting } = await world({ concurrency: 1 });
  const [a, b] = [createUser(), createUser()];
  expect(queue()).toBeUndefined();
  const calls = [call(a, 'a1')];
  await hasBegun('a1');
  calls.push(call(a, 'a2'), call(a, 'a3'));
  await waiting(2);
  calls.push(call(b, 'b1'));
  await waiting(3);
  expect(queue()).toEqual({ running: 1, waiting: 3, users: 2, oldestMs: expect.any(Number) });
  const { samples } = parseMetrics(runtime.metrics());
  expect(samples).toContainEqual(['librechat_mcp_calls_running', { server: 'srv' }, 1]);
  expect(samples).toContainEqual(['librechat_mcp_calls_waiting', { server: 'srv' }, 3]);

  for (const text of ['a1', 'b1']) {
    end(text);
    await until(`the call after ${text}`, () => begun.length > begun.indexOf(text) + 1);
  }
  // b's call came last, and a's have held the place so far.
  expect(begun).toEqual(['a1', 'b1', expect.stringMatching(/^a[23]$/)]);
  end(begun[2]);
  await until('the last call', () => begun.length === 4);
  end(begun[3]);
  await Promise.all(calls);
  expect(queue()).toBeUndefined();
  const later = parseMetrics(runtime.metrics()).samples;
  const [, , seconds] = later.find(([name]) => name === 'librechat_mcp_call_wait_seconds_total');
  expect(seconds).toBeGreaterThan(0);
});

test("a user's calls leave a place for somebody else's", async () => {
  const { call, queue, end, hasBegun, waiting } = await world({ concurrency: 4 });
  const [a, b] = [createUser(), createUser()];
  const own = ['a1', 'a2', 'a3', 'a4', 'a5'];
  const calls = own.map((text) => call(a, text));
  await waiting(2);
  const other = call(b, 'b1');
  await hasBegun('b1');
  expect(queue()).toMatchObject({ running: 4, waiting: 2, users: 2 });
  end('b1');
  await other;
  for (const text of own) {
    await hasBegun(text);
    end(text);
  }
  await Promise.all(calls);
});

test('an abort ends the wait at once, and the call is not made', async () => {
  const { call, queue, begun, end, hasBegun, waiting } = await world({ concurrency: 1 });
  const [a, b] = [createUser(), createUser()];
  const first = call(a, 'first');
  await hasBegun('first');
  const controller = new AbortController();
  const aborted = call(b, 'aborted', { options: { signal: controller.signal } });
  await waiting(1);
  controller.abort();
  await expect(aborted).rejects.toMatchObject({ name: 'AbortError', code: 'MCP_ABORTED' });
  expect(queue()).toMatchObject({ running: 1, waiting: 0, users: 1 });
  end('first');
  await first;
  const next = call(b, 'next');
  await hasBegun('next');
  end('next');
  await next;
  expect(begun).toEqual(['first', 'next']);
});

test('a call waits no longer than its timeout', async () => {
  const { runtime, call, queue, begun, end, hasBegun } = await world({ concurrency: 1 });
  const [a, b] = [createUser(), createUser()];
  const first = call(a, 'first');
  await hasBegun('first');
  const late = call(b, 'late', { options: { timeout: 300 } });
  await expect(late).rejects.toEqual(limited('for its turn at srv: 1 of 1 (limits.concurrency) are under way'));
  expect(queue()).toMatchObject({ running: 1, waiting: 0 });
  end('first');
  await first;
  expect(begun).toEqual(['first']);
  expect(runtime.stats().toolCalls.srv).toEqual({ ok: 1, MCP_RATE_LIMITED: 1 });
});

test('no more calls wait than may, and who waits for most makes room', async () => {
  const { call, begun, end, hasBegun, waiting } = await world({ concurrency: 1, queue: 2 });
  const [a, b] = [createUser(), createUser()];
  const calls = [call(a, 'a1')];
  await hasBegun('a1');
  const own = [call(a, 'a2'), call(a, 'a3')];
  await waiting(2);
  await expect(call(a, 'a4')).rejects.toEqual(limited('no more may (limits.queue)'));
  calls.push(call(b, 'b1'));
  await expect(Promise.race(own)).rejects.toEqual(limited('has made room'));
  end('a1');
  await hasBegun('b1');
  end('b1');
  await until('the rest', () => begun.length === 3);
  end(begun[2]);
  await Promise.all([...calls, Promise.any(own)]);
});

test('queue: 0 waits for nobody', async () => {
  const { call, begun, end, hasBegun } = await world({ concurrency: 1, queue: 0 });
  const [a, b] = [createUser(), createUser()];
  const first = call(a, 'first');
  await hasBegun('first');
  await expect(call(b, 'second')).rejects.toEqual(limited('Too many calls to srv'));
  end('first');
  await first;
  expect(begun).toEqual(['first']);
});

test('a rate is told apart by user, and holds for whoever calls', async () => {
  const { runtime, call, begun, end, hasBegun } = await world({ perUser: '1/h', perServer: '2/h' });
  const [a, b, c] = [createUser(), createUser(), createUser()];
  for (const [user, text] of [
    [a, 'a1'],
    [b, 'b1'],
  ]) {
    const made = call(user, text);
    await hasBegun(text);
    end(text);
    await made;
  }
  const error = await call(a, 'a2').catch((reason) => reason);
  expect(error).toEqual(limited("1 of one user's calls are made in 3600 s (limits.perUser)"));
  expect(error.retryAfterMs).toBeGreaterThan(0);
  expect(error.retryAfterMs).toBeLessThanOrEqual(3_600_000);
  await expect(call(c, 'c1')).rejects.toEqual(limited("2 of all users' calls are made in 3600 s (limits.perServer)"));

  const connection = await runtime.manager.getConnection({ user: a, serverName: 'srv' });
  const params = { name: 'echo', arguments: { text: 'a3' } };
  await expect(connection.client.request({ method: 'tools/call', params })).rejects.toEqual(limited('limits.perUser'));
  // What is no call of a tool is free.
  await expect(connection.client.request({ method: 'ping' })).resolves.toEqual({});
  expect(begun).toEqual(['a1', 'b1']);
});

test('a call that has become a task holds its place until the task ends, and who goes on with it needs none', async () => {
  let isDone = false;
  const result = { ...BASE, content: [{ type: 'text', text: 'gold' }] };
  const server = fixtures.keep(
    await startTaskServer(({ taskId }) =>
      isDone || taskId === 'other' ? { status: 'completed', result } : { status: 'working' },
    ),
  );
  const config = { ...server.config, limits: { concurrency: 1 } };
  const { runtime } = fixtures.runtime({ servers: { srv: config }, allow: [server] });
  const [a, b] = [createUser(), createUser()];
  const call = (user, options) =>
    runtime.manager.callTool({ serverName: 'srv', toolName: 'dig', provider: 'openai', user, options });
  const handles = [];
  const calls = [call(a, { ontask: (handle) => handles.push(handle) })];
  await until('a task', () => handles.length === 1);
  calls.push(call(b));
  await until('a call that waits', () => runtime.stats().queues.srv?.waiting === 1);
  const other = { ...handles[0], taskId: 'other' };
  expect(await runtime.manager.resumeTask({ task: other, user: a, provider: 'openai' })).toEqual(['gold', undefined]);
  expect(runtime.stats().queues.srv).toMatchObject({ running: 1, waiting: 1 });
  expect(server.received('tools/call')).toHaveLength(1);
  isDone = true;
  expect(await Promise.all(calls)).toEqual(Array(2).fill(['gold', undefined]));
});

test('close() ends the waits', async () => {
  const { runtime, call, begun, hasBegun, waiting } = await world({ concurrency: 1 });
  const [a, b] = [createUser(), createUser()];
  const outcomes = Promise.allSettled([call(a, 'first'), hasBegun('first').then(() => call(b, 'second'))]);
  await waiting(1);
  await runtime.close();
  const [, second] = await outcomes;
  expect(second.reason).toMatchObject({ code: 'MCP_CLOSED' });
  expect(begun).toEqual(['first']);
});

test.each([{ source: 'user' }, { source: 'user', dbId: '64b7f0000000000000000001' }])(
  "a user's own server %j takes no place of an operator's with its name",
  async (theirs) => {
    const limits = { concurrency: 1, queue: 0 };
    const made = await world(limits, { mcpSettings: { limits } });
    const { registry, server, call, queue, end, hasBegun } = made;
    const [ann, eve] = [createUser(), createUser()];
    const registered = registry.getServerConfig.bind(registry);
    registry.getServerConfig = (name, userId, ...more) =>
      userId === eve.id ? server.config(theirs) : registered(name, userId, ...more);
    const calls = [call(eve, 'hers')];
    await hasBegun('hers');
    calls.push(call(ann, 'his'));
    await hasBegun('his');
    await expect(call(eve, 'more')).rejects.toEqual(limited('Too many calls to srv: 1 of 1'));
    expect(queue()).toMatchObject({ running: 2 });
    end('hers');
    end('his');
    await Promise.all(calls);
  },
);

test('what waits while the process of its server ends is sent to another', async () => {
  const server = fixtures.stdio();
  const { runtime } = fixtures.runtime({ servers: { srv: server.config({ limits: { concurrency: 1 } }) } });
  const call = (user) =>
    runtime.manager.callTool({
      user,
      serverName: 'srv',
      toolName: 'echo',
      toolArguments: { text: user.id },
      provider: 'openai',
    });
  const [first, ...others] = [createUser(), createUser(), createUser()];
  await call(first);
  const [pid] = server.pids();
  process.kill(pid, 'SIGSTOP');
  const lost = expect(call(first)).rejects.toMatchObject({ code: -32000, mcpCode: 'MCP_CONNECTION_LOST' });
  const waiting = others.map(call);
  await until('two that wait', () => runtime.stats().queues.srv?.waiting === 2);
  process.kill(pid, 'SIGKILL');
  await lost;
  await expect(Promise.all(waiting)).resolves.toHaveLength(2);
  expect(server.pids()).toHaveLength(2);
});
