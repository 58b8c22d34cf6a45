/** `logout`: revokes the tokens of a login at the authorization server, where it can be asked to, and forgets them. */

const { serverOf } = require('../config');
const { EXIT } = require('../failure');
const { clean, counted, paint, print, printFailure, printJson, progress, summary } = require('../output');
const { withRuntime } = require('../runtime');
const { expanded, knownOf } = require('../server');
const { forgetLogin, storedLogin } = require('../stored');

module.exports = async function logout(name, options) {
  return withRuntime(options, async (context) => {
    serverOf(context.config, name);
    const login = await storedLogin(context, name);
    const spinner = progress('asking the authorization server', options);
    const { revoked, error } = await revoke(context, name, login).finally(spinner.stop);
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

/** RFC 7009: the refresh token first, which others may come of. `{ revoked, error }`: how many, and why no more. */
async function revoke(context, name, login) {
  if (!login) return { revoked: 0 };
  const { tokens, refreshToken, client, metadata } = login;
  const { api, config, runtime, userVars } = context;
  const server = expanded(api, config.servers[name], userVars.of(name));
  const { allowedDomains, allowedAddresses } = config.document.mcpSettings ?? {};
  const { oauth = {} } = server;
  const revocationEndpoint = oauth.revocation_endpoint ?? metadata?.revocation_endpoint;
  if (!revocationEndpoint) return { revoked: 0 };
  const methods = 'revocation_endpoint_auth_methods_supported';
  const at = {
    serverUrl: server.url,
    clientId: client.client_id,
    clientSecret: client.client_secret,
    revocationEndpoint,
    revocationEndpointAuthMethodsSupported: oauth[methods] ?? metadata?.[methods],
  };
  const { oauth_headers: headers = {} } = server;
  const found = Object.entries({ refresh: refreshToken, access: tokens?.access_token });
  let revoked = 0;
  try {
    for (const [type, token] of found.filter(([, token]) => token)) {
      await runtime.oauth.revokeOAuthToken(name, token, type, at, headers, allowedDomains, allowedAddresses);
      revoked += 1;
    }
    return { revoked };
  } catch (error) {
    return { revoked, error };
  }
}
