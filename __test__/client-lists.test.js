/** Lists of `runtime.client`: all pages, within budgets. */

const { outcome, tool, useClients } = require('./support/client');
const { useEnvironment } = require('./support/environment');
const { scripted } = require('./support/faults');

const { connect } = useClients();

describe('lists', () => {
  const tools = ['a', 'b', 'c', 'd', 'e'].map(tool);
  const names = (list) => list.tools.map(({ name }) => name);

  test('come with all pages, or one where a cursor is given', async () => {
    const { client, server } = await connect({ server: { tools, pageSize: 2 } });
    const all = await client.listTools();
    expect(all).toEqual({ tools });
    expect(server.received('tools/list').map(({ message }) => message.params?.cursor)).toEqual([undefined, '2', '4']);
    const page = await client.listTools({ cursor: '2' });
    expect([names(page), page.nextCursor]).toEqual([['c', 'd'], '4']);
  });

  describe.each([
    ['MCP_TOOLS_LIST_MAX_PAGES', '2', ['a', 'b', 'c', 'd'], '4'],
    ['MCP_TOOLS_LIST_MAX_TOOLS', '2', ['a', 'b'], '2'],
    ['MCP_TOOLS_LIST_MAX_BYTES', '40', ['a', 'b'], '2'],
  ])('%s=%s', (variable, value, expected, next) => {
    useEnvironment({ [variable]: value });

    test('ends them, and `nextCursor` says where', async () => {
      const { client, logger } = await connect({ server: { tools, pageSize: 2 } });
      const list = await client.listTools();
      expect([names(list), list.nextCursor]).toEqual([expected, next]);
      expect(logger.messages('warn')).toContainEqual(expect.stringContaining(`Reached ${variable} with tools/list`));
    });
  });

  test('are empty where the server announces none, and it is not asked', async () => {
    const { client, server } = await connect();
    expect(await client.listPrompts()).toEqual({ prompts: [] });
    expect(await client.listResources()).toEqual({ resources: [] });
    expect(await client.listResourceTemplates()).toEqual({ resourceTemplates: [] });
    expect(server.requests.some(({ message }) => /^(prompts|resources)\//.test(message?.method))).toBe(false);
  });
});

describe('lists of servers that are not as they should be', () => {
  const lists = (answer) => connect({ server: { fault: scripted({ 'tools/list': answer }) } });

  test.each([
    ['no array', { tools: {} }],
    ['no list at all', []],
    ['a cursor that is no text', { tools: [], nextCursor: 7 }],
  ])('%s', async (_, result) => {
    const { client } = await lists(() => ({ result }));
    expect(await outcome(client.listTools())).toMatchObject({ code: 'MCP_INVALID_RESPONSE' });
  });

  test('an empty cursor is the end', async () => {
    const { client } = await lists(() => ({ result: { tools: [tool('a')], nextCursor: '' } }));
    expect(await client.listTools()).toEqual({ tools: [tool('a')] });
  });

  test('a cursor that comes again is the end', async () => {
    const { client, logger } = await lists(() => ({ result: { tools: [tool('a')], nextCursor: 'x' } }));
    expect(await client.listTools()).toEqual({ tools: [tool('a'), tool('a')] });
    expect(logger.messages('warn')).toContainEqual(expect.stringContaining('repeated a cursor of tools/list'));
  });

  test('a page that fails fails the list', async () => {
    const error = { code: -32000, message: 'no more' };
    const { client } = await lists(({ params }) =>
      params.cursor ? { error } : { result: { tools: [tool('a')], nextCursor: 'x' } },
    );
    expect(await outcome(client.listTools())).toMatchObject({ name: 'McpError', code: -32000 });
  });
});
