/** The commands that use one connection. */

const { authorizationOf } = require('./authorization');
const { Failure } = require('./failure');
const { clean, progress, summary, tellFailure } = require('./output');
const { USER, withRuntime } = require('./runtime');
const { connect, knownOf, obstacle } = require('./server');

/**
 * Runs `work(connection, client, known, context)`, `client` being a `runtime.client` over the same connection, `known` of `knownOf`, `context` of `withRuntime`, and tells of what fails.
 * Resolves to the exit code.
 *
 * @param asked  who does the work, as `timeoutHint` has it
 */
function connected(name, options, work, asked = 'server') {
  return withRuntime(options, async (context) => {
    const hindered = obstacle(context, name);
    if (hindered) return tellFailure(name, hindered, options);
    let isConnected = false;
    try {
      const spinner = progress(`connecting to ${name}`, options);
      const connection = await connect(context, name, options.timeout).finally(spinner.stop);
      const customUserVars = context.userVars.of(name);
      const client = context.runtime.client(name, { user: USER, customUserVars, authorize: false });
      isConnected = true;
      return await work(connection, client, knownOf(context, name), context);
    } catch (error) {
      // Of the command line, not of the server.
      if (error instanceof Failure) throw error;
      const { type } = await authorizationOf(context, name).catch(() => ({}));
      const waited = { timeout: options.timeout, asked: isConnected ? asked : undefined };
      return tellFailure(name, summary(error, knownOf(context, name, { oauth: type === 'oauth', ...waited })), options);
    }
  });
}

/** The bounds of one request; what a server says meanwhile does not make it longer. */
function limitsOf({ timeout }) {
  return { timeout: timeout * 1000, maxTotalTimeout: timeout * 1000 };
}

/** `names`: what the server calls its tools. */
function noSuchTool(tool, names) {
  return new Failure(`The server has no tool ${clean(tool)}`, {
    code: 'MCP_INVALID_ARGUMENT',
    hint: `Its tools: ${names.map(clean).join(', ') || 'none'}.`,
  });
}

module.exports = { connected, limitsOf, noSuchTool };
