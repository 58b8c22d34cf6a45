const { createPeer } = require('./peer');

/** `@ai-sdk/mcp`. */
async function createClient(options) {
  const { createMCPClient } = await import('@ai-sdk/mcp');
  const open = async (url, headers) => {
    const transport = { type: 'http', url, headers };
    // It cannot remember between sessions what the server speaks, as the addon does; asking each time would cost it more.
    const client = await createMCPClient({ transport, protocolVersionDiscovery: false });
    return {
      list: async () => (await client.listTools()).tools,
      call: async (call) => (await client.callTool(call)).content.map(({ text }) => text),
      end: () => client.close(),
    };
  };
  return createPeer(open, options);
}

module.exports = { createClient };
