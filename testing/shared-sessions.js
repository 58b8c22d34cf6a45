const { LONG_MS, SHORT_MS, atOnce, check, checkSame, delay, eventually, fresh, soon } = require('./rules');

const RULES = {
  unknown: 'get resolves to undefined or null where there is nothing',
  same: 'get gives the text that was set, in every process',
  replaced: 'set replaces what was there, and its time',
  ends: 'a value ends when its time is over',
  stays: 'a value does not end before its time',
  apart: 'values of different keys are apart',
  first: 'compareAndSet with undefined sets where there is nothing, and resolves to true',
  taken: 'compareAndSet with undefined resolves to false where there is something, which stays as it is',
  expected: 'compareAndSet sets where the expected value is, and resolves to true',
  other: 'compareAndSet resolves to false where another value is, which stays as it is',
  missing: 'compareAndSet with an expected value resolves to false where there is nothing, and sets nothing',
  one: 'of many who compare and set at once exactly one sets, and its value is there',
  comparedEnds: 'what compareAndSet has set ends when its time is over',
  renewed: 'compareAndSet gives a value that stays the same another time',
  refused: 'a compareAndSet that is refused makes nothing last longer',
  deleted: 'delete resolves to true where there is something, which is gone',
  nothing: 'delete resolves to false where there is nothing',
  deletedExpected: 'delete with an expected value resolves to true where it is, and deletes it',
  deletedOther: 'delete with an expected value resolves to false where another is, which stays as it is',
  deletedMissing: 'delete with an expected value resolves to false where there is nothing',
};

