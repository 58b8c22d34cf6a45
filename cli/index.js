/** The command line: which commands there are and what they take. Each is a file in `commands/`. */

const { Command, CommanderError, InvalidArgumentError, Option } = require('commander');
const { version } = require('../package.json');
const { DEFAULT_FILE } = require('./config');
const { EXIT, Failure } = require('./failure');
const { reportFailure } = require('./output');
const { FORMATS } = require('./reports');
const { splitCommand, targetOf } = require('./target');

const MAX_TIMEOUT_S = 3600;

/** Runs one command and resolves to the exit code. */
async function run(given) {
  const { argv, command: ofServer } = splitCommand(given);
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
  const targeted = (built) =>
    built
      .option('--header <header>', "'Name: value', sent to a server that is given by its address", listed)
      .option('--type <transport>', 'of a server that is given by its address (default: streamable-http)')
      .option('--env <variable>', 'NAME=value, for a server that is given by its command', listed);
  const action =
    (name) =>
    async (...args) => {
      const [server, options] = [[args[0]].flat()[0], args.at(-2)];
      options.target = targetOf(server, ofServer, options);
      if (options.target) args[0] = Array.isArray(args[0]) ? [options.target.name] : options.target.name;
      code = await require(`./commands/${name}`)(...args.slice(0, -1));
    };

  targeted(personal(timed(command('check [arguments...]', 'connects to every server, or to those that are named'), 30)))
    .usage('[options] [librechat.yaml] [server...]\n       … check [options] https://… | -- <command> [argument...]')
    .addOption(new Option('--format <format>', 'what to print, for CI').choices(Object.keys(FORMATS)).conflicts('json'))
    .option('--trace <file>', 'records the traffic in a file')
    .action(action('check'));
  targeted(personal(timed(command('tools <server>', 'lists what a server offers'), 30))).action(action('tools'));
  targeted(personal(timed(command('call <server> <tool> [json]', 'calls a tool with arguments in JSON'), 60))).action(
    action('call'),
  );
  targeted(personal(timed(command('login <server>', 'authorizes with a server in the browser'), 120)))
    .option('--no-browser', 'print the address only')
    .action(action('login'));
  timed(command('obo <server>', "exchanges a user's token, read from stdin, for one that the server takes"), 30).action(
    action('obo'),
  );
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

/** An option that may be given again. */
const listed = (text, before = []) => [...before, text];

function seconds(text) {
  const value = Number(text);
  if (!(value > 0 && value <= MAX_TIMEOUT_S)) {
    throw new InvalidArgumentError(`Expected seconds, more than 0 and at most ${MAX_TIMEOUT_S}.`);
  }
  return value;
}

module.exports = { run };
