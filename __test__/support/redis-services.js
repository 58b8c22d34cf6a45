const { randomUUID } = require('node:crypto');
const { default: KeyvRedis } = require('@keyv/redis');
const { Keyv } = require('keyv');
const { FlowManager, LeasingFlowManager } = require('./flows');

/** Deletes the key only while it has this value: a holder that was too slow must not release the next one's lock. */
const RELEASE = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0`;

/**
 * What processes share through a Redis, as docs/oauth.md shows it: LibreChat's flows, and `lock`.
 *
 * @param options.lockMs      how long a lock or a lease lasts at most, for tests that do not wait for its whole time
 * @param options.withLeases  whether the flow manager has leases
 * @returns `{ flowManager, lock, endLease, close }`; `endLease(id)` is the end of a lease's time
 */
async function openRedisServices(url, { lockMs = Number.POSITIVE_INFINITY, withLeases = false } = {}) {
  const store = new KeyvRedis(url);
  const client = await store.getClient();
  const keyv = new Keyv({ store, namespace: 'flows' });
  return {
    flowManager: withLeases ? shortened(new LeasingFlowManager(keyv), lockMs) : new FlowManager(keyv),
    lock: {
      async acquire(key, ttlMs) {
        const owner = randomUUID();
        if (!(await client.set(key, owner, { NX: true, PX: Math.min(ttlMs, lockMs) }))) return null;
        return async () => {
          await client.eval(RELEASE, { keys: [key], arguments: [owner] });
        };
      },
    },
    endLease: (id) => client.hSet(`flows::lease:${id}`, 'ends', '0'),
    close: () => store.disconnect(),
  };
}

/** The host decides how long a lease lasts. */
function shortened(flowManager, longest) {
  const { acquireLease } = flowManager;
  flowManager.acquireLease = (id, { leaseMs, ...options } = {}) =>
    acquireLease.call(flowManager, id, { ...options, leaseMs: Math.min(leaseMs ?? 900_000, longest) });
  return flowManager;
}

module.exports = { openRedisServices };
