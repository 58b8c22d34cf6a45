/** What to do about a command that cannot be started, ends, or stays silent; and about time that ran out. */

const OWN_WORDS = 'run the command by itself, and look at what it prints';

/** The package that npx or uvx is told to run. */
const packageOf = ({ args = [] }) => args.find((arg) => typeof arg === 'string' && !arg.startsWith('-'));

/** How a server says that it misses a variable, whose name is in capitals. */
const MISSES = /\b(?:required|requires?|missing|must|not set|not defined|undefined|unset|provide|expected|set)\b/i;
const VARIABLE = /\b(?!ERR_|MODULE_)[A-Z][A-Z0-9]*_[A-Z0-9_]+\b/;

function missingVariable(words) {
  const line = words.split(' | ').find((said) => MISSES.test(said) && VARIABLE.test(said));
  return VARIABLE.exec(line)?.[0];
}

/** What a process has said, where the message has it. */
const saidIn = (message) =>
  /(?:last lines of its stderr|it wrote to stdout what is no message): (.*)$/.exec(message)?.[1];

/** What a stack has around the error itself. */
const STACK = /^\s*(?:at .+|node:internal\S*|\^+|throw \w+;?|[{}]+|Node\.js v\S+)\s*$/;
const STDERR = 'last lines of its stderr: ';

/** A message with what its process said last: the error first, and no stack. */
function withoutStack(message) {
  const [before, said] = message.split(STDERR);
  if (said === undefined) return message;
  const lines = said.split(' | ');
  const telling = lines.filter((line) => !STACK.test(line));
  const isError = (line) => /^(?:\w+: )*\w*Error\b.*?:/.test(line);
  const sorted = [...telling.filter(isError), ...telling.filter((line) => !isError(line))];
  return before + STDERR + (sorted.length > 0 ? sorted : lines).join(' | ');
}

/** By what a process said last. */
const WORDS = [
  [
    /ENOTCACHED|EAI_AGAIN|ENOTFOUND registry|ETIMEDOUT/,
    () => 'npx cannot reach the registry: install the package beforehand, or give npm its proxy.',
  ],
  [
    /npm (?:error|ERR!) (?:code )?(?:E?404|ETARGET)|No solution found when resolving|was not found in the package registry/,
    ({ server }) => `There is no such package: correct ${JSON.stringify(packageOf(server) ?? 'its name')} in \`args\`.`,
  ],
  [
    /Cannot find module|MODULE_NOT_FOUND|No module named|can't open file|No such file or directory/,
    () => 'A file or a module is missing: correct the path in `args`, or build and install the server.',
  ],
  [
    /EADDRINUSE|address already in use/i,
    () =>
      'The server wants a port that another program has: it may run already; some speak stdio only when told to in `args`.',
  ],
];

/** A process ended, or a connection. */
function endedHint({ message, server, transport }) {
  if (transport !== 'stdio') return "Look at the server's log: it ended the connection.";
  if (/: its process exited with status 127(?:;|$)/.test(message)) {
    return 'The command, or one that it runs, was not found: run it by itself in this folder, and install what it lacks.';
  }
  const words = saidIn(message);
  if (words === undefined) return `The server ended and said nothing: ${OWN_WORDS}.`;
  const [, hint] = WORDS.find(([pattern]) => pattern.test(words)) ?? [];
  if (hint) return hint({ server });
  const variable = missingVariable(words);
  if (variable && server.env?.[variable] !== undefined) return `Correct ${variable} in \`env\` of the server.`;
  if (variable) {
    return `Set ${variable} in \`env\` of the server: of the environment here it gets only a small safe part.`;
  }
  return `The server ended by itself: its last words say why; to see all of them, ${OWN_WORDS}.`;
}

/** The system could not start the command. */
function spawnHint({ message, server }) {
  const command = server?.command ?? '';
  if (/working directory .* does not exist/.test(message)) return 'Correct `cwd`: there is no such folder.';
  if (/may not execute/.test(message))
    return 'Let it be executed (chmod +x), or name what runs it: `command: node`, with the file in `args`.';
  if (/no program for this system|Exec format/.test(message)) {
    return 'Name what runs it: `command: python3` (or node, sh), with the file as the first of `args`; or give the file a first line with #!.';
  }
  if (/No such file|not found/.test(message)) {
    return /[\\/]/.test(command)
      ? `There is no such file: correct the path ${JSON.stringify(command)}, or install what belongs there.`
      : `Install ${JSON.stringify(command)}, or write its full path: it is not on the PATH of this process.`;
  }
  return 'Install the command, or correct `command`, `cwd` and `stderr`.';
}

/** Without `initTimeout`. */
const INIT_TIMEOUT_MS = 30_000;

/**
 * @param known.timeout  of the command line, in seconds
 * @param known.asked    who took too long to answer a request, `server` or `tool`; the connection was there
 */
function timeoutHint({ message, server, transport, address, timeout, asked, isTyped }) {
  if (asked) return `The ${asked} took longer than --timeout (${timeout} s): give a longer one.`;
  const initTimeout = server?.initTimeout ?? INIT_TIMEOUT_MS;
  const isOurs = timeout !== undefined && timeout * 1000 <= initTimeout;
  const ended = isOurs ? `--timeout ended it after ${timeout} s. ` : '';
  const raise = 'raise `initTimeout` (milliseconds)';
  const isBoth = timeout * 1000 === initTimeout && !isTyped;
  const limit = isOurs ? `give a longer --timeout${isBoth ? `, and ${raise}` : ''}` : raise;
  return ended + silenceHint({ message, server, transport, address, limit });
}

function silenceHint({ message, server, transport, address, limit }) {
  if (transport === 'stdio' && /it wrote to stdout what is no message/.test(message)) {
    return 'See that the command is an MCP server over stdio: some are so only with an argument such as `stdio` in `args`.';
  }
  if (transport === 'stdio') {
    const download = /^(?:npx|uvx|docker)$/.test(server?.command) ? ', the first time with a download' : '';
    return (
      `If the server starts slowly${download}, ${limit}; else see that the command speaks MCP over stdio, ` +
      'which some do only with an argument such as `stdio`.'
    );
  }
  return `${address ?? 'The server'} took the request and stayed silent: if it is slow, ${limit}; else see that \`url\` and \`type\` are right.`;
}

module.exports = { endedHint, spawnHint, timeoutHint, withoutStack };
