/** Long schemas of tools are built when they are first looked at, and nobody can tell but by how long it takes. */

const { inspect } = require('node:util');
const { answer, on } = require('./support/faults');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');

const fixtures = useFixtures();
const user = createUser();

const LONG = 'Größe, 寸法, 😀 and "quotes" \\ \u2028 '.repeat(30);

const TOOLS = [
  {
    name: 'translate',
    description: 'Übersetzt 😀',
    inputSchema: {
      type: 'object',
      properties: { text: { type: 'string', description: LONG } },
      required: ['text'],
    },
    outputSchema: { type: 'object', properties: { inputSchema: { type: 'number', description: LONG } } },
    annotations: { readOnlyHint: true },
  },
  { name: 'plain', inputSchema: { type: 'object' } },
];

/** The tools as a call publishes and returns them, each time anew. */
async function reinit() {
  const server = await fixtures.server({ tools: TOOLS });
  const published = [];
  const { runtime } = fixtures.runtime({
    servers: { srv: server.config() },
    allow: [server],
    services: {
      updateMCPServerTools: async ({ tools }) => {
        published.push(tools);
        return {};
      },
    },
  });
  const result = await runtime.reinitMCPServer({ user, serverName: 'srv' });
  return { ...result, runtime, published: published[0] };
}

test('what a server lists is what callers see', async () => {
  const { tools, published, runtime } = await reinit();
  expect(published).toBe(tools);
  expect(Object.keys(tools[0])).toEqual(Object.keys(TOOLS[0]));
  expect(JSON.stringify(tools)).toBe(JSON.stringify(TOOLS));
  const connection = await runtime.manager.getConnection({ user, serverName: 'srv' });
  expect(structuredClone(await connection.fetchTools())).toEqual(TOOLS);
  expect((await connection.fetchTools()).map((tool) => ({ ...tool }))).toEqual(TOOLS);
  expect(await connection.client.listTools()).toEqual({ tools: TOOLS });
  const functions = await runtime.manager.getServerToolFunctions(user.id, 'srv');
  expect(functions.translate_mcp_srv.function.parameters).toEqual(TOOLS[0].inputSchema);
});

test('a schema is one object, whoever looks', async () => {
  const { tools } = await reinit();
  const [tool] = tools;
  const { inputSchema } = tool;
  expect(tool.inputSchema).toBe(inputSchema);
  inputSchema.title = 'changed';
  expect({ ...tool }.inputSchema.title).toBe('changed');
  expect(Object.getOwnPropertyDescriptor(tool, 'inputSchema')).toEqual({
    value: inputSchema,
    configurable: true,
    enumerable: true,
    writable: true,
  });
});

test('a schema can be replaced and removed before anybody looks', async () => {
  const { tools } = await reinit();
  tools[0].inputSchema = { type: 'string' };
  expect(tools[0].inputSchema).toEqual({ type: 'string' });
  delete tools[0].outputSchema;
  expect('outputSchema' in tools[0]).toBe(false);
});

test('objects that inherit from a tool see its schema', async () => {
  const { tools } = await reinit();
  const heir = Object.create(tools[0]);
  expect(heir.outputSchema).toEqual(TOOLS[0].outputSchema);
  heir.inputSchema = {};
  expect(heir.inputSchema).toEqual({});
  expect(tools[0].inputSchema).toEqual(TOOLS[0].inputSchema);
});

test('frozen tools keep their schemas', async () => {
  const { tools } = await reinit();
  const tool = Object.freeze(tools[0]);
  expect(tool.inputSchema).toBe(tool.inputSchema);
  expect(tool.inputSchema).toEqual(TOOLS[0].inputSchema);
  expect(() => {
    tool.inputSchema = {};
  }).toThrow('Cannot redefine property: inputSchema');
  expect(tool.inputSchema).toEqual(TOOLS[0].inputSchema);
});

