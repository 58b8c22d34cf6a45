/** The login that is stored for the user of the commands: what it is, and its end. */

const { USER } = require('./runtime');
const { expanded } = require('./server');

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

/**
 * RFC 7009: the refresh token first, which others may come of. Nothing where there is no `login` or nobody to ask.
 *
 * @param login  of `storedLogin`
 * @returns `{ revoked, error }`: how many tokens, and why no more
 */
async function revokeLogin(context, name, login) {
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

/** Forgets it. */
async function forgetLogin({ runtime }, serverName) {
  await runtime.tokens.deleteUserTokens({ userId: USER.id, serverName });
}

/**
 * Revokes the tokens where that can be asked for, and forgets them.
 *
 * @returns `{ wasLoggedIn, revoked, error }`, see `revokeLogin`
 */
async function endLogin(context, name) {
  const login = await storedLogin(context, name);
  const { revoked, error } = await revokeLogin(context, name, login);
  // What cannot be revoked is forgotten all the same.
  await forgetLogin(context, name);
  return { wasLoggedIn: Boolean(login), revoked, error };
}

module.exports = { endLogin, forgetLogin, storedLogin };
