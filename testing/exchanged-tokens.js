const { LONG_MS, SHORT_MS, check, checkSame, delay, eventually, fresh, soon } = require('./rules');

const RULES = {
  unknown: 'get resolves to undefined or null where there is nothing',
  same: 'get gives the text that was set, in every process',
  replaced: 'set replaces what was there',
  ends: 'a value ends when its time is over',
  stays: 'a value does not end before its time',
  deleted: 'a value that was deleted is gone',
  nothing: 'deleting what is not there does not fail',
  apart: 'values of different keys are apart',
};

/** @param {{ exchangedTokens: any, other: any }} services  `other` is the cache as another process has it */
function tokenTests({ exchangedTokens: cache, other }) {
  const isNothing = (value) => value === undefined || value === null;
  const set = (rule, key, value, ttlMs = LONG_MS) => soon(rule, cache.set(key, value, ttlMs));

  return {
    async unknown() {
      const value = await soon(RULES.unknown, cache.get(fresh('key')));
      check(RULES.unknown, isNothing(value), `it is a ${typeof value}`);
    },
    async same() {
      const key = fresh('key');
      const text = `v1.\u00e4\u{1f511}"\\\n{}${'x'.repeat(20_000)}`;
      await set(RULES.same, key, text);
      checkSame(RULES.same, await soon(RULES.same, other.get(key)), text);
      await cache.delete(key);
    },
    async replaced() {
      const key = fresh('key');
      await set(RULES.replaced, key, 'first');
      await set(RULES.replaced, key, 'second');
      checkSame(RULES.replaced, await other.get(key), 'second');
      await cache.delete(key);
    },
    async ends() {
      const key = fresh('key');
      await set(RULES.ends, key, 'value', SHORT_MS);
      await eventually(RULES.ends, async () => isNothing(await other.get(key)));
    },
    async stays() {
      const key = fresh('key');
      await set(RULES.stays, key, 'value');
      await delay(2 * SHORT_MS);
      checkSame(RULES.stays, await other.get(key), 'value');
      await cache.delete(key);
    },
    async deleted() {
      const key = fresh('key');
      await set(RULES.deleted, key, 'value');
      await soon(RULES.deleted, cache.delete(key));
      check(RULES.deleted, isNothing(await other.get(key)), 'it is still there');
    },
    async nothing() {
      await soon(RULES.nothing, cache.delete(fresh('key')));
    },
    async apart() {
      const key = fresh('key');
      const keys = [key, `${key}:`, `{${key}}`, key.toUpperCase()];
      for (const name of keys) await set(RULES.apart, name, name);
      checkSame(RULES.apart, await Promise.all(keys.map((name) => other.get(name))), keys);
      for (const name of keys) await cache.delete(name);
    },
  };
}

module.exports = { RULES, tests: tokenTests };
