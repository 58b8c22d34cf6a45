/** `logout`: revokes the tokens of a login at the authorization server, where it can be asked to, and forgets them. */

const { serverOf } = require('../config');
const { EXIT } = require('../failure');
const { clean, counted, paint, print, printFailure, printJson, progress, summary } = require('../output');
const { withRuntime } = require('../runtime');
const { knownOf } = require('../server');
const { endLogin } = require('../stored');

module.exports = async function logout(name, options) {
  return withRuntime(options, async (context) => {
    serverOf(context.config, name);
    const spinner = progress('asking the authorization server', options);
    const { wasLoggedIn, revoked, error } = await endLogin(context, name).finally(spinner.stop);
    const failure = error && summary(error, knownOf(context, name));
    if (options.json) printJson({ version: 1, name, ok: !failure, wasLoggedIn, revoked, error: failure });
    else if (!wasLoggedIn) print(`Nobody was logged in to ${clean(name)}`);
    else {
      const done = failure ? paint.yellow('!') : paint.green('✓');
      const forgotten = failure ? 'Forgot the login to' : 'Logged out of';
      print(`${done} ${forgotten} ${clean(name)}; ${counted(revoked, 'token')} revoked`);
      if (failure) printFailure(name, failure);
    }
    return failure ? EXIT.failed : EXIT.ok;
  });
};
