/** A server that the command line itself describes, by its address or its command, in place of a configuration. */

const { basename } = require('node:path');
const { addressOf } = require('./address');
const { loadEnvironment } = require('./config');
const { Failure } = require('./failure');

/** What a message names in place of a file. */
const COMMAND_LINE = 'the command line';
const WEB = /^https?:\/\//i;
const ADDRESS = /^(?:https?|wss?):\/\//i;

/**
 * Takes from the arguments what stands after `--`: the command of a stdio server. The name that it is shown by stands in its
 * place, as the first argument of the command.
 *
 * @returns `{ argv, command }`; `command` is a list of texts, `undefined` where there is no `--`
 */
function splitCommand(argv) {
  const at = argv.indexOf('--');
  if (at < 0) return { argv };
  const command = argv.slice(at + 1);
  // After node, the script and the name of what is to be done.
  return { argv: argv.slice(0, at).toSpliced(3, 0, basename(command[0] ?? '')), command };
}

/**
 * @param argument  where a command takes the name of a server
 * @param command   of `splitCommand`
 * @param options   `header`, `env` (lists of texts), `type`, `config`, `timeout` (seconds)
 * @returns what `readConfig` would of a file with this server alone, the server's `name`, and `isTyped`; `undefined` where the argument
 * names a server of a file
 */
function targetOf(argument, command, { header = [], env = [], type, config, timeout }) {
  const isAddress = !command && ADDRESS.test(argument ?? '');
  const refuse = (given, option, needs) => {
    if (given) throw usage(`${option} needs ${needs}`);
  };
  refuse((header.length > 0 || type) && !isAddress, type ? '--type' : '--header', 'the address of a server');
  refuse(env.length > 0 && !command, '--env', 'the command of a server, after --');
  if (!command && !isAddress) return undefined;
  refuse(config !== undefined, '--config', 'the name of a server of that file');
  loadEnvironment('.env');
  // Nothing else bounds its connection.
  const limits = timeout === undefined ? {} : { initTimeout: timeout * 1000 };
  return command ? ofCommand(command, env, limits) : ofAddress(argument, header, type, limits);
}

function ofCommand([command, ...args], env, limits) {
  if (!command) throw usage('After -- stands the command of a server');
  const variables = pairs(env, '=', '--env expects NAME=value');
  return configured(basename(command), { command, args, env: variables, ...limits });
}

function ofAddress(text, header, type, limits) {
  if (!URL.canParse(text)) throw usage('The address of the server is no URL');
  const url = new URL(text);
  const kind = WEB.test(text) ? (type ?? 'streamable-http') : 'websocket';
  const headers = pairs(header, ':', "--header expects 'Name: value'");
  // Who types a private address means it; no other is opened by that.
  const server = { type: kind, url: text, ...(header.length > 0 && { headers }), ...limits };
  // A query may hold a key.
  const typed = `${url.protocol}//${url.host}${url.pathname}`;
  return configured(url.host, server, { settings: { allowedAddresses: [addressOf(text)] }, typed });
}

function configured(name, server, { settings, typed } = {}) {
  const servers = { [name]: server };
  const document = { mcpServers: servers, mcpSettings: settings };
  return { name, typed, isTyped: true, file: COMMAND_LINE, document, servers, lineOf: () => undefined };
}

function pairs(texts, separator, expected) {
  const pair = (text) => {
    const at = text.indexOf(separator);
    if (at < 1) throw usage(expected);
    return [text.slice(0, at).trim(), separator === ':' ? text.slice(at + 1).trim() : text.slice(at + 1)];
  };
  return Object.fromEntries(texts.map(pair));
}

const usage = (message) =>
  new Failure(message, {
    code: 'MCP_INVALID_ARGUMENT',
    hint: "As in: check https://example.com/mcp --header 'Name: value', or: check -- npx -y some-server",
  });

module.exports = { splitCommand, targetOf };
