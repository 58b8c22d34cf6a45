const { useFixtures } = require('./fixtures');
const { createUser } = require('./host');

/** What tests of `reinitMCPServer` start. Call once at the top of a suite. */
function useReinit() {
  const fixtures = useFixtures();

  /** A server, a runtime that knows it as `srv`, and a call. */
  async function setup({ serverOptions, config, params, ...hostOptions } = {}) {
    const server = await fixtures.server(serverOptions);
    const host = fixtures.runtime({ servers: { srv: server.config(config) }, allow: [server], ...hostOptions });
    const user = createUser();
    const reinit = (extra) => host.runtime.reinitMCPServer({ user, serverName: 'srv', ...params, ...extra });
    return { ...host, server, user, reinit };
  }

  return { fixtures, setup };
}

module.exports = { useReinit };
