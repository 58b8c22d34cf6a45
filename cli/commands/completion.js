/** `completion`: scripts for shells, and the words that these ask for. */

const { readConfig } = require('../config');
const { EXIT } = require('../failure');
const { print } = require('../output');
const { readStdin } = require('../stdin');

const NAME = 'librechat-mcp-native';
const MAX_LINE = 64 * 1024;
/** A name with anything else would have to be quoted, by the rules of each shell. */
const PLAIN = /^[\w.@+][\w.@+-]*$/;

/** Each gives the words of the line, the last one being the one to complete, and gets those that could stand in its place. */
const SCRIPTS = {
  bash: `_librechat_mcp_native() {
  local IFS=$'\\n'
  COMPREPLY=($(printf '%s\\n' "\${COMP_WORDS[@]:1:COMP_CWORD}" | "\${COMP_WORDS[0]}" completion bash --words 2>/dev/null))
}
complete -o default -F _librechat_mcp_native ${NAME}`,
  zsh: `#compdef ${NAME}
_librechat_mcp_native() {
  local -a found
  found=(\${(f)"$(print -rl -- "\${(@)words[2,CURRENT]}" | \${words[1]} completion zsh --words 2>/dev/null)"})
  if (( \${#found} )); then compadd -a found; else _files; fi
}
compdef _librechat_mcp_native ${NAME}`,
  fish: `function __librechat_mcp_native
  set -l words (commandline -opc) (commandline -ct)
  string join \\n -- $words[2..-1] | $words[1] completion fish --words 2>/dev/null
end
complete -c ${NAME} -a '(__librechat_mcp_native)'`,
};

module.exports = async function completion(shell, options, command) {
  if (!options.words) print(SCRIPTS[shell]);
  else {
    const text = (await readStdin({ limit: MAX_LINE, ask: 'Words, each on a line' })) ?? '';
    const words = text.replace(/\n$/, '').split('\n');
    for (const word of candidates(command.parent, words)) print(word);
  }
  return EXIT.ok;
};

/** What could stand in the place of the last word. */
function candidates(program, words) {
  const current = words.at(-1);
  const before = words.slice(0, -1);
  const at = before.findIndex((word) => !word.startsWith('-'));
  const command = at >= 0 ? program.commands.find((known) => known.name() === before[at]) : undefined;
  const { options } = command ?? program;
  const takesValue = (word = '') => options.find(({ long, short }) => [long, short].includes(word))?.required === true;
  if (takesValue(before.at(-1))) return [];
  if (current.startsWith('-'))
    return startingWith(
      current,
      options
        .filter(({ hidden }) => !hidden)
        .map(({ long }) => long)
        .concat('--help'),
    );
  if (at < 0)
    return startingWith(
      current,
      program.commands.map((known) => known.name()),
    );
  const position = before
    .slice(at + 1)
    .filter((word, index, all) => !word.startsWith('-') && !takesValue(all[index - 1]));
  const expected = command?.registeredArguments ?? [];
  const argument = expected[position.length] ?? expected.filter(({ variadic }) => variadic).at(-1);
  return startingWith(current, argument?.argChoices ?? (SERVERS.has(argument?.name()) ? serversOf(before) : []));
}

/** Arguments that are names of servers, or may be. */
const SERVERS = new Set(['server', 'servers', 'arguments']);

const startingWith = (start, words) => words.filter((word) => word.startsWith(start));

function serversOf(words) {
  const at = words.indexOf('--config');
  try {
    const { servers } = readConfig(at < 0 ? undefined : words[at + 1]);
    return Object.keys(servers).filter((name) => PLAIN.test(name));
  } catch {
    return [];
  }
}
