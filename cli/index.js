/** The command line: which commands there are and what they take. Each is a file in `commands/`. */

const { Command, CommanderError, InvalidArgumentError } = require('commander');
const { version } = require('../package.json');
const { DEFAULT_FILE } = require('./config');
const { EXIT, Failure } = require('./failure');
const { reportFailure } = require('./output');

const MAX_TIMEOUT_S = 3600;

/** Runs one command and resolves to the exit code. */
async function run(argv) {
  let code = EXIT.ok;
  const program = new Command('librechat-mcp-native')
    .description('Checks and uses the MCP servers of a librechat.yaml')
    .version(version)
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(--help shows what there is)');

  const command = (usage, description) =>
    program
      .command(usage)
      .description(description)
      .option('--config <file>', `the configuration (default: ${DEFAULT_FILE})`)
      .option('--json', 'print JSON for machines');
  const timed = (built, fallback) => built.option('--timeout <seconds>', 'bound for each server', seconds, fallback);
  const personal = (built) =>
    built.option('--user-vars <file>', "YAML with your values for the servers' customUserVars, by server and name");
  const action =
    (name) =>
    async (...args) => {
      code = await require(`./commands/${name}`)(...args.slice(0, -1));
    };

  personal(timed(command('check [arguments...]', 'connects to every server, or to those that are named'), 30))
    .usage('[options] [librechat.yaml] [server...]')
    .action(action('check'));
  personal(timed(command('tools <server>', 'lists what a server offers'), 30)).action(action('tools'));
  personal(timed(command('call <server> <tool> [json]', 'calls a tool with arguments in JSON'), 60)).action(
    action('call'),
  );
  personal(timed(command('login <server>', 'authorizes with a server in the browser'), 120))
    .option('--no-browser', 'print the address only')
    .action(action('login'));
  timed(command('obo <server>', "exchanges a user's token, read from stdin, for one that the server takes"), 30).action(
    action('obo'),
  );
  personal(command('inspect [file]', 'serves a page with all servers, to try what they offer'))
    .option('--port <number>', 'where the page is (default: any that is free)', port, 0)
    .option('--no-browser', 'print the address only')
    .action(action('inspect'));
  command('validate [file]', 'checks the configuration without connecting').action(action('validate'));

  try {
    await program.parseAsync(argv);
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    reportFailure(error, argv.includes('--json'));
    return error instanceof Failure ? error.exitCode : EXIT.failed;
  }
}

function seconds(text) {
  const value = Number(text);
  if (!(value > 0 && value <= MAX_TIMEOUT_S)) {
    throw new InvalidArgumentError(`Expected seconds, more than 0 and at most ${MAX_TIMEOUT_S}.`);
  }
  return value;
}

function port(text) {
  const value = Number(text);
  if (!(Number.isInteger(value) && value > 0 && value < 65_536)) {
    throw new InvalidArgumentError('Expected a port, from 1 to 65535.');
  }
  return value;
}

module.exports = { run };
