/** What the adapters of agent frameworks have in common: `ai-sdk/`, `langchain/`. */

const { isToolHiddenFromModel } = require('./apps');

/** What models of all providers take as a name; a server may have others, such as `files/read`. */
const NAME = /^[\w-]{1,64}$/;
const LONGEST = 64;
/** Levels of objects and lists in a tool or a result: as many as arguments may have. */
const DEEPEST = 512;

const isText = (value) => typeof value === 'string';
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Whether frameworks, which write it as JSON recursively, may come to the end of their stack. */
const isNestedBeyond = (value, levels) =>
  typeof value === 'object' &&
  value !== null &&
  (levels === 0 || Object.values(value).some((member) => isNestedBeyond(member, levels - 1)));

/** Whether something that a server lists is a tool that frameworks can read: one that they cannot would end the whole run. */
function isTool(tool) {
  if (!isText(tool?.name) || !isText(tool.description ?? '') || isNestedBeyond(tool, DEEPEST)) return false;
  const inputSchema = tool.inputSchema ?? {};
  return isObject(inputSchema) && (inputSchema.properties === undefined || isObject(inputSchema.properties));
}

/**
 * The tools that a server has for models, by names that they take. One whose name is taken as it is keeps it, whatever others
 * are called.
 *
 * @returns {Promise<Map<string, any>>}
 */
async function namedTools(client) {
  const tools = (await client.listTools()).tools.filter((tool) => isTool(tool) && !isToolHiddenFromModel(tool));
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

function isBase64(text) {
  try {
    atob(text);
    return true;
  } catch {
    return false;
  }
}

const isImage = ({ data, mimeType }) =>
  isText(data) && isBase64(data) && isText(mimeType) && /^image\/[\w.+-]+$/.test(mimeType);

/** What is wrong with a block of content, where a model could not be given it. */
function wrongIn(block) {
  if (!isText(block?.type)) return 'is no block of content';
  if (block.type === 'text' && !isText(block.text)) return 'has no text';
  if (block.type === 'image' && !isImage(block)) return 'has no data in base64, or no mimeType of an image';
  return undefined;
}

/** What is wrong with a result, and where; `undefined` where nothing is. */
function faultOf(result) {
  if (!isObject(result)) return 'it is no object';
  if (isNestedBeyond(result, DEEPEST)) return `it is nested deeper than ${DEEPEST} levels`;
  if (!Array.isArray(result.content)) return 'content is no list';
  const faults = result.content.map(wrongIn);
  const index = faults.findIndex((fault) => fault !== undefined);
  return index === -1 ? undefined : `content[${index}] ${faults[index]}`;
}

/** What a tool that has failed says of it. */
function failureOf({ content, structuredContent }) {
  const texts = content.filter(({ type }) => type === 'text').map(({ text }) => text);
  return texts.join('\n') || JSON.stringify(structuredContent);
}

const toolError = (message, members) => Object.assign(new Error(message), { name: 'MCPToolError', ...members });

/**
 * Calls a tool for a model. A result that is an error, or that frameworks cannot read, is thrown: so they know of it, and tell
 * the model its message. What they do with a result comes later, where an error would end the whole run.
 *
 * @returns {Promise<{ content: any[], structuredContent?: unknown }>}
 */
async function callTool(client, tool, args, options) {
  const answer = await client.callTool({ name: tool.name, arguments: args }, options);
  // Some servers send `structuredContent` alone.
  const result = { ...answer, content: answer.content ?? [] };
  const fault = faultOf(result);
  if (fault) {
    throw toolError(`The result of ${tool.name} is not MCP: ${fault}`, {
      code: 'MCP_INVALID_RESPONSE',
      result: answer,
    });
  }
  if (!result.isError) return result;
  throw toolError(failureOf(result) || `${tool.name} has failed`, { result: answer });
}

/** What models get to know of content that is neither text nor an image. Bytes mean nothing to them. */
function describe(block) {
  if (block.type === 'text') return block.text;
  if (typeof block.resource?.text === 'string') return block.resource.text;
  return JSON.stringify(block, (key, value) => (key === 'data' || key === 'blob' ? undefined : value));
}

module.exports = { callTool, describe, faultOf, namedTools, parametersOf };
