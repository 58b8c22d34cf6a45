/** What a runtime tells about itself: stats, metrics, diagnostics channels, spans. */

const { AsyncLocalStorage } = require('node:async_hooks');
const { subscribe, unsubscribe } = require('node:diagnostics_channel');
const { answer } = require('./support/faults');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { closedAddress } = require('./support/mcp-server');
const { parseMetrics } = require('./support/prometheus');
const { until } = require('./support/wait');

const fixtures = useFixtures();
const user = createUser();
const CHANNELS = ['connect', 'disconnect', 'tool-call', 'token-refresh'];

/** What is published on the channels, until the test ends. */
function listen() {
  const events = [];
  const listeners = CHANNELS.map((name) => [`librechat-mcp-native:${name}`, (event) => events.push([name, event])]);
  for (const [channel, listener] of listeners) subscribe(channel, listener);
  fixtures.keep({
    close: async () => {
      for (const [channel, listener] of listeners) unsubscribe(channel, listener);
    },
  });
  return events;
}

/** Two servers, one that answers and one that does not; `startup: false` makes connections the user's. */
async function world(services) {
  const server = await fixtures.server();
  const gone = await closedAddress();
  const host = fixtures.runtime({
    servers: {
      'my "srv"': server.config({ startup: false }),
      gone: gone.config({ startup: false, initTimeout: 300 }),
    },
    allow: [server, gone],
    services,
  });
  const call = (serverName, extra) =>
    host.runtime.manager.callTool({ user, serverName, toolName: 'echo', provider: 'openai', ...extra });
  return { ...host, server, call };
}

const OPERATIONS = 'mcp_client_operation_duration_seconds_bucket';

const sample = ({ samples }, name, labels = {}) =>
  samples.find(
    ([found, has]) => found === name && Object.entries(labels).every(([key, text]) => has[key] === text),
  )?.[2];

const value = (metrics, name, labels) => sample(metrics, `librechat_mcp_${name}`, labels);

test('stats and metrics count what happened, for one runtime', async () => {
  const { runtime, call, server } = await world();
  const empty = runtime.stats();
  expect(empty).toMatchObject({
    connections: {},
    users: 0,
    reinits: {},
    toolCalls: {},
    breakers: { open: 0, closed: 0, openByServer: {} },
    operations: {},
    queues: {},
  });
  parseMetrics(runtime.metrics());

  await runtime.reinitMCPServer({ user, serverName: 'my "srv"' });
  await call('my "srv"', { toolArguments: { text: 'x'.repeat(1000) } });
  server.fault = ({ message, response }) =>
    message?.method === 'tools/call' &&
    answer(
      200,
      JSON.stringify({ jsonrpc: '2.0', id: message.id, result: { content: [], isError: true } }),
      'application/json',
    )({ response });
  await call('my "srv"');
  await expect(call('gone')).rejects.toThrow();
  await runtime.reinitMCPServer({ user, serverName: 'gone' });

  const stats = runtime.stats();
  const [failure] = Object.keys(stats.toolCalls.gone);
  expect(failure).toMatch(/^MCP_(TIMEOUT|CONNECTION_FAILED)$/);
  expect(stats).toMatchObject({
    connections: { 'streamable-http': { connected: 1 } },
    users: 1,
    reinits: { ok: 1, initialization_failed: 1 },
    connects: { 'my "srv"': { 'streamable-http': { ok: 1 } } },
    toolCalls: { 'my "srv"': { ok: 1, tool_error: 1 }, gone: { [failure]: 1 } },
    toolCallDuration: { count: 3 },
    operations: {
      'my "srv"': { 'tools/call': { ok: { count: 1 }, tool_error: { count: 1 } } },
      gone: { 'tools/call': { [failure]: { count: 1, seconds: expect.any(Number) } } },
    },
    bytes: { stdio: { sent: 0, received: 0 } },
  });
  const { sent, received } = stats.bytes['streamable-http'];
  expect(sent).toBeGreaterThan(1000);
  expect(received).toBeGreaterThan(1000);

  const metrics = parseMetrics(runtime.metrics());
  expect(value(metrics, 'connections', { transport: 'streamable-http', state: 'connected' })).toBe(1);
  expect(value(metrics, 'reinits_total', { outcome: 'initialization_failed' })).toBe(1);
  expect(value(metrics, 'tool_calls_total', { server: 'my "srv"', outcome: 'tool_error' })).toBe(1);
  expect(value(metrics, 'tool_call_duration_seconds_count')).toBe(3);
  expect(value(metrics, 'tool_call_duration_seconds_bucket', { le: '+Inf' })).toBe(3);
  const ofServer = { mcp_method_name: 'tools/call', server: 'my "srv"', le: '300' };
  const durations = (error_type) => sample(metrics, OPERATIONS, { ...ofServer, error_type });
  expect([durations(''), durations('tool_error')]).toEqual([1, 1]);
  expect(value(metrics, 'bytes_total', { transport: 'streamable-http', direction: 'sent' })).toBe(sent);
  expect(runtime.metrics()).not.toContain(user.id);

  await runtime.manager.disconnectUserConnections(user.id);
  expect(runtime.stats()).toMatchObject({ connections: {}, users: 0, disconnects: { 'my "srv"': { closed: 1 } } });
  const other = await world();
  expect(other.runtime.stats().reinits).toEqual({});
});

