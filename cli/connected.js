/** The commands that use one connection. */

const { authorizationOf } = require('./authorization');
const { EXIT, Failure } = require('./failure');
const { printFailure, printJson, progress, summary } = require('./output');
const { USER, withRuntime } = require('./runtime');
const { connect, knownOf, obstacle } = require('./server');

/**
 * Runs `work(connection, client)`, `client` being a `runtime.client` over the same connection, and tells of what fails.
 * Resolves to the exit code.
 *
 * @param asked  who does the work, as `timeoutHint` has it
 */
function connected(name, options, work, asked = 'server') {
  return withRuntime(options, async (context) => {
    const fail = (error) => {
      if (options.json) printJson({ name, ok: false, error });
      else printFailure(name, error);
      return EXIT.failed;
    };
    const hindered = obstacle(context, name);
    if (hindered) return fail(hindered);
    let isConnected = false;
    try {
      const spinner = progress(`connecting to ${name}`, options);
      const connection = await connect(context, name, options.timeout).finally(spinner.stop);
      const customUserVars = context.userVars.of(name);
      const client = context.runtime.client(name, { user: USER, customUserVars, authorize: false });
      isConnected = true;
      return await work(connection, client);
    } catch (error) {
      // Of the command line, not of the server.
      if (error instanceof Failure) throw error;
      const { type } = await authorizationOf(context, name).catch(() => ({}));
      const waited = { timeout: options.timeout, asked: isConnected ? asked : undefined };
      return fail(summary(error, knownOf(context, name, { oauth: type === 'oauth', ...waited })));
    }
  });
}

/** The bounds of one request; what a server says meanwhile does not make it longer. */
function limitsOf({ timeout }) {
  return { timeout: timeout * 1000, maxTotalTimeout: timeout * 1000 };
}

module.exports = { connected, limitsOf };
