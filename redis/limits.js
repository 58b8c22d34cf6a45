const { requireMilliseconds, requireText } = require('./checks');
const { script } = require('./scripts');
const { DELETE, READ_COUNT, READ_TEXT } = require('./texts');
const { redisTurns } = require('./turns');

/** Counts where there is a count that ends within the window; what is there else, or has no end, counts as nothing. */
const COUNT = script(`${READ_COUNT}
if isCount then return redis.call('incr', KEYS[1]) end
redis.call('set', KEYS[1], 1, 'PX', window)
return 1
`);

/** What a key has that blocks. */
const BLOCKED = '1';
const READ_BLOCK = `${READ_TEXT}
local left = text == '${BLOCKED}' and redis.call('pttl', KEYS[1]) or 0
`;

const BLOCK = script(`${READ_BLOCK}
if left < tonumber(ARGV[1]) then redis.call('set', KEYS[1], '${BLOCKED}', 'PX', ARGV[1]) end
`);

const BLOCKED_FOR = script(`${READ_BLOCK}
return math.max(left, 0)
`);

/**
 * @param {{ run: Function, keys: any }} redis
 * @returns {import('./index').RedisLimits}
 */
function redisLimits(redis) {
  const { run, keys } = redis;
  const command = async (name, script, key, kinds, ...args) => {
    const operation = `limits.${name}`;
    requireText(`${operation}: the key`, key);
    return run({ operation, kind: 'limit', script, keys: kinds.map((kind) => keys[kind](key)), args });
  };

  return {
    async count(key, windowMs) {
      requireMilliseconds('limits.count: windowMs', windowMs);
      return Number(await command('count', COUNT, key, ['count'], windowMs));
    },

    async block(key, ms) {
      requireMilliseconds('limits.block: ms', ms);
      await command('block', BLOCK, key, ['block'], ms);
    },

    async blockedFor(key) {
      return Number(await command('blockedFor', BLOCKED_FOR, key, ['block']));
    },

    async clear(key) {
      await command('clear', DELETE, key, ['count', 'block']);
    },

    ...redisTurns(redis),
  };
}

module.exports = { redisLimits };
