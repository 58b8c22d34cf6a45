const { useFixtures } = require('./fixtures');

const tool = (name) => ({ name, inputSchema: { type: 'object' } });
const text = (value) => ({ content: [{ type: 'text', text: value }] });

/** What a promise comes to: `{ value }`, or the members of an error. */
const outcome = (promise) =>
  promise.then(
    (value) => ({ value }),
    ({ name, code, mcpCode, message }) => ({ name, code, mcpCode, message }),
  );

/** What tests of `runtime.client` start. Call once at the top of a suite. */
function useClients() {
  const fixtures = useFixtures();

  /** The small server, and a client of it. */
  async function connect({ server: options, config, params, ...host } = {}) {
    const server = await fixtures.server(options);
    const made = fixtures.runtime({ servers: { srv: server.config(config) }, allow: [server], ...host });
    return { ...made, server, client: made.runtime.client('srv', params) };
  }

  return { connect, fixtures };
}

module.exports = { outcome, text, tool, useClients };
