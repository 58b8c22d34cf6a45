/** `tools`: what a server offers. */

const { EXIT } = require('../failure');
const { clean, paint, print, printJson, progress } = require('../output');
const { connected } = require('../connected');

module.exports = async function tools(name, options) {
  return connected(name, options, async (connection) => {
    const spinner = progress(`listing the tools of ${clean(name)}`, options);
    const { tools: offered } = await connection.client.listTools().finally(spinner.stop);
    if (options.json) {
      printJson(offered);
      return EXIT.ok;
    }
    for (const tool of offered) {
      print(paint.bold(clean(tool.name)));
      if (tool.description) print(indent(clean(tool.description)));
      for (const line of parameters(tool.inputSchema)) print(indent(line));
    }
    print(`${offered.length} tools`);
    return EXIT.ok;
  });
};

const indent = (text) => text.replace(/^/gm, '  ');

function parameters(schema) {
  const required = new Set(schema?.required ?? []);
  return Object.entries(schema?.properties ?? {}).map(([name, property]) => {
    const type = [property?.type ?? 'any'].flat().join(' | ');
    const about = property?.description ? `: ${property.description}` : '';
    return clean(`- ${name} (${type}${required.has(name) ? '' : ', optional'})${about}`);
  });
}
