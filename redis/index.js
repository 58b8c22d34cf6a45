/** Host services over a Redis or Valkey that processes share: docs/redis.md. */

const { scriptClient } = require('./clients');
const { redisTokenCache } = require('./exchanged-tokens');
const { redisFlowManager } = require('./flow-manager');
const { keyNames } = require('./keys');
const { redisLock } = require('./lock');
const { scriptRunner } = require('./scripts');

const PREFIX = 'librechat-mcp:';
const LONGEST_PREFIX = 128;

/**
 * @param {import('./index').RedisClient} client
 * @param {{ prefix?: string }} [options]
 * @returns {import('./index').RedisServices}
 */
function redisServices(client, { prefix = PREFIX } = {}) {
  if (typeof prefix !== 'string' || prefix.length > LONGEST_PREFIX || /[{}]/.test(prefix)) {
    throw new TypeError(
      `redisServices: prefix must be a string without braces, of at most ${LONGEST_PREFIX} characters`,
    );
  }
  const redis = { run: scriptRunner(scriptClient(client)), keys: keyNames(prefix) };
  return { lock: redisLock(redis), flowManager: redisFlowManager(redis), exchangedTokens: redisTokenCache(redis) };
}

module.exports = { redisServices };