test('too many failures open a breaker, and metrics say so', async () => {
  const { runtime, call } = await world();
  // A call that gave up before its attempt had failed counts for nothing.
  await until('the breaker', async () => {
    await expect(call('gone')).rejects.toThrow();
    return runtime.stats().breakers.open === 1;
  });
  const metrics = parseMetrics(runtime.metrics());
  expect(value(metrics, 'breakers', { state: 'open' })).toBe(1);
  expect(value(metrics, 'breakers_open', { server: 'gone' })).toBe(1);
  expect(runtime.stats().breakers.openByServer).toEqual({ gone: 1 });
});

test('channels hear of connections and tool calls', async () => {
  const events = listen();
  const { runtime, call } = await world();
  await call('my "srv"', { toolArguments: { text: 'secret argument' } });
  const common = {
    serverName: 'my "srv"',
    userId: user.id,
    transport: 'streamable-http',
    durationMs: expect.any(Number),
  };
  expect(events).toEqual([
    ['connect', { ...common, outcome: 'ok' }],
    ['tool-call', { ...common, toolName: 'echo', outcome: 'ok' }],
  ]);
  // The call may give up at its limit before the attempt to connect has.
  await expect(call('gone')).rejects.toThrow();
  const ofGone = (wanted) => events.find(([name, { serverName }]) => name === wanted && serverName === 'gone')?.[1];
  await until('the events', () => ofGone('connect') && ofGone('tool-call'));
  expect(ofGone('connect').outcome).toMatch(/^MCP_/);
  expect(ofGone('tool-call')).toMatchObject({ toolName: 'echo', outcome: expect.stringMatching(/^MCP_/) });
  await runtime.manager.disconnectUserConnection(user.id, 'my "srv"');
  const disconnects = () => events.filter(([name]) => name === 'disconnect');
  await until('the event', () => disconnects().length > 0);
  expect(disconnects()).toEqual([['disconnect', { ...common, outcome: 'closed' }]]);
  expect(JSON.stringify(events)).not.toContain('secret');
});

test('a connection that is lost is told, also to who subscribes late', async () => {
  const server = fixtures.stdio();
  const { runtime } = fixtures.runtime({ servers: { srv: server.config({ startup: false }) } });
  await runtime.manager.getConnection({ user, serverName: 'srv' });
  const events = listen();
  process.kill(server.pids()[0], 'SIGKILL');
  await until('the event', () => events.length > 0);
  expect(events[0]).toMatchObject(['disconnect', { serverName: 'srv', transport: 'stdio', outcome: 'lost' }]);
  expect(runtime.stats().disconnects).toEqual({ srv: { lost: 1 } });
});

test('what onSpans throws harms nobody', async () => {
  const { call } = await world({
    onSpans() {
      throw new Error('no spans today');
    },
  });
  await expect(call('my "srv"', { toolArguments: { text: 'x' } })).resolves.toBeDefined();
});

test('spans come in batches, in the context of their call', async () => {
  const storage = new AsyncLocalStorage();
  const batches = [];
  const { runtime, call } = await world({ onSpans: (spans) => batches.push([storage.getStore(), spans]) });
  const before = Date.now();
  await storage.run('request 1', () => runtime.reinitMCPServer({ user, serverName: 'my "srv"' }));
  await storage.run('request 2', () => call('my "srv"', { toolArguments: { text: 'x' } }));
  await expect(storage.run('request 3', () => call('gone'))).rejects.toThrow();
  const spans = batches.flatMap(([context, spans]) => spans.map((span) => [context, span.name]));
  expect(spans).toEqual(
    expect.arrayContaining([
      ['request 1', 'mcp connect'],
      ['request 1', 'mcp reinit'],
      ['request 2', 'tools/call echo'],
      ['request 3', 'tools/call echo'],
    ]),
  );
  const [good, bad] = batches.flatMap(([, spans]) => spans).filter(({ name }) => name === 'tools/call echo');
  expect(good).toMatchObject({
    kind: 2,
    status: { code: 0 },
    attributes: {
      'mcp.server.name': 'my "srv"',
      'mcp.method.name': 'tools/call',
      'network.transport': 'tcp',
      'network.protocol.name': 'http',
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 'echo',
      'user.id': user.id,
    },
  });
  expect(good.startTime).toBeGreaterThanOrEqual(before - 1);
  expect(good.endTime).toBeGreaterThanOrEqual(good.startTime);
  expect(bad.attributes['error.type']).toMatch(/^MCP_(TIMEOUT|CONNECTION_FAILED)$/);
  expect(bad.status).toEqual({ code: 2, message: expect.stringMatching(/^The (connection|request)/) });
});
