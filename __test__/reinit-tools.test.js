/** The tools that `reinitMCPServer` lists, and those that it makes available. */

const faults = require('./support/faults');
const { useReinit } = require('./support/reinit');
const { connected } = require('./support/results');
const { formatTools, numberedTools } = require('./support/tools');
const { delay, until } = require('./support/wait');

const { setup } = useReinit();

describe('the list of tools', () => {
  test('all pages are read', async () => {
    const tools = numberedTools(25);
    const { server, reinit } = await setup({ serverOptions: { tools, pageSize: 10 } });
    expect(await reinit()).toEqual(connected('srv', tools));
    expect(server.received('tools/list')).toHaveLength(3);
  });

  test('fields reach the caller as the server sent them, in their order', async () => {
    const tool = {
      zeta: { b: 1, a: [null, 1.5, 'ψ'] },
      name: 'weird name/é',
      description: '',
      inputSchema: { type: 'object', properties: { b: {}, a: {} }, $defs: {} },
      annotations: { readOnlyHint: true, custom: 1 },
      _meta: { x: 1 },
    };
    const { reinit } = await setup({ serverOptions: { tools: [tool] } });
    const { tools } = await reinit();
    expect(JSON.stringify(tools)).toBe(JSON.stringify([tool]));
  });

  test('a list that was read before is each caller’s own, and that of now', async () => {
    const offered = numberedTools(3);
    const { reinit } = await setup({ serverOptions: { tools: offered } });
    const { tools: first } = await reinit();
    first[0].inputSchema.changed = true;
    first.pop();
    expect((await reinit()).tools).toEqual(numberedTools(3));
    offered.push(numberedTools(4)[3]);
    expect((await reinit()).tools).toEqual(numberedTools(4));
  });

  test('none: an empty list, and nothing to publish', async () => {
    const { updates, reinit } = await setup({ serverOptions: { tools: [] } });
    expect(await reinit()).toEqual(connected('srv', []));
    expect(updates).toEqual([]);
  });

  test('a server without the capability is not asked', async () => {
    const { server, reinit } = await setup({ serverOptions: { capabilities: {} } });
    expect(await reinit()).toEqual(connected('srv', []));
    expect(server.received('tools/list')).toEqual([]);
  });

  test.each([
    ['an error', { listError: { code: -32603, message: 'list exploded' } }, 'MCP_TOOLS_LIST_FAILED'],
    ['no answer', { fault: faults.on('tools/list', faults.hang()) }, expect.stringMatching(/^MCP_[A-Z_]+$/)],
  ])('%s: the connection stands, toolsError says why', async (_, serverOptions, code) => {
    const { reinit } = await setup({ serverOptions });
    // Connecting counts too.
    const result = await reinit({ connectionTimeout: 8000 });
    expect(result).toEqual({
      ...connected('srv', []),
      tools: null,
      toolsError: expect.objectContaining({ code, message: expect.any(String) }),
    });
    expect(result).not.toHaveProperty('failureReason');
  });
});

describe('availableTools', () => {
  test('is what updateMCPServerTools answered', async () => {
    const published = { only: { type: 'function' } };
    const calls = [];
    const services = {
      updateMCPServerTools: async (update) => {
        calls.push(update);
        return published;
      },
    };
    const { user, reinit } = await setup({ services });
    const { tools, availableTools } = await reinit();
    expect(availableTools).toEqual(published);
    expect(calls).toEqual([{ userId: user.id, serverName: 'srv', tools }]);
  });

  test('is null where it answered null, and why is told', async () => {
    const { reinit, logger } = await setup({ services: { updateMCPServerTools: async () => null } });
    const toolsError = {
      code: 'MCP_HOST_ERROR',
      message: 'updateMCPServerTools returned nothing for the 2 tools of srv: the host does not offer them',
      retryable: false,
    };
    expect(await reinit()).toEqual({ ...connected('srv'), availableTools: null, toolsError });
    expect(logger.messages('warn').join()).toContain(toolsError.message);
  });

  test('is formatted natively where the host has no updateMCPServerTools', async () => {
    const { reinit } = await setup({ services: { updateMCPServerTools: undefined } });
    expect(await reinit()).toEqual(connected('srv'));
  });

  test('natively: the last of two tools with one name wins, both stay in tools', async () => {
    const tools = [
      { name: 'a', inputSchema: { type: 'object' } },
      { name: 'a', description: 'second', inputSchema: { type: 'object' } },
    ];
    const { reinit } = await setup({ serverOptions: { tools }, services: { updateMCPServerTools: undefined } });
    const result = await reinit();
    expect(result.tools).toEqual(tools);
    expect(result.availableTools).toEqual(formatTools('srv', tools));
  });

  test('without a user: formatted natively, updateMCPServerTools is not called', async () => {
    const { updates, reinit } = await setup();
    expect(await reinit({ user: undefined })).toEqual(connected('srv'));
    expect(updates).toEqual([]);
  });

  const functions = { echo_mcp_srv: {} };
  test.each([
    ['at once', () => functions],
    ['with a promise that is settled already', () => Promise.resolve(functions)],
    ['with a promise that settles later', () => delay(50).then(() => functions)],
    // biome-ignore lint/suspicious/noThenProperty: as mongoose's queries
    ['with a thenable', () => ({ then: (done) => done(functions) })],
  ])('is what updateMCPServerTools answered %s', async (_, updateMCPServerTools) => {
    const { reinit } = await setup({ services: { updateMCPServerTools } });
    const results = await Promise.all([reinit(), reinit(), reinit()]);
    for (const { success, availableTools } of results) {
      expect(success).toBe(true);
      expect(availableTools).toBe(functions);
    }
  });

  test('an abort while updateMCPServerTools is asked ends the call, and its answer comes too late', async () => {
    const abort = new AbortController();
    const answers = [];
    const services = {
      updateMCPServerTools() {
        abort.abort();
        return new Promise((resolve) => {
          answers.push(resolve);
        });
      },
    };
    const { reinit } = await setup({ services });
    expect(await reinit({ signal: abort.signal })).toMatchObject({ success: false, error: { code: 'MCP_ABORTED' } });

    answers[0]({ late: {} });
    const next = reinit();
    await until('the next question', () => answers.length === 2);
    answers[1](functions);
    expect((await next).availableTools).toBe(functions);
  });

  test('updateMCPServerTools rejects: logged, resolves to undefined', async () => {
    const services = { updateMCPServerTools: () => Promise.reject(new Error('cache is down')) };
    const { logger, reinit } = await setup({ services });
    expect(await reinit()).toBeUndefined();
    expect(logger.text()).toContain('cache is down');
  });
});
