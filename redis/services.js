const { redisTokenCache } = require('./exchanged-tokens');
const { redisFlowManager } = require('./flow-manager');
const { keyNames } = require('./keys');
const { redisLimits } = require('./limits');
const { redisLock } = require('./lock');
const { redisSharedSessions } = require('./shared-sessions');
const { redisTokenMethods } = require('./token-methods');
const { redisToolPins } = require('./tool-pins');

const PREFIX = 'librechat-mcp:';

/** @returns {import('./index').RedisServices} */
function servicesOver(run, prefix = PREFIX) {
  const redis = { run, keys: keyNames(prefix) };
  return {
    lock: redisLock(redis),
    flowManager: redisFlowManager(redis),
    exchangedTokens: redisTokenCache(redis),
    tokenMethods: redisTokenMethods(redis),
    sharedSessions: redisSharedSessions(redis),
    limits: redisLimits(redis),
    toolPins: redisToolPins(redis),
  };
}

module.exports = { servicesOver };
