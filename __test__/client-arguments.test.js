/** What `runtime.client` refuses, and how long it connects. */

const { getMaxListeners } = require('node:events');
const { runInThisContext } = require('node:vm');
const { outcome, text, useClients } = require('./support/client');
const { hang } = require('./support/faults');
const { createUser } = require('./support/host');

const { connect } = useClients();

const refused = (message) =>
  expect.objectContaining({
    name: 'TypeError',
    code: 'MCP_INVALID_ARGUMENT',
    message: expect.stringContaining(message),
  });

test('arguments of a wrong shape', async () => {
  const { client, server } = await connect();
  const wrong = {
    'request: method': [() => client.request(), () => client.request({}), () => client.request({ method: 7 })],
    'request: the request': [() => client.request(null), () => client.request('ping')],
    'subscribeResource: uri': [() => client.subscribeResource(), () => client.subscribeResource({ uri: 5 })],
    'unsubscribeResource: the parameters': [() => client.unsubscribeResource('x')],
    'readApp: the app': [() => client.readApp(), () => client.readApp(7)],
    'callAppTool: the parameters': [() => client.callAppTool(null), () => client.callAppTool('move')],
    'callAppTool: name': [() => client.callAppTool(), () => client.callAppTool({ name: {} })],
    'readAppResource: the parameters': [() => client.readAppResource(null)],
    'readAppResource: uri': [() => client.readAppResource({ uri: 7 })],
    'setLoggingLevel: level': [() => client.setLoggingLevel('loud'), () => client.setLoggingLevel()],
    'options must be': [() => client.ping('soon')],
  };
  for (const [message, calls] of Object.entries(wrong)) {
    for (const call of calls) expect(await outcome(call())).toEqual(refused(message));
  }
  expect(server.requests).toEqual([]);
});

test('options of a wrong shape', async () => {
  const { client, server } = await connect();
  const calls = [
    (options) => client.callTool({ name: 'echo' }, options),
    (options) => client.resumeTask({}, options),
    (options) => client.subscribeResource({ uri: 'a:b' }, options),
    (options) => client.readApp('ui://a', options),
    (options) => client.callAppTool({ binding: 'a.b', name: 'echo' }, options),
    (options) => client.readAppResource({ binding: 'a.b', uri: 'a:b' }, options),
  ];
  for (const call of calls) {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 1e308, 0, -1, 'soon', {}]) {
      expect(await outcome(call({ timeout: value }))).toEqual(refused('options.timeout'));
      expect(await outcome(call({ maxTotalTimeout: value }))).toEqual(refused('options.maxTotalTimeout'));
    }
    for (const signal of ['x', { aborted: true }, new EventTarget()]) {
      expect(await outcome(call({ signal }))).toEqual(refused('options.signal'));
    }
  }
  expect(server.requests).toEqual([]);
});

test('a logging level for all who share a connection, however it is asked for', async () => {
  const capabilities = { tools: {}, logging: {} };
  const { runtime, server } = await connect({ server: { capabilities } });
  for (const params of [{ user: createUser() }, undefined]) {
    const client = runtime.client('srv', params);
    expect(await outcome(client.setLoggingLevel('debug'))).toEqual(refused('shared: false'));
    const request = { method: 'logging/setLevel', params: { level: 'debug' } };
    expect(await outcome(client.request(request))).toEqual(refused('shared: false'));
  }
  expect(server.received('logging/setLevel')).toEqual([]);
  const own = await connect({ server: { capabilities }, config: { shared: false }, params: { user: createUser() } });
  expect(await own.client.setLoggingLevel('debug')).toEqual({});
  expect(own.server.received('logging/setLevel')[0].message.params).toMatchObject({ level: 'debug' });
});

test('`maxTotalTimeout` bounds connecting, too', async () => {
  const { client } = await connect({ server: { fault: hang() }, config: { initTimeout: 600_000 } });
  const options = { maxTotalTimeout: 200 };
  for (const call of [client.callTool({ name: 'echo' }, options), client.ping(options)]) {
    expect(await outcome(call)).toMatchObject({
      code: 'MCP_TIMEOUT',
      message: expect.stringContaining('Connecting'),
    });
  }
});

test('many calls with one signal', async () => {
  const { client } = await connect({ server: { callTool: () => text('done') } });
  const { process } = runInThisContext('({ process })');
  const warnings = [];
  const note = ({ name }) => warnings.push(name);
  process.on('warning', note);
  try {
    const { signal } = new AbortController();
    const limit = getMaxListeners(signal);
    const calls = Array.from({ length: 60 }, () => client.callTool({ name: 'echo' }, { signal }));
    expect(await Promise.all(calls)).toEqual(Array(60).fill(text('done')));
    // It is the caller's.
    expect(getMaxListeners(signal)).toBe(limit);
  } finally {
    process.off('warning', note);
  }
  expect(warnings).not.toContain('MaxListenersExceededWarning');
});

test('`close()` after that of the runtime', async () => {
  const { client, runtime } = await connect({ config: { shared: false }, params: { user: createUser() } });
  await client.listTools();
  await runtime.close();
  expect(await client.close()).toBeUndefined();
});
