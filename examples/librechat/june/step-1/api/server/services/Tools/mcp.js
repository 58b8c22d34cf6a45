/** Step 1: this file alone changes. LibreChat's own manager still serves tool calls. */

const { createMCPRuntime } = require('librechat-mcp-native');
const { getTenantId, logger } = require('@librechat/data-schemas');
const { CacheKeys } = require('librechat-data-provider');
const { ServersOfJune: MCPServersRegistry } = require('../../../../../../librechat-api');
const { getLogStores } = require('../../../../../../shared/cache');
const { getFlowStateManager } = require('../../../../../../shared/flows');
const { findToken, createToken, updateToken, deleteTokens } = require('../../../../../../shared/models');
const { createOboTrustChecker, getOpenIdConfig } = require('../../../../../../shared/obo');
const { updateMCPServerTools } = require('../../../../../update-tools');

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
  // What a call opened is closed when it has answered.
  keepConnections: false,
});

module.exports = { reinitMCPServer: runtime.reinitMCPServer };
