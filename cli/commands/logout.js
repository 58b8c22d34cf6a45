/** `logout`: revokes the tokens of a login at the authorization server, where it can be asked to, and forgets them. */

const { serverOf } = require('../config');
const { EXIT } = require('../failure');
const { clean, counted, paint, print, printFailure, printJson, progress, summary } = require('../output');
const { withRuntime } = require('../runtime');
const { knownOf } = require('../server');
const { forgetLogin, revokeLogin, storedLogin } = require('../stored');

module.exports = async function logout(name, options) {
  return withRuntime(options, async (context) => {
    serverOf(context.config, name);
    const login = await storedLogin(context, name);
    const spinner = progress('asking the authorization server', options);
    const { revoked, error } = await revokeLogin(context, name, login).finally(spinner.stop);
    // What cannot be revoked is forgotten all the same.
    await forgetLogin(context, name);
    const failure = error && summary(error, knownOf(context, name));
    if (options.json)
      printJson({ version: 1, name, ok: !failure, wasLoggedIn: Boolean(login), revoked, error: failure });
    else if (!login) print(`Nobody was logged in to ${clean(name)}`);
    else {
      const done = failure ? paint.yellow('!') : paint.green('✓');
      const forgotten = failure ? 'Forgot the login to' : 'Logged out of';
      print(`${done} ${forgotten} ${clean(name)}; ${counted(revoked, 'token')} revoked`);
      if (failure) printFailure(name, failure);
    }
    return failure ? EXIT.failed : EXIT.ok;
  });
};