describe('whoever reads a schema through something else sees it', () => {
  const PROXIES = {
    'a proxy': (tool) => new Proxy(tool, {}),
    'a proxy of a proxy': (tool) => new Proxy(new Proxy(tool, {}), {}),
    'a proxy that forwards': (tool) =>
      new Proxy(tool, { get: (target, name, self) => Reflect.get(target, name, self) }),
    'a proxy that passes on strings only': (tool) =>
      new Proxy(tool, { get: (target, name) => (typeof name === 'string' ? target[name] : undefined) }),
    'a proxy of a frozen tool': (tool) => new Proxy(Object.freeze(tool), {}),
    'an heir of a proxy': (tool) => Object.create(new Proxy(tool, {})),
    'a copy of its properties': (tool) => Object.defineProperties({}, Object.getOwnPropertyDescriptors(tool)),
    'a sealed tool': Object.seal,
  };

  test.each(Object.entries(PROXIES))('%s', async (_, wrap) => {
    const { tools } = await reinit();
    const seen = wrap(tools[0]);
    expect(seen.outputSchema).toEqual(TOOLS[0].outputSchema);
    expect(seen.inputSchema).toBe(seen.inputSchema);
    expect(JSON.stringify(seen.inputSchema)).toBe(JSON.stringify(TOOLS[0].inputSchema));
    expect(tools[0].inputSchema).toBe(seen.inputSchema);
  });

  test('Reflect.get, whatever the receiver', async () => {
    const { tools } = await reinit();
    for (const receiver of [{}, [], new Proxy({}, {}), () => {}, tools[1]]) {
      expect(Reflect.get(tools[0], 'inputSchema', receiver)).toEqual(TOOLS[0].inputSchema);
    }
    expect(tools[1]).toEqual(TOOLS[1]);
  });

  test('a proxy can set and delete it', async () => {
    const { tools } = await reinit();
    const proxy = new Proxy(tools[0], {});
    proxy.inputSchema = { type: 'string' };
    delete proxy.outputSchema;
    expect(tools[0]).toEqual({ ...TOOLS[0], inputSchema: { type: 'string' }, outputSchema: undefined });
    expect('outputSchema' in tools[0]).toBe(false);
  });

  test('copies, comparisons and what people read', async () => {
    const whole = async (look) => look((await reinit()).tools);
    expect(await whole(JSON.stringify)).toBe(JSON.stringify(TOOLS));
    expect(await whole(inspect)).toBe(inspect(TOOLS));
    expect(await whole((tools) => inspect(new Proxy(tools[0], {}), { depth: 5 }))).toBe(
      inspect(TOOLS[0], { depth: 5 }),
    );
    expect(await whole((tools) => structuredClone(tools))).toEqual(TOOLS);
    expect(await whole((tools) => Object.entries(tools[0]))).toEqual(Object.entries(TOOLS[0]));
    expect(await whole((tools) => Object.assign({}, tools[0]))).toStrictEqual(TOOLS[0]);
    expect(await whole((tools) => tools.map((tool) => Object.keys(tool)))).toEqual(TOOLS.map(Object.keys));
    expect((await reinit()).tools).toEqual(TOOLS);
  });
});

