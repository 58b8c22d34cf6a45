/** What both steps give the runtime: LibreChat's own services. */

const { getTenantId, logger } = require('@librechat/data-schemas');
const { CacheKeys } = require('librechat-data-provider');
const { getMCPAppToolsPublicationGeneration, MCPServersRegistry } = require('../librechat-api');
const { getLogStores } = require('./cache');
const { getFlowStateManager } = require('./flows');
const { findToken, createToken, updateToken, deleteTokens } = require('./models');
const { createOboTrustChecker, getOpenIdConfig } = require('./obo');
const {
  getMCPToolsCacheGeneration,
  getNextAppToolsPublicationRevision,
  renewMCPToolsCacheGeneration,
  updateMCPServerTools,
} = require('./tool-cache');

/** @type {import('librechat-mcp-native').MCPHostServices} */
const services = {
  logger,
  registry: MCPServersRegistry.getInstance,
  flowManager: () => getFlowStateManager(getLogStores(CacheKeys.FLOWS)),
  tokenMethods: { findToken, createToken, updateToken, deleteTokens },
  updateMCPServerTools,
  getMCPToolsCacheGeneration,
  renewMCPToolsCacheGeneration,
  getNextAppToolsPublicationRevision,
  getMCPAppToolsPublicationGeneration,
  openIdConfig: getOpenIdConfig,
  exchangedTokens: () => getLogStores(CacheKeys.OPENID_EXCHANGED_TOKENS),
  oboTrustChecker: createOboTrustChecker(),
  getTenantId,
};

module.exports = { services };
