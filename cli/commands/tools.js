/** `tools`: what a server offers. */

const { EXIT } = require('../failure');
const { isMapping } = require('../config');
const { block, clean, counted, paint, print, printJson, progress } = require('../output');
const { connected } = require('../connected');
const { arePinned, printPin, waits } = require('../pins');
const { USER } = require('../runtime');

module.exports = async function tools(name, options) {
  return connected(name, options, async (connection, _client, _known, context) => {
    const spinner = progress(`listing the tools of ${clean(name)}`, options);
    const { tools: offered } = await connection.client.listTools().finally(spinner.stop);
    if (options.pins) return showPins(name, context, options);
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

/** The tools as they are approved, now that they were listed. */
async function showPins(name, { config, runtime }, { json }) {
  const pins = await runtime.manager.getToolPins({ user: USER, serverName: name });
  if (json) {
    printJson({ version: 1, name, tools: pins });
    return EXIT.ok;
  }
  if (!arePinned(config, name)) print('pinTools is off for this server: changes of its tools are not noticed.');
  for (const pin of pins) printPin(pin);
  const waiting = pins.filter(waits).length;
  print(`${counted(pins.length, 'tool')}, ${waiting} of them not approved`);
  return EXIT.ok;
}

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
