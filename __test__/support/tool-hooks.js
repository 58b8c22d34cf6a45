const { ECHO } = require('./calls');
const { useFixtures } = require('./fixtures');
const { createUser } = require('./host');

const user = createUser();
const REQUEST = { name: 'echo', arguments: { text: 'hi' }, _meta: { mark: 'kept' } };
const textOf = ({ content }) => content[0].text;

/** Every way to call `echo` with `{ text: 'hi' }`; each resolves to the text of the result. */
const WAYS = {
  callTool: async ({ call }) => (await call())[0],
  'client.callTool': async ({ runtime }) => textOf(await runtime.client('srv', { user }).callTool(REQUEST)),
  'client.request': async ({ runtime }) =>
    textOf(await runtime.client('srv', { user }).request({ method: 'tools/call', params: REQUEST })),
  'connection.client.request': async ({ manager }) => {
    const connection = await manager.getConnection({ user, serverName: 'srv' });
    return textOf(await connection.client.request({ method: 'tools/call', params: REQUEST }));
  },
};

/** What a call fails with that a hook has refused, or that it has failed. */
const failing = (code, message) =>
  expect.objectContaining({ code, message: expect.stringMatching(message), retryable: code === 'MCP_HOST_TIMEOUT' });

/** What tests of the host's hooks start. Call once at the top of a suite. */
function useToolHooks() {
  const fixtures = useFixtures();

  /** The small server, whose `echo` answers with its arguments, and a runtime with these services. */
  async function start(services, options) {
    const callTool = ({ arguments: given }) => ({ content: [{ type: 'text', text: JSON.stringify(given ?? null) }] });
    const server = await fixtures.server({ callTool, ...options });
    const servers = { srv: server.config({ startup: false }) };
    const made = fixtures.runtime({ servers, allow: [server], services });
    const { manager } = made.runtime;
    const call = (more) => manager.callTool({ ...ECHO, user, ...more });
    return { ...made, server, manager, call, sent: () => server.received('tools/call') };
  }

  return { fixtures, start };
}

module.exports = { REQUEST, WAYS, failing, textOf, useToolHooks, user };
