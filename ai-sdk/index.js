/** Tools of an MCP server for the AI SDK. */

const { dynamicTool, jsonSchema } = require('ai');
const { callTool, describe, faultOf, namedTools, parametersOf } = require('../lib/agent-tools.js');

const toPart = (block) =>
  block.type === 'image'
    ? { type: 'file', mediaType: block.mimeType, data: { type: 'data', data: block.data } }
    : { type: 'text', text: describe(block) };

function toModelOutput({ output }) {
  // A stored conversation may come back with anything in place of a result.
  if (faultOf(output)) return { type: 'json', value: output ?? null };
  const { content, structuredContent } = output;
  if (content.length === 0 && structuredContent !== undefined) return { type: 'json', value: structuredContent };
  return { type: 'content', value: content.map(toPart) };
}

/** See `index.d.ts`. */
async function tools(client) {
  const toTool = (tool) =>
    dynamicTool({
      title: tool.title ?? tool.annotations?.title,
      description: tool.description,
      inputSchema: jsonSchema(parametersOf(tool)),
      execute: (args, { abortSignal }) => callTool(client, tool, args, { signal: abortSignal }),
      toModelOutput,
    });
  return Object.fromEntries([...(await namedTools(client))].map(([name, tool]) => [name, toTool(tool)]));
}

module.exports = { tools };
