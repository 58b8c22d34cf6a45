/** The command line: which commands there are and what they take. Each is a file in `commands/`. */

const { Argument, Command, CommanderError, InvalidArgumentError, Option } = require('commander');
const { version } = require('../package.json');
const { DEFAULT_FILE } = require('./config');
const { examplesOf } = require('./examples');
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
      .addOption(
        new Option('--type <transport>', 'of a server that is given by its address (default: streamable-http)').choices(
          ['streamable-http', 'sse'],
        ),
      )
      .option('--env <variable>', 'NAME=value, for a server that is given by its command', listed);
  const action =
    (name) =>
    async (...args) => {
      const [server, options] = [[args[0]].flat()[0], args.at(-2)];
      options.target = targetOf(server, ofServer, options);
      if (options.target && args[0]?.length > 1 && Array.isArray(args[0])) {
        const hint = 'Name servers of a file, or describe one.';
        throw new Failure(`Besides ${options.target.name} no server can be named`, {
          code: 'MCP_INVALID_ARGUMENT',
          hint,
        });
      }
      if (options.target) args[0] = Array.isArray(args[0]) ? [options.target.name] : options.target.name;
      code = await require(`./commands/${name}`)(...args);
    };
  const reads = (usage, description) => targeted(personal(timed(command(usage, description), 30)));

  reads('check [arguments...]', 'connects to every server, or to those that are named')
    .usage('[options] [librechat.yaml] [server...]\n       … check [options] https://… | -- <command> [argument...]')
    .addOption(new Option('--format <format>', 'what to print, for CI').choices(Object.keys(FORMATS)).conflicts('json'))
    .option('--trace <file>', 'adds the traffic to a file');
  reads('tools <server>', 'lists what a server offers').option(
    '--pins',
    'which tools are approved, and what has changed',
  );
  personal(timed(command('approve <server> [tool]', 'approves tools as the server describes them now'), 30)).option(
    '--yes',
    'without asking',
  );
  targeted(personal(timed(command('call <server> <tool> [values...]', 'calls a tool'), 60)))
    .usage("[options] <server> <tool> [name=value...]\n       … call [options] <server> <tool> '{…}' | -")
    .option('--save <path>', 'a file or a folder for images, audio and resources of the result');
  reads('resources <server>', 'lists what a server has to read');
  reads('read <server> <uri>', 'shows what a resource has in it').option(
    '--save <path>',
    'a file or a folder for it, as it is',
  );
  reads('prompts <server>', 'lists the prompts of a server');
  reads('get <server> <prompt> [values...]', 'gets a prompt, with its arguments filled in').usage(
    '[options] <server> <prompt> [name=value...]',
  );
  targeted(personal(timed(command('login <server>', 'authorizes with a server in the browser'), 120)))
    .option('--no-browser', 'print the address only')
    .option('--port <port>', 'of this machine, that the browser comes back to (default: any)', port)
    .option('--paste', 'read the address that the browser was sent to from stdin');
  personal(command('logout <server>', 'revokes the tokens of a login, and forgets them'));
  command('tokens [servers...]', 'lists the logins that are stored, without the tokens');
  timed(command('obo <server>', "exchanges a user's token, read from stdin, for one that the server takes"), 30);
  targeted(personal(command('inspect [file]', 'serves a page with all servers, to try what they offer')))
    .usage('[options] [librechat.yaml]\n       … inspect [options] https://… | -- <command> [argument...]')
    .option('--port <port>', 'where the page is (default: any that is free)', port)
    .option('--no-browser', 'print the address only');
  command('validate [file]', 'checks the configuration without connecting');
  program
    .command('trace <file>')
    .description('shows a trace that MCP_NATIVE_TRACE has written')
    .option('--server <name>', 'what concerns this server only')
    .option('--har <file>', 'write the HTTP of it as HAR 1.2, and show nothing');
  program
    .command('audit [file]')
    .description('shows who called which tool, from the file that MCP_NATIVE_AUDIT names')
    .option('--follow', 'goes on with what is added, until Ctrl-C')
    .option('--server <name>', 'what concerns this server only')
    .option('--user <id>', 'calls of this user only')
    .option('--tool <name>', 'what concerns this tool only')
    .option('--refused', 'refused calls only')
    .option('--json', 'print the records, one a line');
  program
    .command('completion')
    .description('prints a script that completes commands, options and servers')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .addOption(new Option('--words').hideHelp());
  for (const built of program.commands) {
    const name = built.name();
    built.action(action(name)).addHelpText('after', examplesOf(name));
  }

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

function port(text) {
  const value = Number(text);
  if (!(Number.isInteger(value) && value > 0 && value < 65_536)) {
    throw new InvalidArgumentError('Expected a port, from 1 to 65535.');
  }
  return value;
}

module.exports = { run };
