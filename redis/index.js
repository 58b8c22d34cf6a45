/** Host services over a Redis or Valkey that processes share: docs/redis.md. */

const { scriptClient } = require('./clients');
const { scriptRunner } = require('./scripts');
const { servicesOver } = require('./services');

const LONGEST_PREFIX = 128;

/**
 * @param {import('./index').RedisClient} client
 * @param {{ prefix?: string }} [options]
 * @returns {import('./index').RedisServices}
 */
function redisServices(client, { prefix } = {}) {
  const isPrefix = typeof prefix === 'string' && prefix.length <= LONGEST_PREFIX && !/[{}]/.test(prefix);
  if (prefix !== undefined && !isPrefix) {
    throw new TypeError(
      `redisServices: prefix must be a string without braces, of at most ${LONGEST_PREFIX} characters`,
    );
  }
  return servicesOver(scriptRunner(scriptClient(client)), prefix);
}

module.exports = { redisServices };