/** @param {{ sharedSessions: any, other: any }} services  `other` is the store as another process has it */
function sessionTests({ sharedSessions: store, other }) {
  const id = (kind = 'session') => JSON.stringify([kind, fresh('user'), 'server', 'digest']);
  const isNothing = (value) => value === undefined || value === null;
  const set = (rule, key, value, ttlMs = LONG_MS) => soon(rule, store.set(key, value, ttlMs));
  const has = async (rule, key, expected) => checkSame(rule, await soon(rule, other.get(key)), expected);
  const hasNothing = async (rule, key) => {
    const value = await soon(rule, other.get(key));
    check(rule, isNothing(value), `it is a ${typeof value}`);
  };
  const says = async (rule, expected, work) => checkSame(rule, await soon(rule, work), expected);
  const ends = (rule, key) => eventually(rule, async () => isNothing(await other.get(key)));

  // What has to happen before a value of `SHORT_MS` ends is tried until it does: the machine may be busy.
  return {
    async unknown() {
      await hasNothing(RULES.unknown, id());
    },
    async same() {
      const key = id();
      const text = `v1.\u00e4\u{1f511}"\\\n{}${'x'.repeat(20_000)}`;
      await set(RULES.same, key, text);
      await has(RULES.same, key, text);
      await store.delete(key);
    },
    async replaced() {
      const key = id();
      await set(RULES.replaced, key, 'first');
      await set(RULES.replaced, key, 'second');
      await has(RULES.replaced, key, 'second');
      await set(RULES.replaced, key, 'third', SHORT_MS);
      await ends(RULES.replaced, key);
    },
    async ends() {
      const key = id();
      await set(RULES.ends, key, 'value', SHORT_MS);
      await ends(RULES.ends, key);
    },
    async stays() {
      const key = id();
      await set(RULES.stays, key, 'value');
      await delay(2 * SHORT_MS);
      await has(RULES.stays, key, 'value');
      await store.delete(key);
    },
    async apart() {
      const user = fresh('user');
      const keys = [
        ['session', user, 'a', 'd'],
        ['session', user, 'A', 'd'],
        ['session', user, 'a', 'D'],
        ['session', user, 'a:d', ''],
        ['session', `${user}:a`, 'd', ''],
        ['session', '', `${user}:a`, 'd'],
        ['session-stream', user, 'a', 'd'],
        ['session-turn', user, 'a', 'd'],
      ].map((parts) => JSON.stringify(parts));
      for (const key of keys) await set(RULES.apart, key, key);
      for (const key of keys) await has(RULES.apart, key, key);
      await store.delete(keys[0]);
      await has(RULES.apart, keys[1], keys[1]);
      for (const key of keys.slice(1)) await store.delete(key);
    },
    async first() {
      const key = id('session-turn');
      await says(RULES.first, true, store.compareAndSet(key, undefined, 'value', LONG_MS));
      await has(RULES.first, key, 'value');
      await store.delete(key);
    },
    async taken() {
      const key = id('session-turn');
      await set(RULES.taken, key, 'value');
      await says(RULES.taken, false, other.compareAndSet(key, undefined, 'other', LONG_MS));
      await says(RULES.taken, false, other.compareAndSet(key, undefined, 'value', LONG_MS));
      await has(RULES.taken, key, 'value');
      await store.delete(key);
    },
    async expected() {
      const key = id();
      await set(RULES.expected, key, 'first');
      await says(RULES.expected, true, other.compareAndSet(key, 'first', 'second', LONG_MS));
      await has(RULES.expected, key, 'second');
      await store.delete(key);
    },
    async other() {
      const key = id();
      await set(RULES.other, key, 'value');
      for (const expected of ['valu', 'value ', 'VALUE'])
        await says(RULES.other, false, other.compareAndSet(key, expected, 'new', LONG_MS));
      await has(RULES.other, key, 'value');
      await store.delete(key);
    },
    async missing() {
      const key = id();
      await says(RULES.missing, false, store.compareAndSet(key, 'value', 'new', LONG_MS));
      await hasNothing(RULES.missing, key);
    },
    async one() {
      const key = id();
      let before;
      for (const round of ['first', 'second']) {
        const answers = await atOnce(20, (index) =>
          soon(RULES.one, (index % 2 ? store : other).compareAndSet(key, before, `${round}-${index}`, LONG_MS)),
        );
        const winners = answers.flatMap((isSet, index) => (isSet === true ? [index] : []));
        check(RULES.one, winners.length === 1, `${winners.length} did`);
        before = `${round}-${winners[0]}`;
        await has(RULES.one, key, before);
      }
      await store.delete(key);
    },
    async comparedEnds() {
      const key = id();
      await soon(RULES.comparedEnds, store.compareAndSet(key, undefined, 'value', SHORT_MS));
      await ends(RULES.comparedEnds, key);
    },
    async renewed() {
      const key = id('session-stream');
      await eventually(RULES.renewed, async () => {
        await store.set(key, 'process', SHORT_MS);
        return store.compareAndSet(key, 'process', 'process', LONG_MS);
      });
      await delay(2 * SHORT_MS);
      await has(RULES.renewed, key, 'process');
      await store.delete(key);
    },
    async refused() {
      let key;
      await eventually(RULES.refused, async () => {
        key = id('session-stream');
        await store.set(key, 'process', SHORT_MS);
        await other.compareAndSet(key, 'another', 'other', LONG_MS);
        await other.compareAndSet(key, undefined, 'other', LONG_MS);
        return (await other.get(key)) === 'process';
      });
      await ends(RULES.refused, key);
    },
    async deleted() {
      const key = id();
      await set(RULES.deleted, key, 'value');
      await says(RULES.deleted, true, store.delete(key));
      await hasNothing(RULES.deleted, key);
    },
    async nothing() {
      await says(RULES.nothing, false, store.delete(id()));
    },
    async deletedExpected() {
      const key = id();
      await set(RULES.deletedExpected, key, 'value');
      await says(RULES.deletedExpected, true, other.delete(key, 'value'));
      await hasNothing(RULES.deletedExpected, key);
    },
    async deletedOther() {
      const key = id();
      await set(RULES.deletedOther, key, 'value');
      await says(RULES.deletedOther, false, other.delete(key, 'other'));
      await has(RULES.deletedOther, key, 'value');
      await store.delete(key);
    },
    async deletedMissing() {
      await says(RULES.deletedMissing, false, store.delete(id(), 'value'));
    },
  };
}

module.exports = { RULES, tests: sessionTests };
