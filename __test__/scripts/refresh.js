/**
 * One of several processes that share a database and a Redis. For each message makes a new runtime and that many tool
 * calls at once, and answers `{ failures, log }`: what went wrong with them.
 *
 * With `hangAt`, `METHOD TYPE` of a token method and a row or `release` of the lock, it answers `{ reached }` at that
 * point and stays there, to be killed.
 */

const { createMCPRuntime } = require('../support/addon');
const { callAtOnce } = require('../support/calls');
const { createHost } = require('../support/host');
const { openRedisServices } = require('../support/redis-services');
const { openTokenStore } = require('../support/token-store');
const { delay } = require('../support/wait');

const {
  mongo,
  redis,
  withLock,
  withLeases,
  ownFlows,
  lockMs,
  flowDelayMs = 0,
  hangAt,
  config,
  allow,
  user,
} = JSON.parse(process.argv[2]);

function hang() {
  process.send({ reached: hangAt });
  return new Promise(() => {});
}

/** The token methods, one of which never gets to the database. */
function hangingMethods(methods) {
  const hanging = ([name, method]) => [
    name,
    (query, ...rest) => (hangAt === `${name} ${query.type}` ? hang() : method(query, ...rest)),
  ];
  return Object.fromEntries(Object.entries(methods).map(hanging));
}

/** Each access to the flow store takes up to twice that long. */
function slowed(flowManager) {
  if (flowDelayMs === 0) return flowManager;
  const get = (target, name) => {
    if (typeof target[name] !== 'function') return target[name];
    return async (...parameters) => {
      await delay(2 * flowDelayMs * Math.random());
      return target[name](...parameters);
    };
  };
  return new Proxy(flowManager, { get });
}

function hangingLock(lock) {
  if (hangAt !== 'release') return lock;
  return { acquire: async (key, ttlMs) => ((await lock.acquire(key, ttlMs)) ? hang : null) };
}

async function main() {
  const store = await openTokenStore(mongo);
  const { flowManager, lock, close } = await openRedisServices(redis, { lockMs, withLeases, ownFlows });
  const { tokenMethods, credentialsKey } = store.services;
  const services = {
    flowManager: slowed(flowManager),
    credentialsKey,
    tokenMethods: hangingMethods(tokenMethods),
    lock: withLock ? hangingLock(lock) : undefined,
  };

  async function answer({ calls }) {
    const host = createHost({ servers: { srv: config }, allow, services });
    const runtime = createMCPRuntime(host.services);
    const failures = await callAtOnce(runtime, user, calls);
    await runtime.close();
    process.send({ failures, log: host.logger.text() });
  }

  process.on('message', answer);
  process.on('disconnect', async () => {
    // Where the stores are gone already, nothing closes.
    setTimeout(() => process.exit(1), 5000);
    await Promise.all([store.close(), close()]);
    process.exit();
  });
}

main();
