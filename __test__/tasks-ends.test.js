/** Tasks of 2026-07-28 whose call ends before they do. */

const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { startTaskServer } = require('./support/task-server');
const { until } = require('./support/wait');

const fixtures = useFixtures();
const requestedSchema = { type: 'object', properties: { depth: { type: 'integer' } } };
const question = { message: 'How deep?', requestedSchema };

async function start(state, config, services) {
  const server = fixtures.keep(await startTaskServer(state));
  const servers = { srv: { ...server.config, ...config } };
  const { runtime } = fixtures.runtime({ servers, allow: [server], services });
  const user = createUser();
  const call = (options) =>
    runtime.manager.callTool({ serverName: 'srv', toolName: 'dig', provider: 'openai', user, options });
  return { server, runtime, user, call };
}

test.each([
  ['a script', 'elicitation', { mode: 'url', message: 'Go', url: 'javascript:alert(1)' }, {}],
  ['a file', 'elicitation', { mode: 'url', message: 'Go', url: 'file:///etc/passwd' }, {}],
  ["somebody's credentials", 'elicitation', { mode: 'url', message: 'Go', url: 'https://ada:pw@example.com/' }, {}],
  ['an unknown mode', 'elicitation', { mode: 'popup', message: 'Go' }, {}],
  ['elicitation where the config has none', 'elicitation', question, { elicitation: false }],
  ['tools that were not declared', 'sampling', { maxTokens: 5, messages: [], tools: [{ name: 'rm' }] }, {}],
])('the host is not asked for %s', async (_, service, params, config) => {
  const method = service === 'sampling' ? 'sampling/createMessage' : 'elicitation/create';
  const inputRequests = { q: { method, params } };
  const handler = jest.fn(() => ({ action: 'accept' }));
  const state = () => ({ status: 'input_required', inputRequests });
  const { server, call } = await start(state, config, { [service]: handler });
  await expect(call()).rejects.toMatchObject({ name: 'McpError' });
  expect(handler).not.toHaveBeenCalled();
  expect(server.received('tasks/update')).toHaveLength(0);
  expect(server.received('tasks/cancel')).toHaveLength(1);
});

test.each([
  ['the runtime closes', 'MCP_CLOSED', (runtime) => runtime.close()],
  ['the runtime drains', 'MCP_CLOSED', (runtime) => runtime.close({ drainMs: 10 })],
  ['somebody disconnects', 'MCP_CONNECTION_LOST', ({ manager }, { id }) => manager.disconnectUserConnection(id, 'srv')],
  ['the server tells no more', 'MCP_SERVER_ERROR', (_, __, refuse) => refuse()],
])('a task that nobody has the handle of is cancelled when %s', async (_, code, end) => {
  let now = { status: 'working' };
  const { server, runtime, user, call } = await start(() => now, { startup: false });
  const outcome = call().catch((error) => error.mcpCode ?? error.code);
  await until('a look', () => server.received('tasks/get').length > 0);
  await end(runtime, user, () => {
    now = { error: { code: -32603, message: 'no more' }, httpStatus: 200 };
  });
  expect(await outcome).toBe(code);
  expect(server.received('tasks/cancel').map(({ params }) => params.taskId)).toEqual(['t1']);
});
