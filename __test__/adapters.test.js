/** Tools of MCP servers in agent frameworks, with the real packages and models that are scripted. */

const { execFile } = require('node:child_process');
const { promisify } = require('node:util');
const { AIMessage, HumanMessage, ToolMessage } = require('@langchain/core/messages');
const { fakeModel } = require('@langchain/core/testing');
const { tools: langchainTools } = require('../langchain');
const { createMCPRuntime } = require('./support/addon');
const { ADDON } = require('./support/example');
const { useFixtures } = require('./support/fixtures');
const { ROOT } = require('./support/pages');
const { BASE, discover, startModern } = require('./support/scripted-modern-server');
const { runScript } = require('./support/script');

const fixtures = useFixtures();

const LONG = 'a'.repeat(80);
const PICTURE = { type: 'image', mimeType: 'image/png', data: 'aGVsbG8=' };
const DEEP = JSON.parse('['.repeat(512) + ']'.repeat(512));
const RESULTS = {
  echo: (args) => ({ content: [{ type: 'text', text: args.text }], _meta: { seen: true } }),
  'files/read': () => ({ content: [{ type: 'text', text: 'slash' }] }),
  files_read: () => ({ content: [{ type: 'text', text: 'underscore' }] }),
  [`${LONG}1`]: () => ({ content: [{ type: 'text', text: 'first' }] }),
  [`${LONG}2`]: () => ({ content: [{ type: 'text', text: 'second' }] }),
  media: () => ({
    content: [
      { type: 'text', text: 'Look' },
      PICTURE,
      { type: 'audio', mimeType: 'audio/wav', data: 'aGVsbG8=' },
      { type: 'resource', resource: { uri: 'file:///a', text: 'of a file' } },
      { type: 'resource', resource: { uri: 'file:///b', blob: 'aGVsbG8=' } },
    ],
  }),
  structured: () => ({ content: [], structuredContent: { degrees: 21 } }),
  fails: () => ({ content: [{ type: 'text', text: 'No such city' }], isError: true }),
  fails_with_data: () => ({ content: [], structuredContent: { reason: 'late' }, isError: true }),
  /** Until it is cancelled. */
  waits: (_, { signal }) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('over')))),
};
const SCHEMA = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  type: 'object',
  properties: { text: { $ref: '#/$defs/words' } },
  required: ['text'],
  $defs: { words: { type: 'string' } },
};
/** What a server may answer in place of MCP, by what the error says of it. The SDK's server cannot be made to. */
const ODD = {
  'content is no list': { content: { type: 'text', text: 'x' } },
  'content[0] is no block of content': { content: [null] },
  'content[1] is no block of content': { content: [{ type: 'text', text: 'x' }, 'x'] },
  'content[0] has no text': { content: [{ type: 'text' }], isError: true },
  'content[0] has no data in base64, or no mimeType of an image': { content: [{ type: 'image', data: 'aGVsbG8=' }] },
  'content[1] has no data in base64, or no mimeType of an image': { content: [PICTURE, { ...PICTURE, data: '!!' }] },
  'it is nested deeper than 512 levels': {
    content: [],
    structuredContent: DEEP,
  },
};
const ODD_ERRORS = Object.entries(ODD).map(([fault, result], index) => ({
  name: 'MCPToolError',
  message: `The result of odd_${index} is not MCP: ${fault}`,
  code: 'MCP_INVALID_RESPONSE',
  result: typeof result === 'string' ? result : expect.objectContaining(result),
}));
/** Not for models, or no tool that a model can be given. */
const OTHERS = [
  { name: 'of_apps', inputSchema: { type: 'object' }, _meta: { ui: { visibility: ['app'] } } },
  { title: 'Nameless' },
  null,
  { name: 'odd_description', description: 5, inputSchema: { type: 'object' } },
  { name: 'odd_schema', inputSchema: 'x' },
  { name: 'odd_properties', inputSchema: { type: 'object', properties: null } },
  { name: 'deep_schema', inputSchema: { type: 'object', properties: { deep: DEEP } } },
];
const TOOLS = Object.keys(RESULTS).map((name) => ({
  name,
  ...(name === 'echo' && { title: 'Echo', description: 'Says it again' }),
  inputSchema: name === 'echo' ? SCHEMA : { type: 'object' },
}));
/** What they are called for models: what is allowed stays, and is given to no other tool. Those of apps are not there. */
const NAMES = [
  'echo',
  'files_read_2',
  'files_read',
  'a'.repeat(64),
  `${'a'.repeat(62)}_2`,
  'media',
  'structured',
  'fails',
  'fails_with_data',
  'waits',
  'bare',
];

