/** `tokens`: which logins are stored, and until when they are good. No token is shown. */

const { serverOf } = require('../config');
const { EXIT } = require('../failure');
const { print, printJson, printTable } = require('../output');
const { USER, withRuntime } = require('../runtime');
const { storedLogin } = require('../stored');

module.exports = async function tokens(names, options) {
  return withRuntime(options, async (context) => {
    for (const name of names) serverOf(context.config, name);
    const logins = [];
    for (const name of names.length > 0 ? names : Object.keys(context.config.servers)) {
      const login = await storedLogin(context, name);
      if (login) logins.push(described(name, login));
    }
    if (options.json) printJson({ version: 1, ok: true, logins });
    else show(logins);
    return EXIT.ok;
  });
};

function described(server, { tokens, refreshToken, client, metadata }) {
  return {
    server,
    user: USER.id,
    expiresAt: tokens?.expires_at === undefined ? null : new Date(tokens.expires_at).toISOString(),
    expired: tokens === undefined,
    refreshToken: refreshToken !== undefined,
    authorizationServer: metadata?.issuer ?? null,
    clientId: client?.client_id ?? null,
  };
}

function show(logins) {
  if (logins.length === 0) return print('No logins are stored.');
  const until = ({ expired, expiresAt }) => (expired ? 'expired' : (expiresAt ?? 'not said'));
  return printTable(
    ['Server', 'User', 'Good until', 'Refresh token', 'Authorization server'],
    logins.map((login) => [
      login.server,
      login.user,
      until(login),
      login.refreshToken ? 'yes' : 'no',
      login.authorizationServer ?? 'not known',
    ]),
  );
}
