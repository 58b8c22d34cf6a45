const { atOnce, check, checkSame, fresh, soon } = require('./rules');

const RULES = {
  unknown: 'get resolves to undefined or null where there is nothing',
  first: 'compareAndSet with undefined sets where there is nothing, and resolves to true',
  taken: 'compareAndSet with undefined resolves to false where there is something, which stays as it is',
  expected: 'compareAndSet sets where the expected value is, and resolves to true, in every process',
  other: 'compareAndSet resolves to false where another value is, which stays as it is',
  missing: 'compareAndSet with an expected value resolves to false where there is nothing, and sets nothing',
  one: 'of many who compare and set at once exactly one sets, and its value is there',
  long: 'a record may have megabytes',
  apart: 'values of different keys are apart',
};

/** @param {{ toolPins: any, other: any }} services  `other` is the store as another process has it */
function toolPinsTests({ toolPins: store, other }) {
  const id = () => JSON.stringify([fresh('tenant'), 'server', '']);
  const says = async (rule, expected, work) => checkSame(rule, await soon(rule, work), expected);
  const has = (rule, key, expected) => says(rule, expected, other.get(key));
  const hasNothing = async (rule, key) => {
    const value = await soon(rule, other.get(key));
    check(rule, value === undefined || value === null, `it is a ${typeof value}`);
  };

  return {
    async unknown() {
      await hasNothing(RULES.unknown, id());
    },
    async first() {
      const key = id();
      await says(RULES.first, true, store.compareAndSet(key, undefined, '{"a":"\u00e4\u{1f511}"}'));
      await has(RULES.first, key, '{"a":"\u00e4\u{1f511}"}');
    },
    async taken() {
      const key = id();
      await soon(RULES.taken, store.compareAndSet(key, undefined, 'value'));
      await says(RULES.taken, false, other.compareAndSet(key, undefined, 'other'));
      await has(RULES.taken, key, 'value');
    },
    async expected() {
      const key = id();
      await soon(RULES.expected, store.compareAndSet(key, undefined, 'value'));
      await says(RULES.expected, true, other.compareAndSet(key, 'value', 'next'));
      await says(RULES.expected, 'next', store.get(key));
    },
    async other() {
      const key = id();
      await soon(RULES.other, store.compareAndSet(key, undefined, 'value'));
      await says(RULES.other, false, other.compareAndSet(key, 'else', 'next'));
      await has(RULES.other, key, 'value');
    },
    async missing() {
      const key = id();
      await says(RULES.missing, false, store.compareAndSet(key, 'value', 'next'));
      await hasNothing(RULES.missing, key);
    },
    async one() {
      const key = id();
      const stores = [store, other];
      const set = (index) => stores[index % 2].compareAndSet(key, undefined, `value ${index}`);
      const outcomes = await soon(RULES.one, atOnce(20, set));
      const winners = outcomes.flatMap((did, index) => (did ? [index] : []));
      check(RULES.one, winners.length === 1, `${winners.length} did`);
      await has(RULES.one, key, `value ${winners[0]}`);
    },
    async long() {
      const key = id();
      const value = 'x'.repeat(4 * 1024 * 1024);
      await says(RULES.long, true, store.compareAndSet(key, undefined, value));
      const read = await soon(RULES.long, other.get(key));
      check(RULES.long, read === value, `${read?.length} characters`);
      await soon(RULES.long, store.compareAndSet(key, value, 'short'));
    },
    async apart() {
      const [key, another] = [id(), id()];
      await soon(RULES.apart, store.compareAndSet(key, undefined, 'value'));
      await hasNothing(RULES.apart, another);
    },
  };
}

module.exports = { RULES, tests: toolPinsTests };
