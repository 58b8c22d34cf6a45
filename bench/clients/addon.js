const { createMCPRuntime } = require('../..');
const { Registry } = require('../../__test__/support/host');

const serverName = 'bench';

/** The addon, wired as LibreChat wires it. `keep` as `keepConnections`; `services` are further members of the host. */
function createClient({ url, keep = true, config, services }) {
  const { host } = new URL(url);
  const servers = {
    [serverName]: {
      type: 'streamable-http',
      url,
      source: 'yaml',
      requiresOAuth: false,
      headers: { Authorization: 'Bearer token-of-the-user', 'X-User-Id': '{{LIBRECHAT_USER_ID}}' },
      ...config,
    },
  };
  const registry = new Registry({ servers, allowedAddresses: [host] });
  let published = 0;
  const runtime = createMCPRuntime({
    registry,
    updateMCPServerTools: async ({ tools }) => {
      published += tools.length;
      return {};
    },
    keepConnections: keep,
    ...services,
  });

  return {
    runtime,
    published: () => published,

    /** Connects, lists the tools and publishes them; the session stays open where connections are kept. */
    async reinit(user) {
      const result = await runtime.reinitMCPServer({ user, serverName });
      if (!result?.success || result.toolsError) throw new Error(`reinit failed: ${JSON.stringify(result)}`);
      return result.tools;
    },

    call: async (user, toolArguments) => {
      const call = { user, serverName, toolName: 'tool_0', toolArguments, provider: 'openai' };
      const [text] = await runtime.manager.callTool(call);
      return text;
    },

    /** A function that lists the tools over an open connection. */
    async lister(user) {
      const connection = await runtime.manager.getUserConnection({ user, serverName });
      return () => connection.fetchTools();
    },

    close: () => runtime.close(),
  };
}

module.exports = { createClient };