/** What models get to know of what has bytes. */
const WITHOUT_BYTES = [
  { type: 'text', text: '{"type":"audio","mimeType":"audio/wav"}' },
  { type: 'text', text: 'of a file' },
  { type: 'text', text: '{"type":"resource","resource":{"uri":"file:///b"}}' },
];

async function startOddServer() {
  const answers = Object.values(ODD);
  const tools = answers.map((_, index) => ({ name: `odd_${index}`, inputSchema: { type: 'object' } }));
  const server = await startModern((method, params) => {
    if (method === 'server/discover') return discover();
    if (method === 'tools/list') return { ...BASE, tools };
    const answer = answers[tools.findIndex(({ name }) => name === params.name)];
    return typeof answer === 'object' ? { ...BASE, ...answer } : answer;
  });
  fixtures.keep(server);
  return { ...server, config: () => server.config };
}

const startServer = () =>
  fixtures.server({
    tools: [...OTHERS, ...TOOLS, { name: 'bare' }],
    callTool: ({ name, arguments: args }, extra) => RESULTS[name](args, extra),
  });

describe('the AI SDK', () => {
  async function generate(server, calls, timeout) {
    const parameters = { server: server.config(), allow: server.address, calls, timeout };
    const { code, output } = await runScript('ai-sdk.js', parameters);
    expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/^\{/) });
    return JSON.parse(output);
  }

  test('a model calls tools, by names that it takes, and sees texts and images', async () => {
    const server = await startServer();
    const { text, offered, told, outputs, caught, replayed } = await generate(server, [
      { toolName: 'echo', input: { text: 'Hello' } },
      { toolName: 'files_read_2', input: {} },
      { toolName: 'files_read', input: {} },
      { toolName: NAMES[4], input: {} },
      { toolName: 'media', input: {} },
      { toolName: 'structured', input: {} },
    ]);
    expect(offered.map(({ name }) => name)).toEqual(NAMES);
    const { $schema, ...inputSchema } = SCHEMA;
    expect(offered[0]).toMatchObject({ description: 'Says it again', inputSchema });
    expect(offered[0].inputSchema).not.toHaveProperty('$schema');
    expect(offered[1].inputSchema).toEqual({ type: 'object', properties: {} });
    const said = (value) => ({ type: 'content', value: [{ type: 'text', text: value }] });
    expect(told.slice(0, 4)).toEqual([said('Hello'), said('slash'), said('underscore'), said('second')]);
    const picture = { type: 'file', mediaType: 'image/png', data: { type: 'data', data: PICTURE.data } };
    expect(told[4]).toEqual({ type: 'content', value: [{ type: 'text', text: 'Look' }, picture, ...WITHOUT_BYTES] });
    expect(told[5]).toEqual({ type: 'json', value: { degrees: 21 } });
    expect(outputs).toEqual([
      RESULTS.echo({ text: 'Hello' }),
      ...outputs.slice(1, 4),
      RESULTS.media(),
      RESULTS.structured(),
    ]);
    expect({ text, caught }).toEqual({ text: 'Done.', caught: [] });
    expect(replayed).toEqual(['odd', { content: [null] }, { other: 1 }].map((value) => ({ type: 'json', value })));
  });

  test('a tool that fails is an error of the tool, and the model goes on', async () => {
    const calls = ['fails', 'fails_with_data'].map((toolName) => ({ toolName, input: {} }));
    const { text, told, caught } = await generate(await startServer(), calls);
    const messages = ['No such city', '{"reason":"late"}'];
    expect(caught).toEqual([
      { name: 'MCPToolError', message: messages[0], result: RESULTS.fails() },
      { name: 'MCPToolError', message: messages[1], result: RESULTS.fails_with_data() },
    ]);
    expect(told).toEqual(messages.map((message) => ({ type: 'error-text', value: `MCPToolError: ${message}` })));
    expect(text).toBe('Done.');
  });

  test('a result that is not MCP is an error of the tool, and the model goes on', async () => {
    const calls = ODD_ERRORS.map((_, index) => ({ toolName: `odd_${index}`, input: {} }));
    const { text, told, caught } = await generate(await startOddServer(), calls);
    expect(caught).toEqual(ODD_ERRORS);
    expect(told.map(({ type }) => type)).toEqual(calls.map(() => 'error-text'));
    expect(text).toBe('Done.');
  });

  test('a time-out of the AI SDK ends the call', async () => {
    const { caught } = await generate(await startServer(), [{ toolName: 'waits', input: {} }], { toolMs: 200 });
    expect(caught).toEqual([expect.objectContaining({ code: 'MCP_ABORTED' })]);
  });
});

