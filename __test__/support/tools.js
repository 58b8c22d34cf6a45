/** What the small server offers unless a suite says otherwise. */
const TOOLS = Object.freeze([
  {
    name: 'echo',
    description: 'Echo text',
    inputSchema: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] },
  },
  { name: 'undescribed', inputSchema: { type: 'object' } },
]);

function numberedTools(count) {
  return Array.from({ length: count }, (_, index) => ({
    name: `tool_${index}`,
    description: `Tool number ${index}`,
    inputSchema: { type: 'object', properties: { text: { type: 'string' } } },
  }));
}

/** LibreChat's function format, which `updateMCPServerTools` of a host returns. */
function formatTools(serverName, tools) {
  return Object.fromEntries(
    tools.map((tool) => {
      const name = `${tool.name}_mcp_${serverName}`;
      const parameters = tool.inputSchema ?? { type: 'object', properties: {} };
      return [name, { type: 'function', function: { name, description: tool.description ?? '', parameters } }];
    }),
  );
}

module.exports = { TOOLS, formatTools, numberedTools };
