/** Stands for the part of `api/server/controllers/UserController.js` that takes a user's sign-in to a server back. */

const { getTenantId } = require('@librechat/data-schemas');
const { CacheKeys } = require('librechat-data-provider');
const { getAppConfig } = require('../../../../shared/app-config');
const { getLogStores } = require('../../../../shared/cache');
const { deleteTokens, findToken } = require('../../../../shared/models');
const {
  getFlowStateManager,
  getMCPServersRegistry,
  logger,
  MCPOAuthHandler,
  MCPTokenStorage,
} = require('../../config');

/**
 * @param {string} userId
 * @param {string} serverName
 */
async function clearStoredMCPOAuthState(userId, serverName) {
  /** @param {any} filter */
  const deleteToken = async (filter) => {
    await deleteTokens(filter);
  };
  const flowManager = getFlowStateManager(getLogStores(CacheKeys.FLOWS));
  const tenantId = getTenantId();
  // A refresh or a sign-in that has begun before must not be stored after it.
  const leaseId = JSON.stringify([tenantId ?? '', userId, serverName]);
  const teardown = await flowManager.acquireLease(leaseId, { advanceGeneration: true });
  if (!teardown) throw new Error('tokens are being written');
  try {
    await MCPTokenStorage.deleteUserTokens({ userId, serverName, deleteToken });
    const tokenFlowId = MCPOAuthHandler.generateTokenFlowId(userId, serverName, tenantId);
    await flowManager.deleteFlow(tokenFlowId, 'mcp_get_tokens');
    const flowId = MCPOAuthHandler.generateFlowId(userId, serverName, tenantId);
    await MCPOAuthHandler.deleteFlowAndStateMapping(flowId, flowManager);
  } finally {
    await teardown.release();
  }
}

/**
 * Revokes the tokens at the provider where it is known, and forgets them.
 *
 * @param {LibreChat.User} user
 * @param {string} serverName
 */
async function uninstallOAuthMCP(user, serverName) {
  const userId = user.id;
  const config = await getMCPServersRegistry().getServerConfig(serverName, userId);
  const stored = await MCPTokenStorage.getClientInfoAndMetadata({ userId, serverName, findToken });
  const { server_url, token_endpoint, revocation_endpoint, credential_set_id } = stored?.clientMetadata ?? {};
  if (!config || !stored || !server_url || !token_endpoint || !revocation_endpoint || !credential_set_id) {
    return clearStoredMCPOAuthState(userId, serverName);
  }
  try {
    const tokens = await MCPTokenStorage.getTokens({ userId, serverName, findToken });
    if (tokens) {
      MCPTokenStorage.assertCredentialSetBinding(serverName, tokens.credential_set_id, stored.clientMetadata);
      await revoke(user, serverName, config, tokens, stored);
    }
  } catch (error) {
    logger.warn(`[MCP] Tokens of ${serverName} could not be revoked:`, error);
  }
  return clearStoredMCPOAuthState(userId, serverName);
}

/**
 * @param {LibreChat.User} user
 * @param {string} serverName
 * @param {LibreChat.ServerConfig} config
 * @param {Record<string, any>} tokens
 * @param {Record<string, any>} stored
 */
async function revoke(user, serverName, config, tokens, { clientInfo, clientMetadata }) {
  const { allowedDomains, allowedAddresses } = (await getAppConfig(user)).mcpSettings;
  const metadata = {
    serverUrl: clientMetadata.server_url,
    clientId: clientInfo.client_id,
    clientSecret: clientInfo.client_secret ?? '',
    revocationEndpoint: clientMetadata.revocation_endpoint,
    revocationEndpointAuthMethodsSupported: clientMetadata.revocation_endpoint_auth_methods_supported,
  };
  const headers = config.oauth_headers ?? {};
  for (const [token, kind] of /** @type {const} */ ([
    [tokens.access_token, 'access'],
    [tokens.refresh_token, 'refresh'],
  ])) {
    if (!token) continue;
    await MCPOAuthHandler.revokeOAuthToken(
      serverName,
      token,
      kind,
      metadata,
      headers,
      allowedDomains,
      allowedAddresses,
    );
  }
}

module.exports = { uninstallOAuthMCP };
