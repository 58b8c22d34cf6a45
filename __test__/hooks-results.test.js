/** `onToolResult`: what the host decides about results; and both hooks on tasks. */

const { BASE } = require('./support/scripted-modern-server');
const { startTaskServer } = require('./support/task-server');
const { REQUEST, WAYS, failing, textOf, useToolHooks, user } = require('./support/tool-hooks');
const { never, until } = require('./support/wait');

const { fixtures, start } = useToolHooks();

describe('onToolResult', () => {
  const WRITTEN = '{"isError":false, "content":[{"type":"text","text":"1","b":1,"a":2}],"other":1e2}';
  /** A server that writes its result so. */
  const writes = (text) => ({
    fault: ({ response, message }) => {
      if (message?.method !== 'tools/call') return false;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(`{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":${text}}`);
      return true;
    },
  });

  test.each(Object.entries(WAYS))('is asked about what %s gets, before its caller gets it', async (_, way) => {
    const heard = [];
    const world = await start({
      onToolCall: ({ callId }) => void heard.push(callId),
      onToolResult: async (result) => void heard.push(result),
    });
    await expect(way(world)).resolves.toBe('{"text":"hi"}');
    const [callId, result] = heard;
    const known = { callId, serverName: 'srv', toolName: 'echo', userId: user.id, isError: false };
    expect(result).toMatchObject({ ...known, result: { content: [{ type: 'text', text: '{"text":"hi"}' }] } });
    expect(result.bytes).toBe(JSON.stringify(result.result).length);
    expect(result).not.toHaveProperty('arguments');
  });

  test('what it leaves stays as the server wrote it', async () => {
    const { runtime } = await start(
      {
        onToolResult: ({ result }) => {
          result.content[0].text = 'changed';
        },
      },
      writes(WRITTEN),
    );
    const answer = await runtime.client('srv', { user }).callTool(REQUEST);
    expect(JSON.stringify(answer)).toBe(JSON.stringify(JSON.parse(WRITTEN)));
  });

  test('an error of the tool is one for it', async () => {
    const onToolResult = jest.fn();
    const { call } = await start({ onToolResult }, writes('{"content":[{"type":"text","text":"no"}],"isError":true}'));
    await call();
    expect(onToolResult).toHaveBeenCalledWith(expect.objectContaining({ isError: true }));
  });

  test.each(Object.entries(WAYS))('refuses what %s would get', async (_, way) => {
    const world = await start({ onToolResult: () => ({ refuse: 'secret' }) });
    await expect(way(world)).rejects.toEqual(
      failing('MCP_CALL_REFUSED', /^The host refused the result of the call: secret$/),
    );
    expect(world.sent()).toHaveLength(1);
  });

  test.each(Object.entries(WAYS))('gives %s another result', async (_, way) => {
    const result = { content: [{ type: 'text', text: 'redacted' }], _meta: { by: 'host' } };
    const world = await start({ onToolResult: () => ({ result }) });
    await expect(way(world)).resolves.toBe('redacted');
  });

  test.each([
    [false],
    ['text'],
    [{}],
    [{ content: [] }],
    [{ weight: 1 }],
    [{ arguments: {} }],
    [{ refuse: 'no', result: { content: [] } }],
    [{ result: {} }],
    [{ result: [] }],
    [{ result: { content: 'text' } }],
    [{ result: { content: ['text'] } }],
    [{ result: { content: [{ text: 'no type' }] } }],
    [{ result: { content: [], isError: 'yes' } }],
    [{ result: { content: [], _meta: [] } }],
  ])('fails the call with %p', async (answer) => {
    const { call } = await start({ onToolResult: () => answer });
    await expect(call()).rejects.toEqual(failing('MCP_HOST_ERROR', /onToolResult must resolve to/));
  });

  test('one that throws fails the call, one that hangs has its time', async () => {
    const answers = [() => Promise.reject(new Error('no scanner')), never];
    const { call } = await start({ onToolResult: () => answers.shift()() });
    await expect(call()).rejects.toEqual(failing('MCP_HOST_ERROR', /onToolResult failed: no scanner/));
    await expect(call({ options: { timeout: 300 } })).rejects.toEqual(
      failing('MCP_HOST_TIMEOUT', /onToolResult did not/),
    );
  });

  test('a result of megabytes is given whole', async () => {
    const text = 'ö'.repeat(2_000_000);
    const { call } = await start(
      { onToolResult: ({ bytes, result }) => ({ refuse: `${bytes} ${textOf(result).length}` }) },
      writes(JSON.stringify({ content: [{ type: 'text', text }] })),
    );
    await expect(call()).rejects.toEqual(failing('MCP_CALL_REFUSED', /: 40000\d\d 2000000$/));
  });
});

describe('tasks', () => {
  const done = { status: 'completed', result: { ...BASE, content: [{ type: 'text', text: 'gold' }] } };
  const runtimeOf = (server, services) =>
    fixtures.runtime({ servers: { srv: server.config }, allow: [server], services }).runtime;
  const DIG = { serverName: 'srv', toolName: 'dig', provider: 'openai', user, toolArguments: { deep: 1 } };

  test('a task is asked about at its begin, and at its end', async () => {
    let looks = 0;
    const services = { onToolCall: jest.fn(), onToolResult: jest.fn() };
    const server = fixtures.keep(await startTaskServer(() => (++looks < 3 ? { status: 'working' } : done)));
    await expect(runtimeOf(server, services).manager.callTool(DIG)).resolves.toEqual(['gold', undefined]);
    expect(services.onToolCall.mock.calls).toEqual([
      [expect.objectContaining({ toolName: 'dig', arguments: { deep: 1 } })],
    ]);
    expect(services.onToolResult.mock.calls).toEqual([[expect.objectContaining({ toolName: 'dig', isError: false })]]);
  });

  test('one that is gone on with is asked about as such', async () => {
    let isDone = false;
    const server = fixtures.keep(await startTaskServer(() => (isDone ? done : { status: 'working' })));
    const handles = [];
    const first = runtimeOf(server);
    const options = { ontask: (handle) => handles.push(handle) };
    const left = expect(first.manager.callTool({ ...DIG, options })).rejects.toMatchObject({ code: 'MCP_CLOSED' });
    await until('a handle', () => handles.length > 0);
    await first.close();
    await left;
    const asked = jest.fn();
    const { manager } = runtimeOf(server, { onToolCall: (call) => asked(call) });
    const resume = () => manager.resumeTask({ task: handles[0], user, provider: 'openai' });
    asked.mockReturnValueOnce({ arguments: {} });
    await expect(resume()).rejects.toEqual(failing('MCP_HOST_ERROR', /onToolCall gave arguments for a task/));
    asked.mockReturnValueOnce({ refuse: 'no longer' });
    await expect(resume()).rejects.toEqual(failing('MCP_CALL_REFUSED', /no longer/));
    isDone = true;
    await expect(resume()).resolves.toEqual(['gold', undefined]);
    expect(asked).toHaveBeenCalledTimes(3);
    for (const [call] of asked.mock.calls) {
      expect(call).toMatchObject({ resumed: true, toolName: 'dig', userId: user.id });
      expect(call).not.toHaveProperty('arguments');
    }
  });
});
