/** Tools of an MCP server for LangChain. */

const { DynamicStructuredTool } = require('@langchain/core/tools');
const { callTool, describe, namedTools, parametersOf } = require('../lib/agent-tools.js');

const toBlock = (block) =>
  block.type === 'image'
    ? { type: 'image_url', image_url: { url: `data:${block.mimeType};base64,${block.data}` } }
    : { type: 'text', text: describe(block) };

function toContent({ content, structuredContent }) {
  if (content.length === 0 && structuredContent !== undefined) return JSON.stringify(structuredContent);
  const blocks = content.map(toBlock);
  const isText = blocks.every(({ type }) => type === 'text');
  return isText ? blocks.map(({ text }) => text).join('\n\n') : blocks;
}

/** See `index.d.ts`. */
async function tools(client) {
  const toTool = ([name, tool]) =>
    new DynamicStructuredTool({
      name,
      description: tool.description ?? '',
      schema: parametersOf(tool),
      responseFormat: 'content_and_artifact',
      func: async (args, _manager, config) => {
        // LangChain makes a signal of a `timeout`, and keeps the number here.
        const options = { signal: config?.signal, timeout: config?.metadata?.timeoutMs };
        const result = await callTool(client, tool, args, options);
        return [toContent(result), result];
      },
    });
  return [...(await namedTools(client))].map(toTool);
}

module.exports = { tools };
