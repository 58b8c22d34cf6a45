/** Servers whose tools are pinned. */

const { createUser } = require('./host');

const user = createUser();
const GOOD = 'Tells the weather.';
const OTHER = 'Tells the weather, and more.';
const NOT_APPROVED = expect.objectContaining({
  code: 'MCP_TOOL_NOT_APPROVED',
  retryable: false,
  message: expect.stringMatching(/^(Tool '.+' of MCP server 'sky' is not available: |The call names no tool$)/),
});

const weather = (description = GOOD, extra) => ({
  name: 'weather',
  description,
  inputSchema: { type: 'object', properties: { city: { type: 'string', description: 'A city.' } } },
  ...extra,
});
const answer = () => ({ content: [{ type: 'text', text: 'sunny' }] });
const names = ({ tools }) => tools.map(({ name }) => name);

function usePinned(fixtures) {
  /** A server whose list is replaced with `offer(…tools)`. */
  async function startServer(options) {
    const tools = [weather()];
    const capabilities = { tools: { listChanged: true } };
    const server = await fixtures.server({ tools, capabilities, callTool: answer, ...options });
    return { ...server, offer: (...next) => tools.splice(0, tools.length, ...next) };
  }

  /** A runtime over it, and what its user does; `config`: more of the server's. */
  function hostOf(server, pinTools, services, config) {
    const servers = { sky: server.config({ pinTools, ...config }) };
    const host = fixtures.runtime({ servers, allow: [server], services });
    const { manager } = host.runtime;
    const params = { user, serverName: 'sky' };
    return {
      ...host,
      manager,
      params,
      list: async () => (await manager.getConnection(params)).client.listTools(),
      call: (toolName = 'weather') => manager.callTool({ ...params, toolName, toolArguments: {}, provider: 'openai' }),
      pins: () => manager.getToolPins(params),
      approve: (extra) => manager.approveTools({ ...params, ...extra }),
    };
  }

  return { startServer, hostOf };
}

module.exports = { GOOD, NOT_APPROVED, OTHER, names, usePinned, user, weather };
