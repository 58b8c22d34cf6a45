/** What servers are told of the client, and are refused where they were not told of it. */

const { CreateMessageResultWithToolsSchema, ElicitResultSchema } = require('@modelcontextprotocol/sdk/types.js');
const addon = require('./support/addon');
const { ECHO } = require('./support/calls');
const { useFixtures } = require('./support/fixtures');
const { createHost, createUser } = require('./support/host');
const { startModernServer } = require('./support/modern-server');

const fixtures = useFixtures();
const user = createUser();

/** A server of this generation, and what it was told of the client. */
async function start(generation, { callTool, config, services } = {}) {
  const isModern = generation === '2026-07-28';
  const server = isModern ? fixtures.keep(await startModernServer({ callTool })) : await fixtures.server({ callTool });
  const host = fixtures.runtime({ servers: { srv: server.config(config) }, allow: [server], services });
  const call = async () => JSON.parse((await host.runtime.manager.callTool({ ...ECHO, user }))[0]);
  const connect = () => host.runtime.manager.getConnection({ serverName: 'srv', user });
  const told = () => {
    const [{ message }] = server.received(isModern ? 'server/discover' : 'initialize');
    if (!isModern) return { info: message.params.clientInfo, capabilities: message.params.capabilities };
    const { _meta } = message.params;
    return {
      info: _meta['io.modelcontextprotocol/clientInfo'],
      capabilities: _meta['io.modelcontextprotocol/clientCapabilities'],
    };
  };
  return { ...host, server, call, connect, told };
}

describe.each(['2025-11-25', '2026-07-28'])('a server of %s', (generation) => {
  test('hears of LibreChat’s client, which can do nothing, unless the host says more', async () => {
    const { connect, told } = await start(generation);
    await connect();
    expect(told()).toEqual({ info: { name: '@librechat/api-client', version: '1.2.3' }, capabilities: {} });
  });

  test('hears of the host’s client and extensions, and of those of its own config', async () => {
    const clientInfo = { name: 'agents', title: 'Agents', version: '2.0.0', websiteUrl: 'https://a.example' };
    const services = {
      clientInfo,
      extensions: { 'com.example/kept': { a: [1] }, 'com.example/changed': { a: 1 }, 'com.example/gone': {} },
    };
    const config = {
      extensions: { 'com.example/changed': { b: 2 }, 'com.example/gone': null, 'com.example/own': {} },
    };
    const { connect, told } = await start(generation, { services, config });
    await connect();
    expect(told()).toEqual({
      info: clientInfo,
      capabilities: {
        extensions: { 'com.example/kept': { a: [1] }, 'com.example/changed': { b: 2 }, 'com.example/own': {} },
      },
    });
  });

  test('shows what it supports itself, as it wrote it', async () => {
    const capabilities = { tools: {}, experimental: { x: { deep: [1, null] } } };
    const server =
      generation === '2026-07-28'
        ? fixtures.keep(await startModernServer({ capabilities }))
        : await fixtures.server({ capabilities });
    const { runtime } = fixtures.runtime({ servers: { srv: server.config() }, allow: [server] });
    const connection = await runtime.manager.getConnection({ serverName: 'srv', user });
    expect(connection.client.getServerCapabilities()).toMatchObject(capabilities);
  });
});

describe('sampling', () => {
  const tools = [{ name: 'weather', inputSchema: { type: 'object' } }];
  const messages = [{ role: 'user', content: { type: 'text', text: 'How is it?' } }];
  const sampled = {
    role: 'assistant',
    model: 'm',
    stopReason: 'toolUse',
    content: [
      { type: 'text', text: 'I look.' },
      { type: 'tool_use', id: '1', name: 'weather', input: { at: 'sea' } },
    ],
  };
  const asking =
    (params) =>
    async (_, { sendRequest }) => {
      const request = { method: 'sampling/createMessage', params: { messages, maxTokens: 9, ...params } };
      const answer = await sendRequest(request, CreateMessageResultWithToolsSchema).catch(({ code }) => ({ code }));
      return { content: [{ type: 'text', text: JSON.stringify(answer) }] };
    };

  test('with tools reaches a host that takes them, as `this` of its handler', async () => {
    const sampling = {
      tools: true,
      context: true,
      handler(params) {
        this.seen = params;
        return sampled;
      },
    };
    const wanted = { tools, toolChoice: { mode: 'required' }, includeContext: 'thisServer' };
    const { call, told } = await start('2025-11-25', { callTool: asking(wanted), services: { sampling } });
    expect(await call()).toEqual(sampled);
    expect(sampling.seen).toEqual({ messages, maxTokens: 9, ...wanted });
    expect(told().capabilities).toEqual({ sampling: { tools: {}, context: {} } });
  });

  test.each([
    ['tools', { tools }],
    ['toolChoice', { toolChoice: { mode: 'none' } }],
  ])('with %s is refused where the host has not said that it takes them', async (_, wanted) => {
    const sampling = jest.fn(() => sampled);
    const { call, told } = await start('2025-11-25', { callTool: asking(wanted), services: { sampling } });
    expect(await call()).toEqual({ code: -32602 });
    expect(sampling).not.toHaveBeenCalled();
    expect(told().capabilities).toEqual({ sampling: {} });
  });
});

