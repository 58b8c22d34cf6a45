const { CacheKeys } = require('librechat-data-provider');
const { getLogStores } = require('../../../../../shared/cache');
const { findToken, createToken, updateToken, deleteTokens } = require('../../../../../shared/models');
const { createOAuthReconnectionManager, getFlowStateManager } = require('../../config');

async function initializeOAuthReconnectManager() {
  const flowManager = getFlowStateManager(getLogStores(CacheKeys.FLOWS));
  await createOAuthReconnectionManager(flowManager, { findToken, createToken, updateToken, deleteTokens });
}

module.exports = initializeOAuthReconnectManager;
