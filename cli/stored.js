/** The login that is stored for the user of the commands. */

const { USER } = require('./runtime');

/**
 * What is stored of a server. Asks nobody, and refreshes nothing.
 *
 * @returns `{ tokens, refreshToken, client, metadata }`, `undefined` where there is nothing. `tokens` are absent where they have
 * expired; none of these is ever shown
 */
async function storedLogin({ runtime }, serverName) {
  const whose = { userId: USER.id, serverName };
  const client = await runtime.tokens.getClientInfoAndMetadata(whose);
  if (!client) return undefined;
  let refreshToken;
  /** Gets the refresh token where the access token has expired; it is not used up. */
  const refreshTokens = async (token) => {
    refreshToken = token;
    throw new Error('Nothing is refreshed here');
  };
  const tokens = await runtime.tokens.getTokens({ ...whose, refreshTokens }).catch((error) => {
    if (error.code !== 'MCP_REAUTHENTICATION_REQUIRED') throw error;
    return null;
  });
  return {
    tokens: tokens ?? undefined,
    refreshToken: tokens?.refresh_token ?? refreshToken,
    client: client.clientInfo,
    metadata: client.clientMetadata,
  };
}

/** Forgets it. */
async function forgetLogin({ runtime }, serverName) {
  await runtime.tokens.deleteUserTokens({ userId: USER.id, serverName });
}

module.exports = { forgetLogin, storedLogin };
