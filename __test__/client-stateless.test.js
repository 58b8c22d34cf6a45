/** `runtime.client` of servers of 2026-07-28, which know no sessions. */

const { text, tool, useClients } = require('./support/client');
const { startStatelessServer } = require('./support/stateless-server');
const { until } = require('./support/wait');

const { fixtures } = useClients();

const never = { ttlMs: 0, cacheScope: 'private' };

async function stateless(options, services) {
  const server = fixtures.keep(await startStatelessServer(options));
  const host = fixtures.runtime({ servers: { srv: server.config() }, allow: [server], services });
  return { ...host, server, client: host.runtime.client('srv') };
}

test('lists, results, prompts, completion', async () => {
  const capabilities = { tools: {}, prompts: {}, resources: {}, completions: {} };
  const handlers = {
    'tools/list': ({ params }) =>
      params?.cursor ? { tools: [tool('b')], ...never } : { tools: [tool('a')], nextCursor: '2', ...never },
    'tools/call': ({ params }) => ({ ...text(params.arguments.text), structuredContent: [1] }),
    'prompts/list': () => ({ prompts: [{ name: 'p' }], ...never }),
    'prompts/get': ({ params }) => ({
      messages: [{ role: 'user', content: { type: 'text', text: params.arguments.x } }],
    }),
    'resources/templates/list': () => ({ resourceTemplates: [{ name: 't', uriTemplate: 'a:{b}' }], ...never }),
    'resources/read': ({ params }) => ({ contents: [{ uri: params.uri, text: 'r' }], ...never }),
    'completion/complete': () => ({ completion: { values: ['v'] } }),
  };
  const { client } = await stateless({ capabilities, handlers });
  expect(await client.listTools()).toEqual({ tools: [tool('a'), tool('b')] });
  expect([client.protocolVersion, client.capabilities]).toEqual(['2026-07-28', capabilities]);
  expect(client.serverInfo).toEqual({ name: 'stateless-server', version: '1.0.0', title: 'Stateless' });
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
  const handlers = {
    'tools/list': () => ({ tools: [tool('a')], ...never }),
    'tools/call': async (_, context) => {
      await context.mcpReq.log('info', 'said');
      return text('done');
    },
  };
  const heard = [];
  const onLogMessage = ({ data }, peer) => heard.push([data, peer.toolName]);
  const { client, runtime, server } = await stateless(
    { capabilities: { tools: {}, logging: {} }, handlers },
    { onLogMessage },
  );
  expect(await client.setLoggingLevel('info')).toEqual({});
  await runtime.client('srv').callTool({ name: 'a' });
  await client.callTool({ name: 'a' });
  await until('the log message', () => heard.length > 0);
  expect(heard).toEqual([['said', 'a']]);
  const levels = server.received('tools/call').map(({ message }) => message.params._meta);
  expect(levels.map((meta) => meta['io.modelcontextprotocol/logLevel'])).toEqual([undefined, 'info']);
});

test('a ping asks who is there', async () => {
  const { client, server } = await stateless();
  expect(await client.ping()).toEqual({});
  expect(server.received('ping')).toEqual([]);
  expect(server.received('server/discover').length).toBeGreaterThan(1);
});
