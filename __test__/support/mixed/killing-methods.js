const WRITES = ['createToken', 'updateToken', 'deleteTokens'];

/**
 * LibreChat's token methods, in a process that dies at one of its writes as `kill -9` has it.
 *
 * @returns `{ methods, dieAt }`: `dieAt({ write, moment })` arms it: the `write`-th from now, 'before' or 'after' it
 */
function killingMethods(methods) {
  let armed;
  let count = 0;
  const die = () => process.kill(process.pid, 'SIGKILL');
  const killing =
    (method) =>
    async (...parameters) => {
      count += 1;
      const isIt = armed?.write === count;
      if (isIt && armed.moment === 'before') die();
      const result = await method(...parameters);
      if (isIt) die();
      return result;
    };
  return {
    methods: {
      ...methods,
      ...Object.fromEntries(WRITES.map((name) => [name, killing(methods[name])])),
    },
    dieAt(point) {
      armed = point;
      count = 0;
    },
  };
}

module.exports = { killingMethods };
