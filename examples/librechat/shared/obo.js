/** `OboPolicyService` and the OpenID strategy of LibreChat, as far as on-behalf-of needs them. */

const { isOboConfigStillTrusted, isUserSourced } = require('librechat-mcp-native');
const db = require('./models');

/** Asked before each exchange: who wrote the config of a server may have lost the permission since. */
function createOboTrustChecker() {
  /** @param {LibreChat.ServerConfig} config */
  return async (config) => {
    if (!isUserSourced(config)) return true;
    return isOboConfigStillTrusted({
      authorId: config.author,
      getUserRoleByAuthorId: async (_id) => (await db.findUser({ _id }, 'role'))?.role,
      getRolePermissions: async (roleName) => (await db.getRoleByName(roleName))?.permissions,
    });
  };
}

/** LibreChat has openid-client's configuration here; a plain object will do as well. */
function getOpenIdConfig() {
  const { OPENID_ISSUER, OPENID_TOKEN_ENDPOINT, OPENID_CLIENT_ID, OPENID_CLIENT_SECRET } = process.env;
  if (!OPENID_CLIENT_ID) throw new Error('OpenID configuration not available');
  return {
    issuer: OPENID_ISSUER,
    tokenEndpoint: OPENID_TOKEN_ENDPOINT,
    clientId: OPENID_CLIENT_ID,
    clientSecret: OPENID_CLIENT_SECRET,
  };
}

module.exports = { createOboTrustChecker, getOpenIdConfig };
