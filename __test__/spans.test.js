/** Spans of callers' requests have the names and attributes of OpenTelemetry's conventions for MCP. */

const { everythingOverStdio } = require('./support/everything');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { startModernServer } = require('./support/modern-server');
const { until } = require('./support/wait');

const fixtures = useFixtures();
const user = createUser();

/** A client whose spans are kept; `of(name)` waits for those of that name. */
function connect(servers, allow) {
  const spans = [];
  const { runtime } = fixtures.runtime({ servers, allow, services: { onSpans: (batch) => spans.push(...batch) } });
  const of = async (name) => {
    const found = () => spans.filter((span) => span.name === name);
    await until(`the span ${name}`, () => found().length > 0);
    return found();
  };
  return { runtime, client: runtime.client('srv', { user }), spans, of };
}

test('each request of a client has one', async () => {
  const server = await fixtures.everything('streamableHttp');
  const { client, of, spans } = connect({ srv: server.config({ startup: false }) }, [server]);
  const { hostname, port } = new URL(server.url);

  await client.ping();
  await client.callTool({ name: 'echo', arguments: { message: 'secret argument' } });
  const { resources } = await client.listResources();
  await client.readResource({ uri: resources[0].uri });
  await client.getPrompt({ name: 'args-prompt', arguments: { city: 'Bern' } });
  await client.complete({
    ref: { type: 'ref/prompt', name: 'completable-prompt' },
    argument: { name: 'department', value: 'E' },
  });

  const common = {
    'mcp.server.name': 'srv',
    'mcp.session.id': expect.stringMatching(/^[\w-]{36}$/),
    'mcp.protocol.version': '2025-11-25',
    'network.transport': 'tcp',
    'network.protocol.name': 'http',
    'server.address': hostname,
    'server.port': Number(port),
    'jsonrpc.request.id': expect.stringMatching(/^\d+$/),
    'user.id': user.id,
  };
  const expected = {
    ping: { 'mcp.method.name': 'ping' },
    'tools/call echo': {
      'mcp.method.name': 'tools/call',
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 'echo',
    },
    'resources/list': { 'mcp.method.name': 'resources/list' },
    'resources/read': { 'mcp.method.name': 'resources/read', 'mcp.resource.uri': resources[0].uri },
    'prompts/get args-prompt': { 'mcp.method.name': 'prompts/get', 'gen_ai.prompt.name': 'args-prompt' },
    'completion/complete': { 'mcp.method.name': 'completion/complete' },
  };
  for (const [name, attributes] of Object.entries(expected)) {
    const [span, ...more] = await of(name);
    expect(more).toEqual([]);
    expect(span).toMatchObject({ kind: 2, status: { code: 0 } });
    expect(span.attributes).toEqual({ ...common, ...attributes });
  }
  const ids = spans.map(({ attributes }) => attributes['jsonrpc.request.id']).filter(Boolean);
  expect(new Set(ids).size).toBe(Object.keys(expected).length);
  expect(JSON.stringify(spans)).not.toMatch(/secret|Bern/);
});

test('a failure says what the server has answered', async () => {
  const server = await fixtures.everything('streamableHttp');
  const { client, of } = connect({ srv: server.config({ startup: false }) }, [server]);
  await expect(client.readResource({ uri: 'nobody://knows?key=secret' })).rejects.toThrow();
  const [{ attributes, status }] = await of('resources/read');
  expect(attributes).toMatchObject({
    'error.type': '-32602',
    'rpc.response.status_code': '-32602',
    'mcp.resource.uri': 'nobody://knows',
  });
  expect(status).toEqual({ code: 2, message: expect.stringContaining('nobody://knows') });

  await client.callTool({ name: 'nobody-knows', arguments: {} });
  const [failed] = await of('tools/call nobody-knows');
  expect(failed.attributes).toMatchObject({ 'error.type': 'tool_error' });
  expect(failed.attributes).not.toHaveProperty('rpc.response.status_code');
  expect(failed.status).toEqual({ code: 2, message: 'tool_error' });
});

test('over stdio there is neither session nor address', async () => {
  const { client, of } = connect({ srv: everythingOverStdio({ startup: false }) });
  await client.ping();
  const [{ attributes }] = await of('ping');
  expect(attributes).toEqual({
    'mcp.server.name': 'srv',
    'mcp.method.name': 'ping',
    'mcp.protocol.version': '2025-11-25',
    'network.transport': 'pipe',
    'jsonrpc.request.id': expect.stringMatching(/^\d+$/),
    'user.id': user.id,
  });
});

test('of a server of 2026-07-28, whose cached answers were not asked for again', async () => {
  const server = fixtures.keep(await startModernServer());
  const { client, of } = connect({ srv: server.config({ startup: false }) }, [server]);
  await client.listTools();
  const [{ attributes }] = await of('tools/list');
  expect(attributes).toMatchObject({ 'mcp.protocol.version': '2026-07-28', 'network.transport': 'tcp' });
  expect(attributes).not.toHaveProperty('mcp.session.id');
});

test('requests of connection objects, and methods that nobody knows', async () => {
  const { client, runtime, of } = connect({ srv: everythingOverStdio({ startup: false }) });
  const connection = await runtime.manager.getConnection({ user, serverName: 'srv' });
  await connection.client.request({ method: 'tools/call', params: { name: 'echo', arguments: { message: 'x' } } });
  await connection.fetchTools();
  await connection.fetchPrompts();
  const { resources } = await client.listResources();
  await connection.subscribeResource(resources[0].uri);
  await connection.unsubscribeResource(resources[0].uri);
  await expect(client.request({ method: 'made/up' })).rejects.toThrow();
  const names = ['tools/call echo', 'tools/list', 'prompts/list', '_other'];
  for (const name of [...names, 'resources/subscribe', 'resources/unsubscribe']) {
    const found = await of(name);
    expect(found).toHaveLength(1);
  }
  const [subscribed] = await of('resources/subscribe');
  expect(subscribed.attributes).toMatchObject({
    'mcp.resource.uri': resources[0].uri,
    'jsonrpc.request.id': expect.stringMatching(/^\d+$/),
  });
  const [{ attributes }] = await of('_other');
  expect(attributes).toMatchObject({ 'mcp.method.name': '_other', 'error.type': '-32601' });
  expect(runtime.stats().operations.srv).toMatchObject({
    'tools/call': { ok: { count: 1 } },
    'tools/list': { ok: { count: 1 } },
    'resources/subscribe': { ok: { count: 1 } },
    _other: { MCP_SERVER_ERROR: { count: 1 } },
  });
});
