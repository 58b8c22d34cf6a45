/** The stored tokens of the user, refreshed now and not when they are about to end. */

const { Failure } = require('../failure');
const { USER } = require('../runtime');
const { expanded } = require('../server');

/** Rejects where there is nothing to refresh, or the authorization server refuses. */
async function refreshLogin({ api, config, runtime, userVars }, serverName) {
  const {
    url,
    oauth,
    oauth_headers: headers = {},
  } = expanded(api, config.servers[serverName], userVars.of(serverName));
  const { allowedDomains, allowedAddresses } = config.document.mcpSettings ?? {};
  let failure;
  const refreshTokens = async (token, known, signal) => {
    const metadata = { ...known, serverUrl: url };
    const allowed = [allowedDomains, allowedAddresses];
    try {
      return await runtime.oauth.refreshOAuthTokens(token, metadata, headers, oauth, ...allowed, signal);
    } catch (error) {
      failure = error;
      throw error;
    }
  };
  const tokens = await runtime.tokens.forceRefreshTokens({ userId: USER.id, serverName, refreshTokens });
  if (!tokens) throw failure ?? new Failure('The tokens could not be refreshed', { hint: 'Log in again.' });
}

module.exports = { refreshLogin };
