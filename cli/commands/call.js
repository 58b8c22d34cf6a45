/** `call`: one tool call, its result as the server sent it. */

const { jsonArguments, pairedArguments } = require('../arguments');
const { connected, noSuchTool } = require('../connected');
const { render, save } = require('../content');
const { EXIT } = require('../failure');
const { block, clean, print, printJson, progress } = require('../output');

module.exports = async function call(name, tool, given, options) {
  const early = await jsonArguments(given);
  const work = async ({ client }) => {
    const spinner = progress(`calling ${clean(tool)}`, options);
    try {
      const params = { name: tool, arguments: early ?? pairedArguments(given, await schemaOf(client, tool)) };
      const limit = { timeout: options.timeout * 1000 };
      const result = await client.request({ method: 'tools/call', params }, undefined, limit);
      // What is printed does not go into the line of the spinner.
      spinner.stop();
      const content = [result?.content ?? []].flat();
      if (options.json) printJson(result);
      else for (const item of content) print(block(render(item)));
      if (options.save) save(content, options.save);
      return result?.isError ? EXIT.failed : EXIT.ok;
    } finally {
      spinner.stop();
    }
  };
  return connected(name, options, work, 'tool');
};

/** The schema says which values are numbers. */
async function schemaOf(client, name) {
  const { tools } = await client.listTools();
  const found = tools.find((tool) => tool?.name === name);
  if (found) return found.inputSchema;
  const names = tools.map((tool) => tool?.name);
  throw noSuchTool(name, names);
}
