/** `tools`: what a server offers. */

const { EXIT } = require('../failure');
const { isMapping } = require('../config');
const { block, clean, counted, paint, print, printJson, progress } = require('../output');
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
      print(paint.bold(clean(tool?.name)));
      if (tool?.description) print(`  ${block(tool.description)}`);
      for (const line of parameters(tool?.inputSchema)) print(`  ${line}`);
    }
    print(counted(offered.length, 'tool'));
    return EXIT.ok;
  });
};

/** One line for each parameter; schemas are the servers' own, and hold what they like. */
function parameters(schema) {
  const required = new Set(Array.isArray(schema?.required) ? schema.required : []);
  const properties = isMapping(schema?.properties) ? schema.properties : {};
  return Object.entries(properties).map(([name, property]) => {
    const type = [property?.type ?? 'any'].flat().map(clean).join(' | ');
    const about = property?.description ? `: ${block(property.description, '    ')}` : '';
    return `- ${clean(name)} (${type}${required.has(name) ? '' : ', optional'})${about}`;
  });
}
