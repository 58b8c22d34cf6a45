/** `prompts`: which prompts a server has, with their arguments. */

const { connected, limitsOf } = require('../connected');
const { EXIT } = require('../failure');
const { block, clean, counted, paint, print, printJson, progress } = require('../output');

module.exports = async function prompts(name, options) {
  return connected(name, options, async (_, client) => {
    const spinner = progress(`listing the prompts of ${clean(name)}`, options);
    const listed = await listAll(client, limitsOf(options)).finally(spinner.stop);
    if (options.json) {
      printJson({ version: 1, name, ok: true, prompts: listed });
      return EXIT.ok;
    }
    for (const prompt of listed) {
      print(paint.bold(clean(prompt?.name)));
      if (prompt?.description) print(`  ${block(prompt.description)}`);
      for (const argument of [prompt?.arguments ?? []].flat()) {
        const about = argument?.description ? `: ${block(argument.description, '    ')}` : '';
        print(`  - ${clean(argument?.name)}${argument?.required ? '' : ' (optional)'}${about}`);
      }
    }
    print(counted(listed.length, 'prompt'));
    return EXIT.ok;
  });
};

async function listAll(client, limits) {
  await client.connect();
  if (!client.capabilities?.prompts) return [];
  const { prompts: listed = [] } = await client.listPrompts({}, limits);
  return listed;
}
