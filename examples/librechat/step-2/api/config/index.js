/** Step 2: the runtime takes the place of LibreChat's manager, OAuth handler, token storage and reconnection manager. */

const { createMCPRuntime } = require('librechat-mcp-native');
const { logger } = require('@librechat/data-schemas');
const { MCPServersRegistry } = require('../../../librechat-api');
const { getFlowStateManager } = require('../../../shared/flows');
const { services } = require('../../../shared/runtime-services');

const runtime = createMCPRuntime(services);

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
