/** Calls end with their signal and with the runtime while the registry does not answer. */

const { ECHO } = require('./support/calls');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { never, until } = require('./support/wait');

const fixtures = useFixtures();
const user = createUser();

const CALLS = {
  getConnection: ({ manager }, extra) => manager.getConnection({ serverName: 'srv', user, ...extra }),
  getUserConnection: ({ manager }, extra) => manager.getUserConnection({ serverName: 'srv', user, ...extra }),
  discoverServerTools: ({ manager }, extra) => manager.discoverServerTools({ serverName: 'srv', user, ...extra }),
  callTool: ({ manager }, { signal } = {}) => manager.callTool({ ...ECHO, user, options: { signal } }),
};
const PENDING = ['getServerConfig', 'getAllowedDomains'];

/** A runtime whose registry never answers this question, and a promise that it was asked. */
async function withPending(method) {
  const server = await fixtures.server();
  const { runtime, registry } = fixtures.runtime({ servers: { srv: server.config() }, allow: [server] });
  let asked = false;
  registry[method] = () => {
    asked = true;
    return never();
  };
  return { runtime, asked: () => until(method, () => asked) };
}

describe.each(PENDING)('%s does not answer', (method) => {
  test.each(Object.keys(CALLS))('%s', async (name) => {
    const { runtime, asked } = await withPending(method);
    const abort = new AbortController();
    const aborted = CALLS[name](runtime, { signal: abort.signal });
    await asked();
    abort.abort(new Error('enough'));
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError', cause: { message: 'enough' } });
    const closed = expect(CALLS[name](runtime)).rejects.toMatchObject({ code: 'MCP_CLOSED' });
    await runtime.close();
    await closed;
  });
});