describe('LangChain', () => {
  async function connect(start = startServer) {
    const server = await start();
    const config = { mcpServers: { server: server.config() }, mcpSettings: { allowedAddresses: [server.address] } };
    const runtime = fixtures.keep(createMCPRuntime({ config }));
    const tools = await langchainTools(runtime.client('server', { user: { id: 'alice' } }));
    return { server, tools, byName: Object.fromEntries(tools.map((tool) => [tool.name, tool])) };
  }

  const call = (name, args = {}) => ({ type: 'tool_call', id: `call-${name}`, name, args });

  test('a model calls tools until it has what it needs', async () => {
    const { tools, byName } = await connect();
    const model = fakeModel()
      .respondWithTools([call('echo', { text: 'Hello' }), call('files_read_2')])
      .respond(new AIMessage('Done.'))
      .bindTools(tools);
    const messages = [new HumanMessage('Go')];
    let answer = await model.invoke(messages);
    while (answer.tool_calls.length > 0) {
      messages.push(answer);
      for (const wanted of answer.tool_calls)
        messages.push(await byName[wanted.name].invoke({ ...wanted, type: 'tool_call' }));
      answer = await model.invoke(messages);
    }
    expect(answer.text).toBe('Done.');
    const results = messages.filter((message) => ToolMessage.isInstance(message));
    expect(results.map(({ content }) => content)).toEqual(['Hello', 'slash']);
    expect(results[0].artifact).toEqual(RESULTS.echo({ text: 'Hello' }));
  });

  test('tools have names that models take, and schemas', async () => {
    const { tools, byName } = await connect();
    expect(tools.map(({ name }) => name)).toEqual(NAMES);
    expect(byName.echo).toMatchObject({ description: 'Says it again', schema: { required: ['text'] } });
    expect(await byName[NAMES[4]].invoke({})).toBe('second');
    await expect(byName.echo.invoke({ text: 1 })).rejects.toThrow('did not match expected schema');
  });

  test('images are images, and structured content stands in for content', async () => {
    const { byName } = await connect();
    const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${PICTURE.data}` } };
    expect(await byName.media.invoke({})).toEqual([{ type: 'text', text: 'Look' }, image, ...WITHOUT_BYTES]);
    expect(await byName.structured.invoke({})).toBe('{"degrees":21}');
  });

  test('a tool that fails rejects with what it says', async () => {
    const { byName } = await connect();
    const error = { name: 'MCPToolError', message: 'No such city', result: RESULTS.fails() };
    await expect(byName.fails.invoke(call('fails'))).rejects.toMatchObject(error);
    const withData = byName.fails_with_data.invoke(call('fails_with_data'));
    await expect(withData).rejects.toMatchObject({ name: 'MCPToolError', message: '{"reason":"late"}' });
  });

  test('a result that is not MCP rejects with what is wrong in it', async () => {
    const { tools } = await connect(startOddServer);
    expect(tools).toHaveLength(ODD_ERRORS.length);
    for (const [index, tool] of tools.entries())
      await expect(tool.invoke(call(tool.name))).rejects.toMatchObject(ODD_ERRORS[index]);
  });

  test('a signal ends the call at the server', async () => {
    const { server, byName } = await connect();
    const stop = new AbortController();
    const ended = byName.waits.invoke({}, { signal: stop.signal });
    await server.arrival('tools/call');
    stop.abort();
    await expect(ended).rejects.toMatchObject({ code: 'MCP_ABORTED' });
    await server.arrival('notifications/cancelled');
  });

  test('a time-out ends the call', async () => {
    const { byName } = await connect();
    const error = await byName.waits.invoke({}, { timeout: 200 }).catch((error) => error);
    // Its signal and its number come to the same; one of a request is the SDK's.
    expect(error.mcpCode ?? error.code).toMatch(/^MCP_(ABORTED|TIMEOUT)$/);
  });
});

test('the example of an agent of two users', async () => {
  const env = { ...process.env, ...ADDON, AI_GATEWAY_API_KEY: '' };
  const { stdout } = await promisify(execFile)('npm', ['run', '--silent', 'example:agent'], { cwd: ROOT, env });
  const said = (name) => stdout.split('\n').filter((line) => line.startsWith(`${name}: `));
  expect(said('alice')).toEqual(
    ['echo: Echo: Hello, alice', 'get-sum: The sum of 5 and 1 is 6.', 'Done.'].map((line) => `alice: ${line}`),
  );
  expect(said('bob')).toEqual(
    ['echo: Echo: Hello, bob', 'get-sum: The sum of 3 and 1 is 4.', 'Done.'].map((line) => `bob: ${line}`),
  );
});
