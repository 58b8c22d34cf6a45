/**
 * One of several processes that share a database and a Redis. For each message `{ users, calls, hangAt }` makes a new
 * runtime and that many tool calls of each user at once, and answers `{ failures, log }`: what went wrong with them.
 *
 * With `hangAt`, `before METHOD TYPE` or `after METHOD TYPE` of a token method and a row, it says `{ reached, user }` at that
 * point and stays there, until it is killed or told to `{ goOn }`.
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
  config,
  allow,
} = JSON.parse(process.argv[2]);

let hangAt;
const hanging = new Set();

async function reach(point, user) {
  if (point !== hangAt) return;
  process.send({ reached: point, user });
  await new Promise((resolve) => hanging.add(resolve));
}

function goOn() {
  hangAt = undefined;
  for (const resolve of hanging) resolve();
  hanging.clear();
}

/** The token methods, with points before and after each. */
function pointedMethods(methods) {
  const pointed = ([name, method]) => [
    name,
    async (query, ...rest) => {
      await reach(`before ${name} ${query.type}`, query.userId);
      const result = await method(query, ...rest);
      await reach(`after ${name} ${query.type}`, query.userId);
      return result;
    },
  ];
  return Object.fromEntries(Object.entries(methods).map(pointed));
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

async function main() {
  const store = await openTokenStore(mongo);
  const { flowManager, lock, close } = await openRedisServices(redis, { lockMs, withLeases, ownFlows });
  const { tokenMethods, credentialsKey } = store.services;
  const services = {
    flowManager: slowed(flowManager),
    credentialsKey,
    tokenMethods: pointedMethods(tokenMethods),
    lock: withLock ? lock : undefined,
  };

  async function answer({ users, calls }) {
    const host = createHost({ servers: { srv: config }, allow, services });
    const runtime = createMCPRuntime(host.services);
    const failures = await Promise.all(users.map((user) => callAtOnce(runtime, user, calls)));
    await runtime.close();
    process.send({ failures: failures.flat(), log: host.logger.text() });
  }

  process.on('message', (message) => {
    if (message.goOn) return goOn();
    hangAt = message.hangAt;
    return answer(message);
  });
  process.on('disconnect', async () => {
    // Where the stores are gone already, nothing closes.
    setTimeout(() => process.exit(1), 5000);
    await Promise.all([store.close(), close()]);
    process.exit();
  });
}

main();
