/** `runtime.client` of servers of 2026-07-28, which know no sessions. */

const { inputRequired } = require('@modelcontextprotocol/server');
const { text, tool, useClients } = require('./support/client');
const { startModernServer } = require('./support/modern-server');
const { until } = require('./support/wait');

const { fixtures } = useClients();

const base = { ttlMs: 0, cacheScope: 'private' };

async function modern(options, services) {
  const server = fixtures.keep(await startModernServer(options));
  const host = fixtures.runtime({ servers: { srv: server.config() }, allow: [server], services });
  return { ...host, server, client: host.runtime.client('srv') };
}

const failure = (promise) =>
  promise.catch(({ name, code, mcpCode, status, data }) => ({ name, code, mcpCode, status, data }));

test('lists, results, prompts, completion', async () => {
  const capabilities = { tools: {}, prompts: {}, resources: {}, completions: {} };
  const handlers = {
    'tools/list': ({ params }) =>
      params?.cursor ? { tools: [tool('b')], ...base } : { tools: [tool('a')], nextCursor: '2', ...base },
    'tools/call': ({ params }) => ({ ...text(params.arguments.text), structuredContent: [1] }),
    'prompts/list': () => ({ prompts: [{ name: 'p' }], ...base }),
    'prompts/get': ({ params }) => ({
      messages: [{ role: 'user', content: { type: 'text', text: params.arguments.x } }],
    }),
    'resources/templates/list': () => ({ resourceTemplates: [{ name: 't', uriTemplate: 'a:{b}' }], ...base }),
    'resources/read': ({ params }) => ({ contents: [{ uri: params.uri, text: 'r' }], ...base }),
    'completion/complete': () => ({ completion: { values: ['v'] } }),
  };
  const { client } = await modern({ tools: [], capabilities, handlers });
  expect(await client.listTools()).toEqual({ tools: [tool('a'), tool('b')] });
  expect(client.protocolVersion).toBe('2026-07-28');
  expect(client.capabilities).toMatchObject({ completions: {}, tools: { listChanged: true } });
  expect(client.serverInfo).toEqual({ name: 'modern', version: '1.0.0' });
  const result = await client.callTool({ name: 'a', arguments: { text: 'hi' } });
  expect(result).toMatchObject({ ...text('hi'), structuredContent: [1], resultType: 'complete' });
  expect((await client.listPrompts()).prompts).toEqual([{ name: 'p' }]);
  expect((await client.getPrompt({ name: 'p', arguments: { x: 'y' } })).messages[0].content.text).toBe('y');
  expect((await client.listResourceTemplates()).resourceTemplates).toHaveLength(1);
  expect((await client.readResource({ uri: 'a:1' })).contents).toEqual([{ uri: 'a:1', text: 'r' }]);
  const ref = { type: 'ref/prompt', name: 'p' };
  expect((await client.complete({ ref, argument: { name: 'x', value: '' } })).completion.values).toEqual(['v']);
});

test('the logging level goes with each request of this client', async () => {
  const callTool = async (context) => {
    for (const level of ['debug', 'error']) await context.mcpReq.log(level, level);
    return text('done');
  };
  const heard = [];
  const onLogMessage = ({ data }) => heard.push(data);
  const { client, runtime, server } = await modern({ capabilities: { logging: {} }, callTool }, { onLogMessage });
  expect(await client.setLoggingLevel('debug')).toEqual({});
  await runtime.client('srv').callTool({ name: 'echo' });
  await client.callTool({ name: 'echo' });
  await until('the log messages', () => heard.length === 3);
  expect(heard).toEqual(['error', 'debug', 'error']);
  const levels = server.received('tools/call').map(({ message }) => message.params._meta);
  expect(levels.map((meta) => meta['io.modelcontextprotocol/logLevel'])).toEqual(['info', 'debug']);
});

test('a ping asks who is there', async () => {
  const { client, server } = await modern();
  expect(await client.ping()).toEqual({});
  expect(server.received('ping')).toEqual([]);
  expect(server.received('server/discover').length).toBeGreaterThan(1);
});

test('updates of resources, on a stream of their own, for those who are subscribed', async () => {
  const resources = { 'file:///a': '1', 'file:///b': '1' };
  const { client, runtime, server } = await modern({ resources, capabilities: { resources: { subscribe: true } } });
  const other = runtime.client('srv');
  const heard = [];
  client.on('resourceUpdated', ({ uri }) => heard.push(uri));
  other.on('resourceUpdated', ({ uri }) => heard.push(`other ${uri}`));
  await client.subscribeResource({ uri: 'file:///a' });
  await other.subscribeResource({ uri: 'file:///b' });
  server.notify.resourceUpdated('file:///b');
  server.notify.resourceUpdated('file:///a');
  await until('both updates', () => heard.length === 2);
  expect(heard.sort()).toEqual(['file:///a', 'other file:///b']);
  expect(server.received('resources/subscribe')).toEqual([]);
});

test('the server’s own errors, which have an HTTP status, too', async () => {
  const inputRequests = {
    q: inputRequired.elicit({ message: '?', requestedSchema: { type: 'object', properties: {} } }),
  };
  const { client, server } = await modern({ callTool: () => inputRequired({ inputRequests }) });
  expect(await failure(client.callTool({ name: 'echo' }))).toEqual({
    ...{ name: 'McpError', code: -32021, mcpCode: 'MCP_SERVER_ERROR', status: 400 },
    data: { requiredCapabilities: { elicitation: { form: {} } } },
  });
  const unknown = { name: 'McpError', code: -32601, mcpCode: 'MCP_SERVER_ERROR', status: 404 };
  expect(await failure(client.request({ method: 'x/unknown' }))).toEqual(unknown);

  const answers = [
    [404, null, unknown],
    [400, 'of another request', { name: 'Error', code: 'MCP_HTTP_STATUS' }],
    [500, undefined, { name: 'Error', code: 'MCP_HTTP_STATUS' }],
    [403, undefined, { name: 'Error', code: 'MCP_AUTHORIZATION_REQUIRED' }],
    [429, undefined, { name: 'Error', code: 'MCP_RATE_LIMITED' }],
  ];
  for (const [status, id, expected] of answers) {
    server.answer = (message, _, response) => {
      const error = { code: -32601, message: 'no' };
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ jsonrpc: '2.0', id: id === undefined ? message.id : id, error }));
      return true;
    };
    expect(await failure(client.request({ method: 'x/unknown' }))).toEqual({ ...expected, status });
  }
});
