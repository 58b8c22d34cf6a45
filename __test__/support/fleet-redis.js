const { startRedis } = require('./redis');
const { openAdmin } = require('./redis-clients');
const { startRedisCluster } = require('./redis-cluster');
const { startSwitch } = require('./switch');
const { until } = require('./wait');

/** A Cluster, of which a slot moves with its keys to another node, as when it grows. */
async function ofCluster() {
  const { ports, nodes, beginMove, moveKeys, endMove, ownerOf, close } = await startRedisCluster();
  return {
    redis: { url: ports.map((port) => `redis://127.0.0.1:${port}`).join(), close },
    async meanwhile() {
      const [key] = await nodes[0].call('KEYS', '*');
      const { slot, node } = await ownerOf(key);
      const to = nodes.find((other) => other !== node);
      await beginMove(slot, node, to);
      const keys = await node.call('CLUSTER', 'GETKEYSINSLOT', slot, 10_000);
      if (keys.length > 0) await moveKeys(keys, node, to);
      await endMove(slot, to);
    },
  };
}

/** What a managed Redis has: one address, and another node answers there when the first has died. */
async function ofFailover() {
  const [first, second] = [await startRedis(), await startRedis()];
  const replica = openAdmin(second.port);
  await replica.call('REPLICAOF', '127.0.0.1', String(first.port));
  await until('the replica', async () => (await replica.call('INFO', 'replication')).includes('master_link_status:up'));
  const address = await startSwitch(first.port);
  return {
    redis: {
      url: `redis://127.0.0.1:${address.port}`,
      async close() {
        replica.disconnect();
        await address.close();
        await second.close();
        await first.close();
      },
    },
    async meanwhile() {
      await first.kill();
      await replica.call('REPLICAOF', 'NO', 'ONE');
      address.lead(second.port);
    },
  };
}

/** Redis for `startFleet`, and what happens to it meanwhile. */
const FLEET_REDIS = { cluster: ofCluster, failover: ofFailover };

module.exports = { FLEET_REDIS };
