const { randomUUID } = require('node:crypto');
const { default: KeyvRedis } = require('@keyv/redis');
const { Keyv } = require('keyv');
const { FlowManager } = require('./flows');

/** Deletes the key only while it has this value: a holder that was too slow must not release the next one's lock. */
const RELEASE = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0`;

/**
 * What processes share through a Redis, as docs/oauth.md shows it: LibreChat's flows, and `lock`.
 *
 * @param options.lockMs  how long a lock lasts at most, for tests that do not wait for its whole time
 * @returns `{ flowManager, lock, close }`
 */
async function openRedisServices(url, { lockMs = Number.POSITIVE_INFINITY } = {}) {
  const store = new KeyvRedis(url);
  const client = await store.getClient();
  return {
    flowManager: new FlowManager(new Keyv({ store, namespace: 'flows' })),
    lock: {
      async acquire(key, ttlMs) {
        const owner = randomUUID();
        if (!(await client.set(key, owner, { NX: true, PX: Math.min(ttlMs, lockMs) }))) return null;
        return async () => {
          await client.eval(RELEASE, { keys: [key], arguments: [owner] });
        };
      },
    },
    close: () => store.disconnect(),
  };
}

module.exports = { openRedisServices };
