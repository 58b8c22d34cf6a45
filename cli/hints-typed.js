/** Hints for a server that the command line describes: what they name is there, and not in a file. */

/** What stands in hints for servers of a file, and what in its place. */
const PLACES = [
  [/Set (\w+) in `env` of the server:/g, 'Give it $1 with --env $1=…:'],
  [/Correct (\w+) in `env` of the server\./g, 'Correct $1, given with --env $1=…'],
  [/put its key into `headers` or `apiKey`; set `requiresOAuth: true` .*$/g, "give its key: --header 'Name: ${KEY}'"],
  [/credentials in `headers` or `apiKey`/g, "credentials (--header 'Name: ${KEY}')"],
  [
    /if `headers` are to be enough, correct them and set `requiresOAuth: false`/g,
    'if --header is to be enough, correct it',
  ],
  [/for `headers`/g, "for --header 'Name: ${KEY}'"],
  [/`headers`/g, '--header'],
  [/write `type: streamable-http` \(or sse\) and/g, 'write'],
  [/write `type: streamable-http`; without `type` a URL means sse, as in LibreChat/g, 'leave out --type'],
  [/write `type: (\S+)`/g, 'give --type $1'],
  [/`type`/g, '--type'],
  [/`url`/g, 'the address'],
  [/,? or (?:in )?`proxy` of the server,?/g, ''],
  [/raise `initTimeout` \(milliseconds\)/g, 'give a longer --timeout'],
  [/`command: (\S+)` \(or node, sh\), with the file as the first of `args`/g, '$1 (or node, sh) before it'],
  [/`command: (\S+)`, with the file in `args`/g, '$1 before it'],
  [/(?:such as `stdio` )?in `args`/g, (found) => found.replace('in `args`', 'behind --')],
  [/Correct the configuration; `validate` shows the lines\./g, 'Correct the command line: --help shows what it takes.'],
];

/** What only a file can say. */
const OF_A_FILE = /`(?:tls|oauth|client_id|requiresOAuth)\b|\boauth\.client_id\b|mcpSettings/;

function typedHint(hint) {
  const told = PLACES.reduce((text, [pattern, place]) => text.replace(pattern, place), hint);
  return OF_A_FILE.test(told) ? `${told} That takes a librechat.yaml with this server.` : told;
}

module.exports = { typedHint };
