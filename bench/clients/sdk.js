const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
const { StreamableHTTPClientTransport } = require('@modelcontextprotocol/sdk/client/streamableHttp.js');

/** The client of the TypeScript SDK, doing the same work with the same headers. */
function createClient({ url, keep = true }) {
  const connections = new Map();
  let published = 0;
  const publish = async (tools) => {
    published += tools.length;
    return {};
  };

  async function open(user) {
    const client = new Client({ name: 'bench', version: '1.0.0' }, { capabilities: {} });
    const headers = { Authorization: 'Bearer token-of-the-user', 'X-User-Id': user.id };
    const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
    await client.connect(transport);
    return { client, transport };
  }

  async function connect(user) {
    if (!connections.has(user.id)) connections.set(user.id, open(user));
    return connections.get(user.id);
  }

  const end = async ({ client, transport }) => {
    await transport.terminateSession();
    await client.close();
  };

  return {
    published: () => published,

    async reinit(user) {
      const connection = keep ? await connect(user) : await open(user);
      const { tools } = await connection.client.listTools();
      await publish(tools);
      if (!keep) await end(connection);
      return tools;
    },

    async call(user, toolArguments) {
      const { client } = await connect(user);
      const { content } = await client.callTool({ name: 'tool_0', arguments: toolArguments });
      return content.map(({ text }) => text).join('\n\n');
    },

    async lister(user) {
      const { client } = await connect(user);
      return async () => (await client.listTools()).tools;
    },

    async close() {
      for (const connection of connections.values()) await end(await connection);
    },
  };
}

module.exports = { createClient };
