const { requireCount, requireMilliseconds, requireShort, requireText } = require('./checks');
const { NOW, makeRoomFor, script } = require('./scripts');
const { READ_COUNT } = require('./texts');

/** What says that a place is held for longer is not believed. */
const LONGEST_LEASE_MS = 24 * 60 * 60 * 1000;

/** Counts up to `most` in a window, which the first event begins. What is there else, or has no end, counts as nothing. */
const TAKE = script(`${READ_COUNT}
if not isCount then
  redis.call('set', KEYS[1], 1, 'PX', window)
elseif tonumber(text) < tonumber(ARGV[2]) then
  redis.call('incr', KEYS[1])
else
  return left
end
return 0
`);

/** Holders, and when their leases end. What has ended is forgotten with the next place that is given. */
const ENTER = script(`${makeRoomFor('zset')}${NOW}
local holder, most, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local ended, latest = string.format('%.0f', now), string.format('%.0f', now + ${LONGEST_LEASE_MS})
local ends = tonumber(redis.call('zscore', KEYS[1], holder) or 0)
local isHolder = ends > now and ends <= tonumber(latest)
if not isHolder and redis.call('zcount', KEYS[1], '(' .. ended, latest) >= most then return 0 end
redis.call('zadd', KEYS[1], string.format('%.0f', now + lease), holder)
redis.call('zremrangebyscore', KEYS[1], '-inf', ended)
redis.call('zremrangebyscore', KEYS[1], '(' .. latest, '+inf')
if redis.call('pttl', KEYS[1]) < lease then redis.call('pexpire', KEYS[1], lease) end
return 1
`);

const LEAVE = script(`
if redis.call('type', KEYS[1]).ok == 'zset' then redis.call('zrem', KEYS[1], ARGV[1]) end
`);

/**
 * @param {{ run: Function, keys: any }} redis
 * @returns {Pick<import('./index').RedisLimits, 'take' | 'enter' | 'leave'>}
 */
function redisTurns({ run, keys }) {
  const leave = async (key, holder) => {
    requireText('limits.leave: the key', key);
    requireText('limits.leave: the holder', holder);
    await run({ operation: 'limits.leave', kind: 'limit', script: LEAVE, keys: [keys.places(key)], args: [holder] });
  };

  return {
    async take(key, most, windowMs) {
      requireText('limits.take: the key', key);
      requireCount('limits.take: most', most);
      requireMilliseconds('limits.take: windowMs', windowMs);
      const args = [windowMs, most];
      return Number(await run({ operation: 'limits.take', kind: 'limit', script: TAKE, keys: [keys.rate(key)], args }));
    },

    async enter(key, holder, most, leaseMs) {
      requireText('limits.enter: the key', key);
      requireText('limits.enter: the holder', holder);
      requireShort('limits.enter: the holder', holder);
      requireCount('limits.enter: most', most);
      requireMilliseconds('limits.enter: leaseMs', leaseMs);
      if (leaseMs > LONGEST_LEASE_MS) throw new RangeError('limits.enter: leaseMs must be a day at most');
      const answer = await run({
        operation: 'limits.enter',
        kind: 'limit',
        script: ENTER,
        keys: [keys.places(key)],
        args: [holder, most, leaseMs],
        whenLate: (late) => Number(late) === 1 && leave(key, holder).catch(() => {}),
      });
      return Number(answer) === 1;
    },

    leave,
  };
}

module.exports = { redisTurns };
