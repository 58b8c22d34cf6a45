/** `call`: one tool call, its result as the server sent it. */

const { connected } = require('../connected');
const { EXIT, Failure } = require('../failure');
const { clean, print, printJson, progress } = require('../output');

module.exports = async function call(name, tool, json, options) {
  const parameters = { name: tool, arguments: readArguments(json) };
  return connected(name, options, async (connection) => {
    const spinner = progress(`calling ${clean(tool)}`, options);
    const request = { method: 'tools/call', params: parameters };
    const limit = { timeout: options.timeout * 1000 };
    const result = await connection.client.request(request, undefined, limit).finally(spinner.stop);
    if (options.json) printJson(result);
    else for (const item of result.content ?? []) print(clean(render(item)));
    return result.isError ? EXIT.failed : EXIT.ok;
  });
};

function readArguments(json) {
  let value;
  try {
    value = JSON.parse(json ?? '{}');
  } catch (error) {
    throw new Failure(`The arguments are no JSON: ${error.message}`, { code: 'MCP_INVALID_ARGUMENT' });
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new Failure('The arguments must be a JSON object', { code: 'MCP_INVALID_ARGUMENT' });
  }
  return value;
}

function render(item) {
  if (item.type === 'text') return item.text;
  if (typeof item.data === 'string') return `[${item.type} ${item.mimeType}, ${item.data.length} characters of base64]`;
  return JSON.stringify(item, null, 2);
}
