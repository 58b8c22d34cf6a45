/** The commands that use one connection. */

const { authorizationOf } = require('./authorization');
const { EXIT } = require('./failure');
const { printFailure, printJson, progress, summary } = require('./output');
const { withRuntime } = require('./runtime');
const { connect, knownOf, obstacle } = require('./server');

/** Runs `work(connection)` and tells of what fails. Resolves to the exit code. */
function connected(name, options, work) {
  return withRuntime(options, async (context) => {
    const fail = (error) => {
      if (options.json) printJson({ name, ok: false, error });
      else printFailure(name, error);
      return EXIT.failed;
    };
    const hindered = obstacle(context, name);
    if (hindered) return fail(hindered);
    try {
      const spinner = progress(`connecting to ${name}`, options);
      const connection = await connect(context, name, options.timeout).finally(spinner.stop);
      return await work(connection);
    } catch (error) {
      const { type } = await authorizationOf(context, name).catch(() => ({}));
      return fail(summary(error, knownOf(context, name, { oauth: type === 'oauth' })));
    }
  });
}

module.exports = { connected };