test('forms reach the host as they are, choices and defaults among them', async () => {
  const requestedSchema = {
    type: 'object',
    properties: {
      one: {
        type: 'string',
        oneOf: [
          { const: 'a', title: 'Apple' },
          { const: 'b', title: 'Pear' },
        ],
        default: 'b',
      },
      many: {
        type: 'array',
        items: {
          anyOf: [
            { const: 'x', title: 'X' },
            { const: 'y', title: 'Y' },
          ],
        },
        default: ['x', 'y'],
      },
      old: { type: 'string', enum: ['u', 'v'], enumNames: ['U', 'V'], default: 'u' },
      sure: { type: 'boolean', default: false },
      age: { type: 'integer', default: 30 },
    },
  };
  const params = { mode: 'form', message: 'Choose', requestedSchema };
  const callTool = async (_, { sendRequest }) => {
    const answer = await sendRequest({ method: 'elicitation/create', params }, ElicitResultSchema);
    return { content: [{ type: 'text', text: JSON.stringify(answer) }] };
  };
  const elicitation = jest.fn(() => ({ action: 'accept', content: { one: 'a', many: ['y'] } }));
  const { call } = await start('2025-11-25', { callTool, services: { elicitation } });
  const content = { one: 'a', many: ['y'], old: 'u', sure: false, age: 30 };
  expect(await call()).toEqual({ action: 'accept', content });
  expect(elicitation.mock.calls[0][0]).toEqual(params);
});

describe('what is wrong is said at once', () => {
  test.each([
    ['clientInfo must be an object', { clientInfo: 'me' }],
    ['clientInfo is no Implementation', { clientInfo: { name: 'me' } }],
    ['clientInfo.name', { clientInfo: { name: '', version: '1' } }],
    ['extensions["ui"] must be named', { extensions: { ui: {} } }],
    ['extensions["a/b"] must be an object', { extensions: { 'a/b': true } }],
    ['sampling must be a function or an object', { sampling: 7 }],
    ['sampling.handler must be a function', { sampling: { tools: true } }],
    ['traceContext must be a function', { traceContext: {} }],
  ])('host.%s', (message, services) => {
    const make = () => addon.createMCPRuntime(createHost({ services }).services);
    expect(make).toThrow(expect.objectContaining({ name: 'TypeError', message: expect.stringContaining(message) }));
  });

  test.each([
    ['shared', 'no'],
    ['elicitation', 1],
    ['extensions', []],
    ['extensions', { ui: {} }],
    ['extensions', { 'a/b': 7 }],
  ])('%s: %j in a config', async (name, value) => {
    const { connect } = await start('2025-11-25', { config: { [name]: value } });
    await expect(connect()).rejects.toMatchObject({
      code: 'MCP_INVALID_CONFIG',
      message: expect.stringContaining(name),
    });
    const config = { type: 'sse', url: 'https://a.example', [name]: value };
    const paths = addon.validateServerConfig(config, { source: 'yaml' }).map(({ path }) => path[0]);
    expect(paths).toEqual([name]);
  });

  test('the three are an operator’s', () => {
    const config = { type: 'sse', url: 'https://a.example' };
    const own = { shared: false, elicitation: false, extensions: { 'a/b': {}, 'a/c': null } };
    expect(addon.validateServerConfig({ ...config, ...own }, { source: 'yaml' })).toEqual([]);
    for (const name of Object.keys(own)) {
      const issues = addon.validateServerConfig({ ...config, [name]: own[name] }, { source: 'user' });
      expect(issues).toHaveLength(1);
    }
  });
});

test('a config of this package has the three, too', async () => {
  const server = await fixtures.server();
  const members = { shared: false, elicitation: false, extensions: { 'a/b': {} } };
  const mcpServers = { srv: server.config(members) };
  const config = { mcpServers, mcpSettings: { allowedAddresses: [server.address] } };
  const runtime = fixtures.keep(addon.createMCPRuntime({ config, elicitation: () => ({ action: 'accept' }) }));
  for (const user of [createUser(), createUser()]) await runtime.manager.callTool({ ...ECHO, user });
  const told = server.received('initialize').map(({ message }) => message.params.capabilities);
  expect(told.filter((capabilities) => capabilities.extensions)).toEqual(told);
  expect(told.filter((capabilities) => capabilities.elicitation)).toEqual([]);
  expect(server.sessions.size).toBeGreaterThanOrEqual(2);
});

test('another `extensions` in the config of a server is another connection', async () => {
  const { registry, runtime, server } = await start('2025-11-25', { config: { startup: false } });
  const call = () => runtime.manager.callTool({ ...ECHO, user });
  await call();
  registry.servers.srv = server.config({ startup: false, extensions: { 'a/b': {} } });
  await call();
  await call();
  const told = server.received('initialize').map(({ message }) => message.params.capabilities);
  expect(told).toEqual([{}, { extensions: { 'a/b': {} } }]);
});
