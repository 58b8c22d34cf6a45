/** `get`: a prompt, with its arguments filled in. */

const { pairsOf } = require('../arguments');
const { connected, limitsOf } = require('../connected');
const { render } = require('../content');
const { EXIT } = require('../failure');
const { block, clean, paint, print, printJson, progress } = require('../output');

module.exports = async function get(name, prompt, given, options) {
  // Arguments of prompts are texts.
  const params = { name: prompt, arguments: Object.fromEntries(pairsOf(given)) };
  return connected(name, options, async (_, client) => {
    const spinner = progress(`getting ${clean(prompt)}`, options);
    const { description, messages } = await client
      .getPrompt(params, limitsOf(options))
      .catch(async (error) => {
        const hint = await hintOf(client, params, limitsOf(options)).catch(() => undefined);
        throw Object.assign(error, hint && { hint });
      })
      .finally(spinner.stop);
    if (options.json) printJson({ version: 1, name, ok: true, description, messages });
    else {
      for (const message of [messages ?? []].flat()) {
        print(paint.bold(clean(message?.role)));
        print(`  ${block(render(message?.content))}`);
      }
    }
    return EXIT.ok;
  });
};

/** What a prompt that a server refuses to give may lack. */
async function hintOf(client, params, limits) {
  const { prompts = [] } = await client.listPrompts({}, limits);
  const found = prompts.find((prompt) => prompt?.name === params.name);
  if (!found) return `Its prompts: ${prompts.map((prompt) => clean(prompt?.name)).join(', ') || 'none'}.`;
  const lacking = [found.arguments ?? []]
    .flat()
    .filter((argument) => argument?.required && !Object.hasOwn(params.arguments, argument.name))
    .map(({ name }) => `${clean(name)}=…`);
  return lacking.length > 0 ? `The prompt needs ${lacking.join(' ')}` : undefined;
}
