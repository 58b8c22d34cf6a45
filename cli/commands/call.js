/** `call`: one tool call, its result as the server sent it. */

const { connected } = require('../connected');
const { EXIT, Failure } = require('../failure');
const { block, clean, json, print, printJson, progress } = require('../output');

module.exports = async function call(name, tool, text, options) {
  const parameters = { name: tool, arguments: readArguments(text) };
  return connected(name, options, async (connection) => {
    const spinner = progress(`calling ${clean(tool)}`, options);
    const request = { method: 'tools/call', params: parameters };
    const limit = { timeout: options.timeout * 1000 };
    const result = await connection.client.request(request, undefined, limit).finally(spinner.stop);
    if (options.json) printJson(result);
    else for (const item of [result?.content ?? []].flat()) print(block(render(item)));
    return result?.isError ? EXIT.failed : EXIT.ok;
  });
};

function readArguments(text) {
  let value;
  try {
    value = JSON.parse(text ?? '{}');
  } catch (error) {
    throw new Failure(`The arguments are no JSON: ${error.message}`, { code: 'MCP_INVALID_ARGUMENT' });
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new Failure('The arguments must be a JSON object', { code: 'MCP_INVALID_ARGUMENT' });
  }
  return value;
}

function render(item) {
  if (typeof item?.text === 'string' && item.type === 'text') return item.text;
  if (typeof item?.data === 'string') {
    return `[${clean(item.type)} ${clean(item.mimeType)}, ${item.data.length} characters of base64]`;
  }
  return json(item, 2);
}
