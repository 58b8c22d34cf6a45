const { startProcess } = require('../processes');
const { startSwitch } = require('../switch');

/**
 * A process of a fleet, with a way to Redis of its own.
 *
 * @param script    of `__test__/scripts`, which answers `{ users, calls, hangAt }` as `refresh.js` does
 * @param redis     the Redis that it begins with
 * @param hear      told the user of each refresh that hangs
 * @returns `{ address, ask, goOn, pause, resume, kill, restart, close }`; `ask` resolves to what went wrong with the calls,
 *   and to `undefined` when the process was killed
 */
async function startPod(script, parameters, redis, hear) {
  const address = await startSwitch(redis.port);
  let process;
  let isAlive;
  let answer;
  const start = () => {
    isAlive = true;
    process = startProcess(script, { ...parameters, redis: `redis://127.0.0.1:${address.port}` });
    const heard = ({ reached, user, failures }) => (reached ? hear(user) : answer?.(failures));
    // Ends with the process.
    process.listen(heard).catch(() => answer?.());
  };
  start();
  return {
    address,
    async ask(users, hangAt) {
      const answered = new Promise((resolve) => {
        answer = resolve;
      });
      process.send({ users, calls: 1, hangAt });
      return answered;
    },
    goOn: () => isAlive && process.send({ goOn: true }),
    pause: () => process.pause(),
    resume: () => process.resume(),
    async kill() {
      isAlive = false;
      await process.kill();
    },
    restart: start,
    async close() {
      await process.close();
      await address.close();
    },
  };
}

module.exports = { startPod };
