const { Time } = require('librechat-data-provider');
const { FlowStateManager } = require('../librechat-api');

/** @type {FlowStateManager | undefined} */
let flowManager;

/**
 * As in `api/config/index.js` of LibreChat, which both steps leave alone here.
 *
 * @param {import('keyv').Keyv} flowsCache
 */
function getFlowStateManager(flowsCache) {
  flowManager ??= new FlowStateManager(flowsCache, { ttl: Time.ONE_MINUTE * 3 });
  return flowManager;
}

module.exports = { getFlowStateManager };
