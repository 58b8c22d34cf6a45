const { FlowStateManager } = require('../librechat-api');

const MINUTE_MS = 60_000;
const { MCP_OAUTH_HANDLING_TIMEOUT, MCP_OAUTH_FLOW_TTL } = process.env;
/** How long a user may take to sign in. */
const OAUTH_HANDLING_TIMEOUT = Number(MCP_OAUTH_HANDLING_TIMEOUT ?? 10 * MINUTE_MS);
const OAUTH_FLOW_TTL = Math.max(Number(MCP_OAUTH_FLOW_TTL ?? 15 * MINUTE_MS), OAUTH_HANDLING_TIMEOUT + MINUTE_MS);

/** @type {FlowStateManager | undefined} */
let flowManager;

/**
 * As in `api/config/index.js` of LibreChat, which both steps leave alone here.
 *
 * @param {import('keyv').Keyv} flowsCache
 */
function getFlowStateManager(flowsCache) {
  flowManager ??= new FlowStateManager(flowsCache, { ttl: OAUTH_FLOW_TTL, retainedFailureTypes: ['mcp_oauth'] });
  return flowManager;
}

module.exports = { getFlowStateManager, OAUTH_HANDLING_TIMEOUT };
