const { randomUUID } = require('node:crypto');
const { requireMilliseconds, requireText } = require('./checks');
const { script } = require('./scripts');

/** How long a counter is remembered after its last lock. */
const COUNTED_MS = 24 * 60 * 60 * 1000;

/**
 * Takes the lock with a number that is greater than that of every holder before. The clock is a floor for it, so that it also
 * grows where Redis has lost the counter. Who asks twice, because the connection broke after the first time, has it.
 */
const TAKE = script(`
local held = redis.call('get', KEYS[1])
if held then
  if string.match(held, ':(.*)$') == ARGV[1] then return held end
  return false
end
local time = redis.call('time')
local counted = tonumber(redis.call('get', KEYS[2]) or '')
if not (counted and counted >= 0 and counted < 2 ^ 53 - 1) then counted = 0 end
local fence = string.format('%.0f', math.max(counted, time[1] * 1000000 + time[2]) + 1)
local value = fence .. ':' .. ARGV[1]
redis.call('set', KEYS[2], fence, 'PX', ARGV[2] + ${COUNTED_MS})
redis.call('set', KEYS[1], value, 'NX', 'PX', ARGV[2])
return value
`);

/** Deletes the lock only while it is the holder's: one who was too slow must not release the next one's. */
const RELEASE = script(`
if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end
return 0
`);

/**
 * @param {{ run: Function, keys: any }} redis
 * @returns {import('./index').RedisLock}
 */
function redisLock({ run, keys }) {
  async function release(key, value) {
    await run({ operation: 'lock.release', kind: 'lock', script: RELEASE, keys: [keys.lock(key)], args: [value] });
  }

  return {
    async acquire(key, ttlMs) {
      requireText('lock.acquire: the key', key);
      requireMilliseconds('lock.acquire: ttlMs', ttlMs);
      const value = await run({
        operation: 'lock.acquire',
        kind: 'lock',
        script: TAKE,
        keys: [keys.lock(key), keys.fence(key)],
        args: [randomUUID(), ttlMs],
        whenLate: (late) => late && release(key, late).catch(() => {}),
      });
      return value ? () => release(key, String(value)) : null;
    },
  };
}

module.exports = { redisLock };
