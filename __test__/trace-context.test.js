/** The caller's trace context reaches servers (SEP-414), in what each call sends and in no other's. */

const { AsyncLocalStorage } = require('node:async_hooks');
const { ECHO } = require('./support/calls');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { startModernServer } = require('./support/modern-server');

const fixtures = useFixtures();
const spans = new AsyncLocalStorage();
const user = createUser();

const traceOf = (n) => ({
  traceparent: `00-${String(n).padStart(32, 'a')}-${String(n).padStart(16, 'b')}-01`,
  tracestate: `vendor=${n}`,
  baggage: `user=${n};kind=test`,
});

async function start(services, { config, isModern } = {}) {
  const server = isModern ? fixtures.keep(await startModernServer()) : await fixtures.server();
  const traceContext = jest.fn(() => spans.getStore());
  const host = fixtures.runtime({
    servers: { srv: server.config(config) },
    allow: [server],
    services: { traceContext, ...services },
  });
  // Making a runtime may log a warning, in a context of its own.
  traceContext.mockClear();
  const call = (trace, extra) => spans.run(trace, () => host.runtime.manager.callTool({ ...ECHO, user, ...extra }));
  const sent = (method) => server.received(method).map(({ message, headers }) => [message.params?._meta, headers]);
  return { ...host, server, traceContext, call, sent };
}

test.each([false, true])('is in the `_meta` of each request of its call; of 2026-07-28: %s', async (isModern) => {
  const { call, sent, traceContext, runtime } = await start({}, { isModern });
  await spans.run(traceOf(0), () => runtime.reinitMCPServer({ serverName: 'srv', user }));
  await Promise.all([1, 2, 3].map((n) => call(traceOf(n))));
  expect(traceContext).toHaveBeenCalledTimes(4);
  for (const [meta] of sent('tools/list')) expect(meta).toMatchObject(traceOf(0));
  expect(sent('tools/list')).toHaveLength(1);
  const calls = sent('tools/call');
  const parents = calls.map(([{ traceparent }]) => traceparent).sort();
  expect(parents).toEqual([1, 2, 3].map((n) => traceOf(n).traceparent));
  for (const [{ baggage, tracestate, traceparent }, headers] of calls) {
    expect([1, 2, 3].map(traceOf)).toContainEqual({ baggage, tracestate, traceparent });
    expect(headers).not.toHaveProperty('traceparent');
    expect(headers).not.toHaveProperty('baggage');
  }
});

test.each([{}, { type: 'sse' }])(
  'is in headers where the host wants that, and the config’s are not: %j',
  async (extra) => {
    const headers = { traceparent: traceOf(9).traceparent, 'X-Kept': 'kept' };
    const { call, sent, registry, server } = await start({ traceHeaders: true });
    registry.servers.srv = server.config({ headers, ...extra, ...(extra.type && { url: server.sseUrl }) });
    await call(traceOf(1));
    await call(undefined);
    const [[, traced], [, untraced]] = sent('tools/call');
    expect(traced).toMatchObject({ ...traceOf(1), 'x-kept': 'kept' });
    expect(untraced).toMatchObject({ traceparent: headers.traceparent, 'x-kept': 'kept' });
    expect(untraced).not.toHaveProperty('baggage');
  },
);

test('what the caller puts there itself stays', async () => {
  const { runtime, sent } = await start();
  const connection = await runtime.manager.getConnection({ serverName: 'srv', user });
  const params = { name: 'echo', arguments: {}, _meta: { baggage: 'mine=1', other: 2 } };
  await spans.run(traceOf(1), () => connection.client.request({ method: 'tools/call', params }));
  const [[meta]] = sent('tools/call');
  expect(meta).toMatchObject({ ...traceOf(1), baggage: 'mine=1', other: 2 });
});

test.each([
  ['nothing', undefined],
  ['no object', 'traceparent'],
  ['a promise', Promise.resolve(traceOf(1))],
  ['other types', { traceparent: 7, baggage: {} }],
  ['other forms', { traceparent: 'x', tracestate: 'a=1', baggage: 'a=\r\nX: y' }],
])('%s is not sent', async (_, trace) => {
  const { call, sent } = await start({ traceHeaders: true });
  await call(trace);
  const [[meta, headers]] = sent('tools/call');
  expect(Object.keys(meta)).toEqual(['progressToken']);
  for (const name of ['traceparent', 'tracestate', 'baggage', 'x']) expect(headers).not.toHaveProperty(name);
});

test('a host that fails is told so, and its call goes on', async () => {
  const traceContext = () => {
    throw new Error('no tracer');
  };
  const { call, logger } = await start({ traceContext });
  expect(await call(traceOf(1))).toEqual(['hi', undefined]);
  expect(logger.messages('warn').join()).toContain('traceContext');
});
