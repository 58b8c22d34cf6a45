const { createMCPRuntime } = require('./support/addon');
const { createHost, createUser } = require('./support/host');
const { BASE, discover, startModern } = require('./support/scripted-modern-server');
const { until } = require('./support/wait');

const TOOL = {
  name: 'ask',
  inputSchema: { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } },
};

let close;

afterEach(() => close());

async function connect(answer, services, config, discovered = discover()) {
  const server = await startModern((method, ...rest) =>
    method === 'server/discover' ? discovered : answer(method, ...rest),
  );
  const host = createHost({ servers: { srv: { ...server.config, ...config } }, allow: [server], services });
  const runtime = createMCPRuntime(host.services);
  close = async () => {
    await runtime.close();
    server.close();
  };
  const user = createUser();
  const call = (toolArguments) =>
    runtime.manager.callTool({ serverName: 'srv', toolName: 'ask', user, provider: 'openai', toolArguments });
  return { call, received: server.received, runtime, user };
}

const done = { ...BASE, content: [{ type: 'text', text: 'done' }] };
const requestedSchema = { type: 'object', properties: { sure: { type: 'boolean' } } };
const question = { method: 'elicitation/create', params: { message: 'Sure?', requestedSchema } };

test('a server that needs input is asked again with the answers and its own state', async () => {
  const elicitation = jest.fn(() => ({ action: 'accept', content: { sure: true } }));
  const { call, received } = await connect(
    (_, params) =>
      params.inputResponses
        ? done
        : { resultType: 'input_required', inputRequests: { sure: question }, requestState: '{"a": 1}' },
    { elicitation },
  );
  expect(await call({ region: 'eu' })).toEqual(['done', undefined]);
  const [first, second] = received('tools/call');
  expect(elicitation.mock.calls[0][0]).toMatchObject(question.params);
  expect(second.params).toMatchObject({
    ...{ name: 'ask', arguments: { region: 'eu' }, requestState: '{"a": 1}' },
    inputResponses: { sure: { action: 'accept', content: { sure: true } } },
  });
  expect(second.id).not.toBe(first.id);
});

test('input that nobody here can give fails the call', async () => {
  const { call, received } = await connect(() => ({ resultType: 'input_required', inputRequests: { sure: question } }));
  await expect(call({})).rejects.toMatchObject({ name: 'McpError', code: -32601 });
  expect(received('tools/call')).toHaveLength(1);
});

test('a server that always wants more is left after ten rounds', async () => {
  const { call, received } = await connect(() => ({ resultType: 'input_required', requestState: 's' }));
  await expect(call({})).rejects.toMatchObject({ code: 'MCP_INVALID_RESPONSE' });
  expect(received('tools/call')).toHaveLength(11);
});

test.each([
  ['a string', 'done', 'a string'],
  ['a number', 5, 'a number'],
  ['an array', [done], 'an array'],
  ['of an unknown type', { ...done, resultType: 'weird' }, '"weird"'],
  ['a task without an id', { ...done, resultType: 'task' }, 'a task'],
])('a result that is %s is none', async (_, result, came) => {
  const { call, runtime, user } = await connect(() => result);
  const invalid = { code: 'MCP_INVALID_RESPONSE', message: expect.stringContaining(came) };
  await expect(call({})).rejects.toMatchObject(invalid);
  const read = runtime.client('srv', { user }).readResource({ uri: 'file:///a' });
  await expect(read).rejects.toMatchObject({ code: 'MCP_INVALID_RESPONSE' });
});

test('a result of a server of 2025-11-25 is an object, too', async () => {
  const { call } = await connect(
    (method) => {
      if (method !== 'initialize') return ['done'];
      return { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo: { name: 'srv', version: '1' } };
    },
    {},
    {},
    {},
  );
  await expect(call({})).rejects.toMatchObject({ message: expect.stringContaining('an array') });
});

