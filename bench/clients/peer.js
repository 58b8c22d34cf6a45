const { each } = require('../support/measure');

/**
 * Another client doing the addon's work. `open(url, headers)` connects and resolves to `{ list, call, end }`: the tools
 * listed, the texts of a tool's result, and the session ended at the server as well.
 */
function createPeer(open, { url, keep = true }) {
  const connections = new Map();
  let published = 0;
  const publish = async (tools) => {
    published += tools.length;
    return {};
  };

  const connectAnew = (user) => open(url, { Authorization: 'Bearer token-of-the-user', 'X-User-Id': user.id });

  async function connect(user) {
    if (!connections.has(user.id)) connections.set(user.id, connectAnew(user));
    return connections.get(user.id);
  }

  return {
    published: () => published,

    async reinit(user) {
      const connection = keep ? await connect(user) : await connectAnew(user);
      const tools = await connection.list();
      await publish(tools);
      if (!keep) await connection.end();
      return tools;
    },

    async call(user, toolArguments) {
      const { call } = await connect(user);
      return (await call({ name: 'tool_0', arguments: toolArguments })).join('\n\n');
    },

    async lister(user) {
      return (await connect(user)).list;
    },

    async close() {
      await each([...connections.values()], 8, async (connection) => (await connection).end());
    },
  };
}

/** `{ list, call, end }` of a client of the TypeScript SDK, of either generation. */
function openSdk({ Client, StreamableHTTPClientTransport }) {
  return async (url, headers) => {
    const client = new Client({ name: 'bench', version: '1.0.0' }, { capabilities: {} });
    const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
    await client.connect(transport);
    return {
      list: async () => (await client.listTools()).tools,
      call: async (call) => (await client.callTool(call)).content.map(({ text }) => text),
      end: async () => {
        await transport.terminateSession();
        await client.close();
      },
    };
  };
}

module.exports = { createPeer, openSdk };
