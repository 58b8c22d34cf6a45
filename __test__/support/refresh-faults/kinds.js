/**
 * What happens to who refreshes, or to Redis, and when. `point` is where all refreshes are held until it has happened: at a
 * token method in the process, or at the token endpoint, before or after the request is carried out. It happens when all
 * are there, or with `isEarly` when the first one is. `begin` comes before the calls; `happens` gets what it resolves to as
 * `fault`. What `isSlow` takes as long as a lock lasts.
 */

const { startRedis } = require('../redis');
const { openAdmin } = require('../redis-clients');
const { startSwitch } = require('../switch');
const { delay, until } = require('../wait');

const POINTS = {
  'before its request': 'before findToken mcp_oauth_client',
  'its request not carried out yet': 'received',
  'its request carried out, not answered': 'carried out',
  'answered, no row stored': 'before updateToken mcp_oauth',
  'all rows stored': 'after updateToken mcp_oauth_client',
};

/** Longer than a function of `redisServices` waits for Redis. */
const CUT_MS = 8000;
/** For others to take a lock that has been lost. */
const BACK_MS = 1000;

const ofPod = (happens) => Object.assign(happens, { isOfPod: true });

const killed = ofPod(async ({ pod, goOn, others }) => {
  await pod.kill();
  goOn();
  await others;
  pod.restart();
});

/** The others go on when the lock and the claim have ended. */
const stopped = ofPod(async ({ pod, goOn, others }) => {
  await pod.pause();
  goOn();
  await others;
  pod.resume();
});

const cutOff = ofPod(async ({ pod, goOn, others }) => {
  pod.address.stall();
  goOn();
  await others;
  pod.address.resume();
});

async function allCutOff({ pods, goOn }) {
  for (const { address } of pods) address.stall();
  goOn();
  await delay(CUT_MS);
  for (const { address } of pods) address.resume();
}

const restarted =
  (options) =>
  async ({ redis, goOn }) => {
    await redis.restart(options);
    await delay(BACK_MS);
    goOn();
  };

async function withReplica({ redis }) {
  const [replica, way] = [await startRedis(), await startSwitch(redis.port)];
  const admin = openAdmin(replica.port);
  await admin.call('REPLICAOF', '127.0.0.1', way.port);
  const isUp = async () => (await admin.call('INFO', 'replication')).includes('master_link_status:up');
  await until('the replica', isUp);
  return { replica, admin, way };
}

async function withReplicaBehind(fleet) {
  const fault = await withReplica(fleet);
  fault.way.stall();
  return fault;
}

/** What a managed Redis has: one address, and who answers there changes. The next round has the old one again. */
async function failedOver({ pods, redis, fault, goOn, all }) {
  const { replica, admin, way } = fault;
  await redis.kill();
  await admin.call('REPLICAOF', 'NO', 'ONE');
  for (const { address } of pods) address.lead(replica.port);
  await delay(BACK_MS);
  goOn();
  await all;
  await redis.restart({ isEmpty: true });
  for (const { address } of pods) address.lead(redis.port);
  admin.disconnect();
  await way.close();
  await replica.close();
}

const atPoints = (what, happens) =>
  Object.entries(POINTS).map(([name, point]) => ({ name: `${what}, ${name}`, point, happens, isSlow: true }));

const REDIS = [
  { name: 'Redis restarts with its data', happens: restarted() },
  { name: 'Redis restarts without its data', happens: restarted({ isEmpty: true }) },
  { name: 'Redis fails over while locks are taken', begin: withReplica, happens: failedOver, isEarly: true },
  { name: 'Redis fails over to a replica that lacks the last writes', begin: withReplicaBehind, happens: failedOver },
  { name: 'who refreshes is cut off from Redis', happens: cutOff },
  { name: 'all are cut off from Redis', happens: allCutOff },
];

const KINDS = [
  { name: 'nothing' },
  ...atPoints('`kill -9`', killed),
  ...atPoints('`SIGSTOP`', stopped),
  ...REDIS.map((kind) => ({ ...kind, point: 'received' })),
];

module.exports = { KINDS };