test('arguments that the tool list wants as headers are sent as headers, also without having listed before', async () => {
  const { call, received } = await connect((method, _, headers) => {
    if (method === 'tools/list') return { ...BASE, tools: [TOOL] };
    return headers['mcp-param-region'] === 'eu' ? done : { error: { code: -32020, message: 'missing header' } };
  });
  expect(await call({ region: 'eu' })).toEqual(['done', undefined]);
  expect(await call({ region: 'eu' })).toEqual(['done', undefined]);
  expect(received('tools/list')).toHaveLength(1);
  expect(received('tools/call')).toHaveLength(3);
});

test('a number that is a header is the same text in the body, in every round', async () => {
  const counting = { name: 'ask', inputSchema: { properties: { n: { type: 'integer', 'x-mcp-header': 'N' } } } };
  const { call, received, runtime, user } = await connect((method, params) => {
    if (method === 'tools/list') return { ...BASE, tools: [counting] };
    return params.requestState ? done : { resultType: 'input_required', requestState: 's' };
  });
  await runtime.reinitMCPServer({ serverName: 'srv', user });
  for (const n of [7, 2 ** 53, 1e20, -(2 ** 63)]) await call({ n });
  const calls = received('tools/call');
  expect(calls).toHaveLength(8);
  for (const { headers, text } of calls) expect(text.split(/[{},]/)).toContain(`"n":${headers['mcp-param-n']}`);
});

test('tools that want impossible headers are left out', async () => {
  const odd = { name: 'odd', inputSchema: { properties: { a: { type: 'object', 'x-mcp-header': 'A' } } } };
  const { runtime, user } = await connect(() => ({ ...BASE, tools: [odd, TOOL] }));
  const { tools } = await runtime.reinitMCPServer({ serverName: 'srv', user });
  expect(tools).toEqual([TOOL]);
});

test('a server that answers server/discover with an empty result is asked to initialize', async () => {
  const server = await startModern((method) => {
    if (method === 'initialize') {
      return { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo: { name: 'srv', version: '1' } };
    }
    return method === 'tools/list' ? { tools: [TOOL] } : {};
  });
  const { services } = createHost({ servers: { srv: server.config }, allow: [server] });
  const runtime = createMCPRuntime(services);
  close = async () => {
    await runtime.close();
    server.close();
  };
  const { success, tools } = await runtime.reinitMCPServer({ serverName: 'srv', user: createUser() });
  expect({ success, tools }).toEqual({ success: true, tools: [TOOL] });
});

describe('a handler of what a result asks', () => {
  const asking = (inputRequests) => ({ resultType: 'input_required', requestState: 's', inputRequests });

  /** A handler that waits for its signal. */
  function waitingForSignal() {
    const peers = [];
    const elicitation = (_, peer) => {
      peers.push(peer);
      return new Promise((resolve) => {
        peer.signal.addEventListener('abort', () => resolve({ action: 'cancel' }));
      });
    };
    return { peers, services: { elicitation } };
  }

  test('knows its key, and hears that another question cannot be answered', async () => {
    const { peers, services } = waitingForSignal();
    const unknown = { method: 'unknown/method', params: {} };
    const { call, user } = await connect(() => asking({ first: question, second: unknown }), services);
    await expect(call({})).rejects.toMatchObject({ code: -32601 });
    await until('the signal', () => peers[0].signal.aborted);
    expect(peers).toEqual([expect.objectContaining({ userId: user.id, toolName: 'ask', requestId: 'first' })]);
  });

  test('fails the call with what it throws', async () => {
    const thrown = new Error('a fault of the host');
    const elicitation = () => {
      throw thrown;
    };
    const { call } = await connect(() => asking({ first: question }), { elicitation });
    const error = await call({}).catch((failure) => failure);
    expect(error).toMatchObject({ code: 'MCP_HOST_ERROR', message: expect.stringContaining('a fault of the host') });
    expect(error.cause).toBe(thrown);
  });

  test('hears that the connection has ended, as its call does', async () => {
    const { peers, services } = waitingForSignal();
    const { call, runtime, user } = await connect(() => asking({ first: question }), services, { startup: false });
    const called = call({}).catch((error) => error.mcpCode);
    await until('the question', () => peers.length > 0);
    await runtime.manager.disconnectUserConnection(user.id, 'srv');
    expect(await called).toBe('MCP_CONNECTION_LOST');
    await until('the signal', () => peers[0].signal.aborted);
  });
});
