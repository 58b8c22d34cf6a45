/** Names and schemas of tools as models get them, where no host formats them; `stripServerNamePrefixes` of LibreChat. */

const { stripServerNamePrefixes } = require('librechat-data-provider');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');

const fixtures = useFixtures();
const user = createUser();

const tool = (name, inputSchema = { type: 'object' }) => ({ name, description: name, inputSchema });
const NAMES = ['acme_search', 'Acme_LIST', 'list', 'acme_oauth', 'acme_acme_search', 'other', 'acme_', 'acme_mcp_x'];

/** A server called `acme` with these tools, and what it hears. */
async function acme(tools, services) {
  const server = await fixtures.server({
    tools,
    callTool: ({ name }) => ({ content: [{ type: 'text', text: name }] }),
  });
  const host = fixtures.runtime({
    servers: { acme: server.config({ startup: false }) },
    allow: [server],
    services,
  });
  const call = async (toolName) => {
    const params = { user, serverName: 'acme', toolName, toolArguments: {}, provider: 'openai' };
    return (await host.runtime.manager.callTool(params))[0];
  };
  return { ...host, server, call, reinit: () => host.runtime.reinitMCPServer({ user, serverName: 'acme' }) };
}

const NATIVE = { updateMCPServerTools: undefined };

test('a name without the server’s name, which calls are understood by', async () => {
  const { reinit, call, runtime } = await acme(
    NAMES.map((name) => tool(name)),
    NATIVE,
  );
  const { availableTools } = await reinit();
  const shown = stripServerNamePrefixes(NAMES, 'acme');
  expect(Object.keys(availableTools)).toEqual(NAMES.map((name) => `${shown.get(name)}_mcp_acme`));
  for (const name of NAMES) {
    const key = `${shown.get(name)}_mcp_acme`;
    expect(availableTools[key].function.name).toBe(key);
    expect(availableTools[key].serverToolName).toBe(shown.get(name) === name ? undefined : name);
    expect(await call(shown.get(name))).toBe(name);
    expect(await call(name)).toBe(name);
  }
  expect(Object.keys(await runtime.manager.getServerToolFunctions(user.id, 'acme'))).toEqual(
    Object.keys(availableTools),
  );
});

test('a host that formats tools finds them by the keys that it keeps', async () => {
  const { runtime, server } = await acme([tool('acme_search')]);
  await runtime.manager.getConnection({ user, serverName: 'acme' });
  const keys = async () => Object.keys(await runtime.manager.getServerToolFunctions(user.id, 'acme'));
  expect(await keys()).toEqual(['acme_search_mcp_acme']);
  const inspected = await runtime.inspectServer('acme', { type: 'streamable-http', url: server.url });
  expect(Object.keys(inspected.toolFunctions)).toEqual(['acme_search_mcp_acme']);
});

test('schemas that providers take', async () => {
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    properties: {
      a: { type: 'string', required: true },
      b: { $ref: '#/$defs/B' },
      c: { $ref: '#/properties/c' },
      definitions: { const: 1 },
    },
    required: ['a', 1],
    $defs: { B: { type: 'object', properties: { again: { $ref: '#/$defs/B' } }, 'x-own': 1 } },
  };
  const { reinit } = await acme([tool('one', schema), tool('two', true)], NATIVE);
  const { availableTools, tools } = await reinit();
  expect(availableTools.one_mcp_acme.function.parameters).toEqual({
    type: 'object',
    properties: {
      a: { type: 'string' },
      b: { type: 'object', properties: { again: { type: 'object' } } },
      c: { type: 'object' },
      definitions: { enum: [1] },
    },
    required: ['a'],
  });
  expect(availableTools.two_mcp_acme.function.parameters).toEqual({ type: 'object', properties: {} });
  // What the server sent is still there for whoever asks for the tools themselves.
  expect(tools[0].inputSchema).toEqual(schema);
});
