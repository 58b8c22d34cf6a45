/** Long schemas of tools are built when they are first looked at, and nobody can tell but by how long it takes. */

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
