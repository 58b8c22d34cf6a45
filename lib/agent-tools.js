/** What the adapters of agent frameworks have in common: `ai-sdk/`, `langchain/`. */

/** What models of all providers take as a name; a server may have others, such as `files/read`. */
const NAME = /^[\w-]{1,64}$/;
const LONGEST = 64;

/** Whether something that a server lists is a tool, and not for MCP Apps alone. */
function isForModels(tool) {
  const visibility = tool?._meta?.ui?.visibility;
  return typeof tool?.name === 'string' && (!Array.isArray(visibility) || visibility.includes('model'));
}

/**
 * The tools that a server has for models, by names that they take. One whose name is taken as it is keeps it, whatever others
 * are called.
 *
 * @returns {Promise<Map<string, any>>}
 */
async function namedTools(client) {
  const tools = (await client.listTools()).tools.filter(isForModels);
  const kept = new Set(tools.map(({ name }) => name).filter((name) => NAME.test(name)));
  const named = new Map();
  for (const tool of tools) {
    const plain = tool.name.replace(/[^\w-]/g, '_').slice(0, LONGEST) || '_';
    let name = kept.has(tool.name) ? tool.name : plain;
    for (let count = 2; name !== tool.name && (kept.has(name) || named.has(name)); count += 1) {
      name = `${plain.slice(0, LONGEST - 1 - String(count).length)}_${count}`;
    }
    named.set(name, tool);
  }
  return named;
}

/**
 * JSON Schema of a tool's arguments: of an object with properties, as providers want it, without `$schema`, which some refuse.
 */
function parametersOf({ inputSchema }) {
  const { $schema, ...schema } = inputSchema ?? {};
  return { properties: {}, ...schema, type: 'object' };
}

const textOf = (content) =>
  content
    .filter(({ type }) => type === 'text')
    .map(({ text }) => text)
    .join('\n');

/**
 * Calls a tool for a model. A result that is an error is thrown: so frameworks know of it, and tell the model its message.
 *
 * @returns {Promise<{ content: any[], structuredContent?: unknown }>}
 */
async function callTool(client, tool, args, options) {
  const result = await client.callTool({ name: tool.name, arguments: args }, options);
  if (!result.isError) return { ...result, content: result.content ?? [] };
  const message = textOf(result.content ?? []) || `${tool.name} has failed`;
  throw Object.assign(new Error(message), { name: 'MCPToolError', result });
}

/** What models get to know of content that is neither text nor an image. Bytes mean nothing to them. */
function describe(block) {
  if (block.type === 'text') return block.text;
  if (typeof block.resource?.text === 'string') return block.resource.text;
  return JSON.stringify(block, (key, value) => (key === 'data' || key === 'blob' ? undefined : value));
}

module.exports = { callTool, describe, namedTools, parametersOf };
