const { CacheKeys, Constants } = require('librechat-data-provider');
const { getLogStores } = require('../../../../../shared/cache');
const {
  getFlowStateManager,
  getMCPManager,
  getMCPServersRegistry,
  getOAuthReconnectionManager,
  MCPOAuthHandler,
} = require('../../config');

const FLOW_TTL_MS = 3 * 60 * 1000;

/** @param {string} userId */
async function getMCPSetupData(userId) {
  const mcpConfig = await getMCPServersRegistry().getAllServerConfigs(userId);
  const manager = getMCPManager();
  const oauthServers = Object.entries(mcpConfig).filter(([, config]) => config.requiresOAuth);
  return {
    mcpConfig,
    oauthServers: new Set(oauthServers.map(([name]) => name)),
    // Those that are open: asking must not connect anything.
    appConnections: await manager.appConnections.getLoaded(),
    userConnections: manager.getUserConnections(userId) ?? new Map(),
  };
}

/**
 * @param {string} userId
 * @param {string} serverName
 */
async function checkOAuthFlowStatus(userId, serverName) {
  const flowManager = getFlowStateManager(getLogStores(CacheKeys.FLOWS));
  const flow = await flowManager.getFlowState(MCPOAuthHandler.generateFlowId(userId, serverName), 'mcp_oauth');
  if (!flow) return { hasActiveFlow: false, hasFailedFlow: false };
  const hasFailed = flow.status === 'FAILED' || Date.now() - flow.createdAt > FLOW_TTL_MS;
  return {
    hasActiveFlow: !hasFailed && flow.status === 'PENDING',
    hasFailedFlow: hasFailed && !flow.error?.includes('cancelled'),
  };
}

/**
 * @param {string} userId
 * @param {string} serverName
 * @param {Awaited<ReturnType<getMCPSetupData>>} setup
 */
async function getServerConnectionStatus(userId, serverName, setup) {
  const { mcpConfig, oauthServers, appConnections, userConnections } = setup;
  const requiresOAuth = oauthServers.has(serverName);
  const connection = appConnections.get(serverName) ?? userConnections.get(serverName);
  const isCurrent = connection && !connection.isStale(mcpConfig[serverName].updatedAt);
  const connectionState = isCurrent ? connection.connectionState : 'disconnected';
  if (connectionState !== 'disconnected' || !requiresOAuth) return { requiresOAuth, connectionState };

  if (getOAuthReconnectionManager().isReconnecting(userId, serverName)) {
    return { requiresOAuth, connectionState: 'connecting' };
  }
  const { hasActiveFlow, hasFailedFlow } = await checkOAuthFlowStatus(userId, serverName);
  if (hasFailedFlow) return { requiresOAuth, connectionState: 'error' };
  return { requiresOAuth, connectionState: hasActiveFlow ? 'connecting' : 'disconnected' };
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
  return getMCPManager().callTool({ user, serverName, toolName, toolArguments, provider, options: { signal } });
}

module.exports = { callMCPTool, checkOAuthFlowStatus, getMCPSetupData, getServerConnectionStatus };
