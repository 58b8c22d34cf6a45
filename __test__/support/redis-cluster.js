const { freePort } = require('./ports');
const { startRedis } = require('./redis');
const { openAdmin } = require('./redis-clients');
const { until } = require('./wait');

const SLOTS = 16_384;
/** Nobody is given up because the machine was busy. */
const NODE_TIMEOUT_MS = 60_000;

async function startNode() {
  const busPort = await freePort();
  const options = { 'cluster-enabled': 'yes', 'cluster-port': busPort, 'cluster-node-timeout': NODE_TIMEOUT_MS };
  const redis = await startRedis(Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]));
  const admin = openAdmin(redis.port);
  const call = (...command) => admin.call(...command.map(String));
  const close = async () => {
    admin.disconnect();
    await redis.close();
  };
  return { ...redis, busPort, call, close, id: await call('CLUSTER', 'MYID') };
}

async function isReady(nodes) {
  const states = await Promise.all(nodes.map(({ call }) => call('CLUSTER', 'INFO')));
  const slots = await Promise.all(nodes.map(({ call }) => call('CLUSTER', 'SLOTS')));
  return (
    states.every((state) => state.includes('cluster_state:ok')) && slots.every(({ length }) => length === nodes.length)
  );
}

/**
 * Three masters that have a third of the slots each.
 *
 * @returns `{ nodes, ports, ownerOf, beginMove, moveKeys, endMove, close }`; a slot is moved by those three, in this order
 */
async function startRedisCluster() {
  const nodes = await Promise.all([startNode(), startNode(), startNode()]);
  const third = Math.ceil(SLOTS / nodes.length);
  await Promise.all(
    nodes.map(({ call }, index) =>
      call('CLUSTER', 'ADDSLOTSRANGE', index * third, Math.min((index + 1) * third, SLOTS) - 1),
    ),
  );
  const [first, ...others] = nodes;
  for (const { port, busPort } of others) await first.call('CLUSTER', 'MEET', '127.0.0.1', port, busPort);
  await until('the cluster', () => isReady(nodes), NODE_TIMEOUT_MS);

  return {
    nodes,
    ports: nodes.map(({ port }) => port),
    /** The node that has the key's slot, and the slot. */
    async ownerOf(key) {
      const slot = await first.call('CLUSTER', 'KEYSLOT', key);
      const ranges = await first.call('CLUSTER', 'SLOTS');
      const [, , [, port]] = ranges.find(([from, to]) => from <= slot && slot <= to);
      return { slot, node: nodes.find((node) => node.port === port) };
    },
    async beginMove(slot, from, to) {
      await to.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id);
      await from.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id);
    },
    async moveKeys(keys, from, to) {
      await from.call('MIGRATE', '127.0.0.1', to.port, '', 0, 10_000, 'KEYS', ...keys);
    },
    async endMove(slot, to) {
      for (const { call } of [to, ...nodes]) await call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
    },
    close: () => Promise.all(nodes.map(({ close }) => close())),
  };
}

module.exports = { startRedisCluster };
