const { LONG_MS, SHORT_MS, atOnce, check, delay, eventually, fresh, soon } = require('./rules');

const RULES = {
  free: 'a lock that nobody has is given: acquire resolves to a function',
  held: 'a lock that somebody has is given to nobody else: acquire resolves to null',
  apart: 'locks with different keys do not stand in each other’s way',
  released: 'a lock that was released is free',
  ends: 'a lock that nobody releases ends when its time is over',
  stays: 'a lock does not end before its time',
  late: 'whoever releases after the lock’s time leaves the next holder’s alone',
  twice: 'releasing a second time does nothing, and does not fail',
  one: 'of many who ask at once exactly one gets the lock',
};

/** @param {{ lock: any, other: any }} services  `other` is the lock as another process has it */
function lockTests({ lock, other }) {
  const key = () => `mcp_get_tokens:${fresh('user')}:server`;
  const take = async (by, name, ttlMs = LONG_MS) => {
    const release = await soon(RULES.free, by.acquire(name, ttlMs));
    check(RULES.free, typeof release === 'function', `it is ${release}`);
    return release;
  };
  const refuse = async (rule, name) => {
    const release = await soon(rule, other.acquire(name, LONG_MS));
    check(rule, release === null, 'the lock was given');
  };
  const afterItsTime = (name) => eventually(RULES.ends, () => other.acquire(name, LONG_MS));

  return {
    async free() {
      await (await take(lock, key()))();
    },
    async held() {
      const name = key();
      const release = await take(lock, name);
      await refuse(RULES.held, name);
      await release();
    },
    async apart() {
      const user = fresh('user');
      // Names that would be one if they were only put together.
      const names = [
        `${user}:a`,
        `${user}:A`,
        `${user}:a:`,
        `${user}:{a}`,
        `mcp_get_tokens:${user}:a`,
        `${user}:\u00e4`,
      ];
      const releases = await Promise.all(names.map((name) => soon(RULES.apart, lock.acquire(name, LONG_MS))));
      check(RULES.apart, !releases.includes(null), 'one was refused');
      for (const release of releases) await release();
    },
    async released() {
      const name = key();
      await soon(RULES.released, (await take(lock, name))());
      const next = await soon(RULES.released, other.acquire(name, LONG_MS));
      check(RULES.released, next !== null, 'it was refused');
      await next();
    },
    async ends() {
      const name = key();
      await take(lock, name, SHORT_MS);
      await (await afterItsTime(name))();
    },
    async stays() {
      const name = key();
      const release = await take(lock, name);
      await delay(2 * SHORT_MS);
      await refuse(RULES.stays, name);
      await release();
    },
    async late() {
      const name = key();
      const late = await take(lock, name, SHORT_MS);
      const release = await afterItsTime(name);
      await soon(RULES.late, late());
      await refuse(RULES.late, name);
      await release();
    },
    async twice() {
      const name = key();
      const release = await take(lock, name);
      await release();
      await soon(RULES.twice, release());
    },
    async one() {
      const name = key();
      const answers = await atOnce(20, (index) => soon(RULES.one, (index % 2 ? lock : other).acquire(name, LONG_MS)));
      const releases = answers.filter((answer) => answer !== null);
      check(RULES.one, releases.length === 1, `${releases.length} got it`);
      await releases[0]();
    },
  };
}

module.exports = { RULES, tests: lockTests };
