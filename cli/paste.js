/** The return of a browser on another machine, which cannot reach this one: the user pastes the address that it was sent to. */

const { createInterface } = require('node:readline');

const PROMPT = 'The address that the browser was sent to: ';
const CALLBACK = /^\/api\/mcp\/[^/]+\/oauth\/callback$/;
const ANSWER_TIMEOUT_MS = 60_000;

/**
 * Reads addresses from stdin until one is taken, and hands each to the listener that waits for the browser, which checks
 * it as it would check the browser's request. Ends with `close()`.
 *
 * @param authorizationUrl  what the user has opened
 */
function readPasted(authorizationUrl) {
  const { stdin, stderr } = process;
  const lines = createInterface({ input: stdin, output: stderr, terminal: stdin.isTTY === true, prompt: PROMPT });
  // Ctrl+C is meant for the command.
  lines.on('SIGINT', () => {
    lines.close();
    process.kill(process.pid, 'SIGINT');
  });
  lines.on('line', async (line) => {
    if (line.trim() === '') return lines.prompt();
    const problem = await handOver(line.trim(), authorizationUrl);
    if (problem === undefined) return lines.close();
    stderr.write(`${problem}\n`);
    return lines.prompt();
  });
  stderr.write('If that browser is on another machine, it ends at an address that it cannot open. Paste it here.\n');
  lines.prompt();
  return { close: () => lines.close() };
}

/** Why an address is not taken, `undefined` for one that is. */
async function handOver(text, authorizationUrl) {
  const target = callbackOf(text, authorizationUrl);
  if (target.problem) return target.problem;
  try {
    const answer = await fetch(target, { redirect: 'error', signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
    await answer.body?.cancel();
    return answer.ok ? undefined : 'The address is not of this login, or the login failed.';
  } catch {
    // It closes with the login.
    return 'The login has ended.';
  }
}

/** The address of the listener with what was pasted, or `{ problem }`. No other address is ever asked. */
function callbackOf(text, authorizationUrl) {
  if (!URL.canParse(text)) return { problem: 'That is no address: copy all of it, from http:// on.' };
  const pasted = new URL(text);
  const asked = new URL(authorizationUrl).searchParams;
  // A request that was pushed (RFC 9126) does not show them.
  const redirect = asked.get('redirect_uri');
  const isCallback = redirect
    ? `${pasted.origin}${pasted.pathname}` === redirect
    : pasted.protocol === 'http:' && pasted.hostname === '127.0.0.1' && CALLBACK.test(pasted.pathname);
  if (!isCallback) return { problem: 'That is not the address that the browser is sent to after the login.' };
  const state = asked.get('state');
  if (state && pasted.searchParams.get('state') !== state) {
    return { problem: 'That address is of another login: open the one above, and paste where it leads to.' };
  }
  pasted.hash = '';
  return pasted;
}

module.exports = { callbackOf, readPasted };
