const { CacheKeys, Constants } = require('librechat-data-provider');
const { getTenantId } = require('@librechat/data-schemas');
const { isMCPDomainAllowed, processMCPEnv } = require('librechat-mcp-native');
const { getAppConfig } = require('../../../../shared/app-config');
const { getLogStores } = require('../../../../shared/cache');
const { OAUTH_HANDLING_TIMEOUT } = require('../../../../shared/flows');
const { findToken } = require('../../../../shared/models');
const {
  getFlowStateManager,
  getMCPManager,
  getMCPServersRegistry,
  getOAuthReconnectionManager,
  MCPOAuthHandler,
  MCPTokenStorage,
} = require('../../config');

/**
 * What administrators changed for this user's role.
 *
 * @param {LibreChat.User} user
 */
async function resolveConfigServers(user) {
  return getMCPServersRegistry().ensureConfigServers((await getAppConfig(user)).mcpConfig);
}

/** @param {LibreChat.User} user */
async function resolveAllMcpConfigs(user) {
  return getMCPServersRegistry().getAllServerConfigs(user.id, await resolveConfigServers(user));
}

/** @param {LibreChat.User} user */
async function getMCPSetupData(user) {
  const manager = getMCPManager();
  return {
    user,
    mcpConfig: await resolveAllMcpConfigs(user),
    oauthServers: await getMCPServersRegistry().getOAuthServers(user.id),
    // Those that are open: asking must not connect anything.
    appConnections: await manager.appConnections.getLoaded(),
    userConnections: manager.getUserConnections(user.id) ?? new Map(),
  };
}

/**
 * @param {string} userId
 * @param {string} serverName
 */
async function checkOAuthFlowStatus(userId, serverName) {
  const flowManager = getFlowStateManager(getLogStores(CacheKeys.FLOWS));
  const flowId = MCPOAuthHandler.generateFlowId(userId, serverName, getTenantId());
  const flow = await flowManager.getFlowState(flowId, 'mcp_oauth');
  if (!flow) return { hasActiveFlow: false, hasFailedFlow: false };
  const hasFailed = flow.status === 'FAILED' || Date.now() - flow.createdAt > OAUTH_HANDLING_TIMEOUT;
  return {
    hasActiveFlow: !hasFailed && flow.status === 'PENDING',
    hasFailedFlow: hasFailed && !flow.error?.includes('cancelled'),
  };
}

/**
 * Whether tokens are stored that the server, as it is configured now, may get.
 *
 * @param {LibreChat.User} user
 * @param {string} serverName
 * @param {LibreChat.ServerConfig} config
 */
async function hasDurableMCPAuthorization(user, serverName, config) {
  const { url, oauth } = processMCPEnv({ user, options: config, dbSourced: config.source === 'user' });
  const actor = { userId: user.id, role: user.role };
  const { allowedDomains, allowedAddresses } = await getMCPServersRegistry().resolveAllowlists(actor);
  if (url && !(await isMCPDomainAllowed({ url }, allowedDomains, allowedAddresses))) return false;
  return MCPTokenStorage.hasStoredAuthorization({
    userId: user.id,
    serverName,
    findToken,
    /**
     * @param {any} clientInfo
     * @param {any} metadata
     */
    validateClientBinding: (clientInfo, metadata) =>
      MCPOAuthHandler.assertStoredClientBinding(serverName, url, clientInfo, metadata, oauth),
  });
}

/**
 * @param {string} serverName
 * @param {Awaited<ReturnType<typeof getMCPSetupData>>} setup
 */
async function getServerConnectionStatus(serverName, setup) {
  const { user, mcpConfig, oauthServers, appConnections, userConnections } = setup;
  const config = mcpConfig[serverName];
  const connection = appConnections.get(serverName) ?? userConnections.get(serverName);
  const requiresOAuth = oauthServers.has(serverName) || connection?.usesOAuth?.() === true;
  const isCurrent = connection && !connection.isStale(config.updatedAt);
  const connectionState = isCurrent ? connection.connectionState : 'disconnected';
  if (connectionState !== 'disconnected' || !requiresOAuth) return { requiresOAuth, connectionState };

  if (getOAuthReconnectionManager().isReconnecting(user.id, serverName)) {
    return { requiresOAuth, connectionState: 'connecting' };
  }
  const { hasActiveFlow, hasFailedFlow } = await checkOAuthFlowStatus(user.id, serverName);
  if (hasFailedFlow) return { requiresOAuth, connectionState: 'error' };
  if (hasActiveFlow) return { requiresOAuth, connectionState: 'connecting' };
  // Who has signed in is connected, also where this process has no connection.
  const isAuthorized = await hasDurableMCPAuthorization(user, serverName, config);
  return { requiresOAuth, connectionState: isAuthorized ? 'connected' : 'disconnected' };
}

/**
 * What LibreChat's agents do with a tool: `toolKey` is the name that they know it by.
 *
 * @param {object} call
 * @param {LibreChat.User} call.user
 * @param {string} call.toolKey
 * @param {object} call.toolArguments
 * @param {AbortSignal} call.signal
 * @param {string} [call.provider]
 */
async function callMCPTool({ user, toolKey, toolArguments, signal, provider = 'openai' }) {
  const [toolName, serverName] = toolKey.split(Constants.mcp_delimiter);
  const configServers = await resolveConfigServers(user);
  const serverConfig = await getMCPServersRegistry().getServerConfig(serverName, user.id, configServers);
  return getMCPManager().callTool({
    user,
    serverName,
    serverConfig,
    toolName,
    toolArguments,
    provider,
    options: { signal },
  });
}

module.exports = {
  callMCPTool,
  getMCPSetupData,
  getServerConnectionStatus,
  resolveAllMcpConfigs,
  resolveConfigServers,
};
