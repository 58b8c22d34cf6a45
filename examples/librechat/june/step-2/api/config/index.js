/** Step 2: the runtime takes the place of LibreChat's manager, OAuth handler, token storage and reconnection manager. */

const { createMCPRuntime } = require('librechat-mcp-native');
const { getTenantId, logger } = require('@librechat/data-schemas');
const { CacheKeys } = require('librechat-data-provider');
const { ServersOfJune: MCPServersRegistry } = require('../../../../librechat-api');
const { getLogStores } = require('../../../../shared/cache');
const { getFlowStateManager } = require('../../../../shared/flows');
const { findToken, createToken, updateToken, deleteTokens } = require('../../../../shared/models');
const { createOboTrustChecker, getOpenIdConfig } = require('../../../../shared/obo');
const { updateMCPServerTools } = require('../../../update-tools');

const runtime = createMCPRuntime({
  logger,
  registry: MCPServersRegistry.getInstance,
  flowManager: () => getFlowStateManager(getLogStores(CacheKeys.FLOWS)),
  tokenMethods: { findToken, createToken, updateToken, deleteTokens },
  updateMCPServerTools,
  openIdConfig: getOpenIdConfig,
  exchangedTokens: () => getLogStores(CacheKeys.OPENID_EXCHANGED_TOKENS),
  oboTrustChecker: createOboTrustChecker(),
  getTenantId,
});

module.exports = {
  logger,
  runtime,
  createMCPServersRegistry: MCPServersRegistry.createInstance,
  getMCPServersRegistry: MCPServersRegistry.getInstance,
  createMCPManager: runtime.MCPManager.createInstance,
  getMCPManager: runtime.MCPManager.getInstance,
  getFlowStateManager,
  createOAuthReconnectionManager: runtime.OAuthReconnectionManager.createInstance,
  getOAuthReconnectionManager: runtime.OAuthReconnectionManager.getInstance,
  // LibreChat imports these two from `@librechat/api`.
  MCPOAuthHandler: runtime.oauth,
  MCPTokenStorage: runtime.tokens,
};
