/** `approve`: approves tools as a server describes them now. */

const { userInfo } = require('node:os');
const { createInterface } = require('node:readline/promises');
const { connected, noSuchTool } = require('../connected');
const { EXIT, Failure } = require('../failure');
const { clean, counted, print, printJson } = require('../output');
const { printPin, waits } = require('../pins');
const { USER } = require('../runtime');

module.exports = async function approve(name, tool, options) {
  return connected(name, options, async (connection, _client, _known, { runtime: { manager } }) => {
    const { tools: offered } = await connection.client.listTools();
    const params = { user: USER, serverName: name };
    const pins = await manager.getToolPins(params);
    // Without pinTools there are none, and a tool that waits is not offered.
    const names = new Set([...offered, ...pins].map((it) => it?.name));
    if (tool !== undefined && !names.has(tool)) throw noSuchTool(tool, [...names]);
    const waiting = pins.filter((pin) => waits(pin) && [undefined, pin.name].includes(tool));
    if (!options.json) {
      for (const pin of waiting) printPin(pin);
      if (waiting.length === 0) print('Nothing waits to be approved.');
    }
    const isMeant = waiting.length > 0 && (await agrees(waiting, options));
    const tools = waiting.map(({ name, hash }) => ({ name, hash }));
    const approved = isMeant ? await manager.approveTools({ ...params, tools, approvedBy: loginName() }) : [];
    if (options.json) printJson({ version: 1, name, approved });
    else if (isMeant) print(`Approved: ${approved.map(({ name }) => clean(name)).join(', ') || 'nothing'}`);
    return approved.length === waiting.length ? EXIT.ok : EXIT.failed;
  });
};

/** Who approves: a system may have no name for its user. */
function loginName() {
  try {
    return userInfo().username;
  } catch {
    return 'command line';
  }
}

/** Whether what was shown is to be approved. What could not be shown is approved by nobody who has not been asked. */
async function agrees(waiting, { yes, json }) {
  const partial = waiting.filter(({ diffIsPartial }) => diffIsPartial);
  if (yes && partial.length === 0) return true;
  if (yes) {
    throw new Failure(`Not all is shown of what is different: ${partial.map(({ name }) => clean(name)).join(', ')}`, {
      code: 'MCP_INVALID_ARGUMENT',
      hint: 'Nothing was approved. Name a tool that is shown whole, or approve at a terminal, without --yes.',
    });
  }
  if (json || !process.stdin.isTTY || !process.stdout.isTTY) {
    throw new Failure('Nobody can be asked', {
      code: 'MCP_INVALID_ARGUMENT',
      hint: 'Look at it with tools --pins, and give --yes.',
    });
  }
  const unseen = partial.length > 0 ? `, ${partial.length} of them not shown whole` : '';
  const question = `Approve ${counted(waiting.length, 'tool')}${unseen}? y/N `;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const ended = new Promise((fulfil) => terminal.once('close', () => fulfil('')));
  try {
    const answer = await Promise.race([terminal.question(question), ended]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}
