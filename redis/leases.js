const { randomUUID } = require('node:crypto');
const { setTimeout: delay } = require('node:timers/promises');
const { requireMilliseconds, requireText } = require('./checks');
const { MAKE_ROOM, NOW, script } = require('./scripts');

/** LibreChat's, where the caller names no other. */
const LEASE_MS = 15 * 60 * 1000;
const WAIT_MS = 15 * 1000;
const POLL_MS = 50;
/** How long a generation is remembered after its last lease, as LibreChat remembers it. */
const KEPT_MS = 24 * 60 * 60 * 1000;

/** What `TAKE` answers where there is no lease, and `GENERATION` during a teardown. */
const HELD = -2;
const OTHER_GENERATION = -1;

/** Whatever else is in the place counts as nothing. */
const READ = `${MAKE_ROOM}${NOW}
local fields = redis.call('hmget', KEYS[1], 'generation', 'owner', 'ends', 'teardown')
local generation = tonumber(fields[1] or '')
if not (generation and generation >= 0 and generation < 2 ^ 53 - 1 and generation % 1 == 0) then generation = 0 end
local isHeld = fields[2] and (tonumber(fields[3] or '') or 0) > now
`;

const GENERATION = script(`${READ}
if isHeld and fields[4] == '1' then return ${OTHER_GENERATION} end
return generation
`);

/** Takes the lease in one step; a teardown begins another generation. Who asks twice has it. */
const TAKE = script(`${READ}
local owner, leaseMs, expected, teardown = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
if isHeld then return fields[2] == owner and generation or ${HELD} end
if expected ~= '' and generation ~= tonumber(expected) then return ${OTHER_GENERATION} end
if teardown == '1' then generation = generation + 1 end
local ends = string.format('%.0f', now + leaseMs)
redis.call('hset', KEYS[1], 'generation', generation, 'owner', owner, 'ends', ends, 'teardown', teardown)
redis.call('pexpire', KEYS[1], leaseMs + ${KEPT_MS})
return generation
`);

const RELEASE = script(`
if redis.call('type', KEYS[1]).ok ~= 'hash' or redis.call('hget', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
redis.call('hdel', KEYS[1], 'owner', 'ends', 'teardown')
redis.call('pexpire', KEYS[1], ${KEPT_MS})
return 1
`);

/**
 * @param {{ run: Function, keys: any }} redis
 * @returns {Pick<import('./index').RedisFlowManager, 'acquireLease' | 'getLeaseGeneration'>}
 */
function redisLeases({ run, keys }) {
  const command = (name, script, leaseId, args, whenLate) => {
    const operation = `flowManager.${name}`;
    return run({ operation, kind: 'lease', script, keys: [keys.lease(leaseId)], args, whenLate });
  };

  async function release(leaseId, owner) {
    await command('releaseLease', RELEASE, leaseId, [owner]);
  }

  return {
    async getLeaseGeneration(leaseId) {
      requireText('flowManager.getLeaseGeneration: the id', leaseId);
      const generation = Number(await command('getLeaseGeneration', GENERATION, leaseId));
      return generation === OTHER_GENERATION ? null : generation;
    },

    async acquireLease(leaseId, options = {}) {
      const { expectedGeneration, advanceGeneration = false, leaseMs = LEASE_MS, waitMs = WAIT_MS } = options;
      requireText('flowManager.acquireLease: the id', leaseId);
      requireMilliseconds('flowManager.acquireLease: leaseMs', leaseMs);
      requireMilliseconds('flowManager.acquireLease: waitMs', waitMs, 0);
      const owner = randomUUID();
      const until = performance.now() + waitMs;
      for (;;) {
        const wish = [owner, leaseMs, expectedGeneration ?? '', advanceGeneration ? 1 : 0];
        const taken = await command('acquireLease', TAKE, leaseId, wish, (late) => {
          if (Number(late) >= 0) release(leaseId, owner).catch(() => {});
        });
        const generation = Number(taken);
        if (generation >= 0) return { generation, release: () => release(leaseId, owner) };
        if (generation === OTHER_GENERATION || performance.now() >= until) return null;
        await delay(POLL_MS);
      }
    },
  };
}

module.exports = { redisLeases };