describe('nesting', () => {
  const deep = (levels) => `${'{"items":'.repeat(levels - 1)}{}${'}'.repeat(levels - 1)}`;
  const depthOf = (schema) => {
    let depth = 0;
    for (let at = schema; at; at = at.items) depth += 1;
    return depth;
  };

  /** A server whose list of tools is this text; `id` is put into it. */
  async function listing(tools, options) {
    const text = (id) => `{"jsonrpc":"2.0","id":${id},"result":{"tools":[${tools.join(',')}]}}`;
    const fault = on('tools/list', ({ message, response }) =>
      answer(200, text(message.id), 'application/json')({ response }),
    );
    const server = await fixtures.server({ fault });
    const config = server.config({ startup: false });
    const host = fixtures.runtime({ servers: { srv: config }, allow: [server], ...options });
    return { ...host, server, result: await host.runtime.reinitMCPServer({ user, serverName: 'srv' }) };
  }

  const tool = (name, schema, member = 'inputSchema') => `{"name":"${name}","${member}":${schema}}`;
  const NATIVE = { services: { updateMCPServerTools: undefined } };

  test.each([
    ['formatted by the host', {}],
    ['formatted natively', NATIVE],
  ])('512 levels are like any other, %s', async (_, options) => {
    const { result } = await listing([tool('deep', deep(512)), tool('out', deep(512), 'outputSchema')], options);
    expect(result).toMatchObject({ success: true });
    expect(result.toolsError).toBeUndefined();
    expect(result.tools.map(({ name }) => name)).toEqual(['deep', 'out']);
    expect(depthOf(result.tools[0].inputSchema)).toBe(512);
    expect(depthOf(result.availableTools.deep_mcp_srv.function.parameters)).toBe(512);
  });

  test.each([
    [513, {}],
    [513, NATIVE],
    [100_000, NATIVE],
  ])('%i levels are an error of that tool alone', async (levels, options) => {
    const tools = [tool('one', '{"type":"object"}'), tool('deep', deep(levels)), tool('two', deep(3))];
    const { result, logger, runtime } = await listing(tools, options);
    expect(result).toMatchObject({
      success: true,
      tools: [{ name: 'one' }, { name: 'two' }],
      toolsError: { code: 'MCP_INVALID_RESPONSE', message: expect.stringMatching(/deeper than 512 levels: deep$/) },
    });
    expect(Object.keys(result.availableTools)).toEqual(['one_mcp_srv', 'two_mcp_srv']);
    expect(logger.messages('warn').join()).toContain('deeper than 512 levels: deep');
    const connection = await runtime.manager.getConnection({ user, serverName: 'srv' });
    expect(await connection.fetchOrderedToolsSnapshot()).toMatchObject({ complete: true, tools: [{}, {}] });
    expect(await connection.fetchTools()).toHaveLength(2);
  });

  /** What a tool call comes to whose result is this text. */
  async function calling(result) {
    const server = await fixtures.server({ capabilities: { tools: {}, resources: {} } });
    server.fault = ({ message, response }) => {
      if (!['tools/call', 'resources/list'].includes(message?.method)) return false;
      return answer(200, `{"jsonrpc":"2.0","id":${message.id},${result}}`, 'application/json')({ response });
    };
    const { runtime } = fixtures.runtime({ servers: { srv: server.config({ startup: false }) }, allow: [server] });
    const call = { user, serverName: 'srv', toolName: 'echo', provider: 'openai' };
    const connection = await runtime.manager.getConnection({ user, serverName: 'srv' });
    return {
      call: () => runtime.manager.callTool(call),
      request: () => connection.client.request({ method: 'tools/call', params: { name: 'echo' } }),
      resources: () => connection.fetchResources(),
    };
  }

  test('a result of 200 levels is formatted', async () => {
    const { call } = await calling(`"result":{"content":[{"type":"odd","items":${deep(200)}}]}`);
    const [text] = await call();
    expect(depthOf(JSON.parse(text).items)).toBe(200);
  });

  test.each([5000, 500_000])(
    'a result of %i levels is an error of its call, and whole for who asks',
    async (levels) => {
      const { call, request } = await calling(`"result":{"content":[{"type":"odd","items":${deep(levels)}}]}`);
      await expect(call()).rejects.toMatchObject({
        code: 'MCP_INVALID_RESPONSE',
        message: 'The server answered tools/call with an invalid result: it is nested deeper than 512 levels',
      });
      expect(depthOf((await request()).content[0].items)).toBe(levels);
    },
  );

  test('an error of 5000 levels is an error of its call', async () => {
    const { call } = await calling(`"error":{"code":-32000,"message":"no","data":${deep(5000)}}`);
    await expect(call()).rejects.toMatchObject({ code: -32000, message: expect.stringContaining('no') });
  });

  test('resources of 5000 levels are whole', async () => {
    const { resources } = await calling(`"result":{"resources":[{"uri":"a:b","name":"c","items":${deep(5000)}}]}`);
    const [resource] = await resources();
    expect(depthOf(resource.items)).toBe(5000);
  });
});
