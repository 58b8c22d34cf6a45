/** `onToolCall`: what the host decides about tool calls before they are made. */

const { AsyncLocalStorage } = require('node:async_hooks');
const { createMCPRuntime } = require('./support/addon');
const { createHost, createUser } = require('./support/host');
const { WAYS, failing, useToolHooks, user } = require('./support/tool-hooks');
const { never, until } = require('./support/wait');

const { start } = useToolHooks();

describe('onToolCall', () => {
  test.each(Object.entries(WAYS))('is asked once about a call by %s, before it is made', async (name, way) => {
    const asked = [];
    const world = await start({
      onToolCall: (call) => void asked.push([call, world.sent().length]),
      getTenantId: () => 'acme',
    });
    await expect(way(world)).resolves.toBe('{"text":"hi"}');
    const known = { serverName: 'srv', toolName: 'echo', arguments: { text: 'hi' }, userId: user.id, tenantId: 'acme' };
    expect(asked).toEqual([[expect.objectContaining(known), 0]]);
    const [[{ callId, signal, user: given, resumed }]] = asked;
    expect(callId).toMatch(/^[0-9a-f]{32}$/);
    expect(signal.aborted).toBe(false);
    expect(given).toBe(name.startsWith('connection') ? undefined : user);
    expect(resumed).toBeUndefined();
    expect(world.sent()).toHaveLength(1);
  });

  test('runs in the caller’s context, and is given a copy', async () => {
    const storage = new AsyncLocalStorage();
    const seen = [];
    const { call } = await start({
      onToolCall: (question) => {
        question.arguments.text = 'changed';
        seen.push(storage.getStore());
      },
    });
    const toolArguments = { text: 'hi' };
    const answer = await storage.run('of the caller', () => call({ toolArguments }));
    expect(answer[0]).toBe('{"text":"hi"}');
    expect(toolArguments).toEqual({ text: 'hi' });
    expect(seen).toEqual(['of the caller']);
  });

  test('is not asked again when the server has forgotten the session', async () => {
    const onToolCall = jest.fn();
    const { call, server, sent } = await start({ onToolCall });
    await call();
    server.sessions.clear();
    await call();
    expect(sent().length).toBeGreaterThan(2);
    expect(onToolCall).toHaveBeenCalledTimes(2);
  });

  test('a call without arguments has none for it', async () => {
    const onToolCall = jest.fn();
    const { call } = await start({ onToolCall });
    await expect(call({ toolArguments: undefined })).resolves.toEqual(['null', undefined]);
    expect(onToolCall).toHaveBeenCalledWith(expect.objectContaining({ arguments: {} }));
  });

  test.each([[undefined], [null], [true], [{ weight: 2 }], [{ weight: 0.1, refuse: undefined }]])(
    '%p lets it go on',
    async (answer) => {
      const { call } = await start({ onToolCall: async () => answer });
      await expect(call()).resolves.toEqual(['{"text":"hi"}', undefined]);
    },
  );

  test.each(Object.entries(WAYS))('refuses a call by %s, and nothing is sent', async (_, way) => {
    const world = await start({ onToolCall: () => ({ refuse: 'Not on Fridays' }) });
    await expect(way(world)).rejects.toEqual(
      failing('MCP_CALL_REFUSED', /^The host refused the call: Not on Fridays$/),
    );
    expect(world.sent()).toEqual([]);
    expect(await world.runtime.metrics()).toContain('tool_calls_total{server="srv",outcome="MCP_CALL_REFUSED"} 1');
  });

  test('a refusal is cleaned and cut', async () => {
    const { call } = await start({ onToolCall: () => ({ refuse: `\u202ea\n${'x'.repeat(1000)}` }) });
    const { message } = await call().catch((error) => error);
    expect(message).toMatch(/^The host refused the call: \\u\{202e\}a\\nx+…$/);
    expect(message.length).toBeLessThan(340);
  });

  test.each(Object.entries(WAYS))('gives other arguments to a call by %s', async (name, way) => {
    const world = await start({ onToolCall: () => ({ arguments: { text: 'hé', n: 1.5, __proto__: null } }) });
    await expect(way(world)).resolves.toBe('{"text":"hé","n":1.5}');
    const [{ message }] = world.sent();
    expect(message.params.name).toBe('echo');
    if (name !== 'callTool') expect(message.params._meta).toMatchObject({ mark: 'kept' });
  });

  test.each([
    [false],
    ['yes'],
    [1],
    [{}],
    [[]],
    [() => true],
    [new Map([['refuse', 'no']])],
    [{ refuse: '' }],
    [{ refuse: 1 }],
    [{ refuse: undefined }],
    [{ refuse: 'no', arguments: {} }],
    [{ refuse: 'no', weight: 1 }],
    [{ arguments: [] }],
    [{ arguments: null }],
    [{ arguments: 'text' }],
    [{ weight: 0 }],
    [{ weight: 11 }],
    [{ weight: Number.NaN }],
    [{ weight: '2' }],
    [{ result: { content: [] } }],
    [{ allow: true }],
  ])('fails the call with %p', async (answer) => {
    const { call, sent } = await start({ onToolCall: () => answer });
    await expect(call()).rejects.toEqual(
      failing('MCP_HOST_ERROR', /callback onToolCall failed: onToolCall must resolve to/),
    );
    expect(sent()).toEqual([]);
  });

  test('arguments that JSON has no form for fail the call', async () => {
    const { call, sent } = await start({ onToolCall: () => ({ arguments: { n: 1n } }) });
    await expect(call()).rejects.toEqual(failing('MCP_HOST_ERROR', /onToolCall: arguments\.n is a BigInt/));
    expect(sent()).toEqual([]);
  });

  test.each([
    [
      'throws',
      (error) => {
        throw error;
      },
    ],
    ['rejects', (error) => Promise.reject(error)],
  ])('one that %s fails the call', async (_, fail) => {
    const cause = new Error('no database');
    const { call, sent } = await start({ onToolCall: () => fail(cause) });
    const error = await call().catch((it) => it);
    expect(error).toEqual(failing('MCP_HOST_ERROR', /^The host callback onToolCall failed: no database$/));
    expect(error.cause).toBe(cause);
    expect(sent()).toEqual([]);
  });

  test('a tenant that cannot be found out fails the call, too', async () => {
    const onToolCall = jest.fn();
    const getTenantId = () => Promise.reject(new Error('no tenant'));
    const { call, sent } = await start({ onToolCall, getTenantId });
    await expect(call()).rejects.toEqual(failing('MCP_HOST_ERROR', /getTenantId failed: no tenant/));
    expect(onToolCall).not.toHaveBeenCalled();
    expect(sent()).toEqual([]);
  });

  test('one that hangs has the time of the call', async () => {
    let signal;
    const { call, sent } = await start({
      onToolCall: (asked) => {
        signal = asked.signal;
        return never();
      },
    });
    await expect(call({ options: { timeout: 300 } })).rejects.toEqual(
      failing('MCP_HOST_TIMEOUT', /^The host callback onToolCall did not settle within the time of the call$/),
    );
    await until('the end of the signal', () => signal.aborted);
    expect(sent()).toEqual([]);
  });

  test('one that hangs has ten seconds', async () => {
    const { call, sent } = await start({ onToolCall: never });
    await expect(call()).rejects.toEqual(failing('MCP_HOST_TIMEOUT', /onToolCall did not settle within 10 s$/));
    expect(sent()).toEqual([]);
  }, 60_000);

  test('an abort ends the call while it is asked', async () => {
    const caller = new AbortController();
    let signal;
    const { call, sent } = await start({
      onToolCall: (asked) => {
        signal = asked.signal;
        setImmediate(() => caller.abort());
        return never();
      },
    });
    await expect(call({ options: { signal: caller.signal } })).rejects.toMatchObject({ code: 'MCP_ABORTED' });
    await until('the end of the signal', () => signal.aborted);
    expect(sent()).toEqual([]);
  });

  test('it may call tools itself', async () => {
    const world = await start({
      onToolCall: async ({ userId }) => {
        if (userId !== 'policy')
          await world.call({ user: createUser({ id: 'policy' }), toolArguments: { text: 'may they?' } });
      },
    });
    await expect(world.call()).resolves.toEqual(['{"text":"hi"}', undefined]);
    expect(world.sent().map(({ message }) => message.params.arguments.text)).toEqual(['may they?', 'hi']);
  });

  test('a hundred calls are asked about at once', async () => {
    const ids = new Set();
    const { call } = await start({
      onToolCall: async ({ callId, arguments: { text } }) => {
        ids.add(callId);
        if (text.endsWith('7')) return { refuse: text };
        return text.endsWith('8') ? { arguments: { text: `not ${text}` } } : undefined;
      },
    });
    const calls = Array.from({ length: 100 }, (_, n) => call({ toolArguments: { text: `n ${n}` } }));
    const outcomes = await Promise.all(
      calls.map((it) =>
        it.then(
          ([text]) => JSON.parse(text).text,
          ({ code }) => code,
        ),
      ),
    );
    expect(ids.size).toBe(100);
    const expected = (n) => ({ 7: 'MCP_CALL_REFUSED', 8: `not n ${n}` })[n % 10] ?? `n ${n}`;
    expect(outcomes).toEqual(Array.from({ length: 100 }, (_, n) => expected(n)));
  });

  test.each(['onToolCall', 'onToolResult', 'onAudit'])('%s must be a function', (name) => {
    const { services } = createHost({ services: { [name]: 'no' } });
    expect(() => createMCPRuntime(services)).toThrow(new RegExp(`host\\.${name} must be a function`));
  });
});
