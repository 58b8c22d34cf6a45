/** What comes from stdin as a whole. */

/**
 * @param options.limit  in characters
 * @param options.ask    told on a terminal, where somebody has to type
 * @returns the text, `undefined` where there is more of it than the limit
 */
async function readStdin({ limit, ask }) {
  if (process.stdin.isTTY) process.stderr.write(`${ask}, then Ctrl+D:\n`);
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += chunk;
    if (text.length > limit) return undefined;
  }
  return text;
}

module.exports = { readStdin };
