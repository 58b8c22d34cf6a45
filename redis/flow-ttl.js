const MINUTE_MS = 60 * 1000;
/** How long users have, and how long flows are kept, where no variable says so; a flow outlives its user's time. */
const HANDLING_MS = 10 * MINUTE_MS;
const KEPT_MS = 15 * MINUTE_MS;
const GRACE_MS = MINUTE_MS;

/** A number, or sums and products of some, such as `15*60*1000`. */
function milliseconds(variable, otherwise) {
  const terms = (process.env[variable] ?? '').split('+').map((term) => term.split('*').map(Number));
  const value = Math.round(terms.reduce((sum, factors) => sum + factors.reduce((product, it) => product * it, 1), 0));
  return Number.isSafeInteger(value) && value > 0 ? value : otherwise;
}

/** As long as LibreChat keeps flows: `MCP_OAUTH_FLOW_TTL`, but longer than `MCP_OAUTH_HANDLING_TIMEOUT`. */
function flowTtlMs() {
  const handling = milliseconds('MCP_OAUTH_HANDLING_TIMEOUT', HANDLING_MS);
  return Math.max(milliseconds('MCP_OAUTH_FLOW_TTL', KEPT_MS), handling + GRACE_MS);
}

module.exports = { flowTtlMs };
