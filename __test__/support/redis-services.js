const { default: KeyvRedis } = require('@keyv/redis');
const { Keyv } = require('keyv');
const { redisServices } = require('../../redis');
const { FlowManager, LeasingFlowManager, registerFlow } = require('./flows');

/**
 * What processes share through a Redis: the package's services, with LibreChat's flows.
 *
 * @param options.lockMs      how long a lock or a lease lasts at most, for tests that do not wait for its whole time
 * @param options.withLeases  whether the flow manager has leases
 * @param options.ownFlows    whether the flow manager is the package's, too
 * @returns `{ flowManager, lock, exchangedTokens, endLease, close }`; `endLease(id)` is the end of a lease's time, where
 *   the flows are LibreChat's
 */
async function openRedisServices(url, { lockMs = Number.MAX_SAFE_INTEGER, withLeases = false, ownFlows = false } = {}) {
  const store = new KeyvRedis(url);
  const client = await store.getClient();
  const { lock, flowManager, exchangedTokens } = redisServices(client);
  const librechats = (Manager) => new Manager(new Keyv({ store, namespace: 'flows' }));
  const leasing = ownFlows ? watched(flowManager) : librechats(LeasingFlowManager);
  return {
    flowManager: withLeases || ownFlows ? shortened(leasing, lockMs) : librechats(FlowManager),
    lock: { acquire: (key, ttlMs) => lock.acquire(key, Math.min(ttlMs, lockMs)) },
    exchangedTokens,
    endLease: (id) => client.hSet(`flows::lease:${id}`, 'ends', '0'),
    close: () => store.disconnect(),
  };
}

function watched(flowManager) {
  const initFlow = (id, type, metadata) => {
    registerFlow(metadata);
    return flowManager.initFlow(id, type, metadata);
  };
  return { ...flowManager, initFlow };
}

/** The host decides how long a lease lasts. */
function shortened(flowManager, longest) {
  const { acquireLease } = flowManager;
  flowManager.acquireLease = (id, { leaseMs, ...options } = {}) =>
    acquireLease.call(flowManager, id, { ...options, leaseMs: Math.min(leaseMs ?? 900_000, longest) });
  return flowManager;
}

module.exports = { openRedisServices };
