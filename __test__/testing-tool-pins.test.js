/** The contract's tests of `toolPins`: each rule is broken by an implementation here, and they say which. */

const { RULES } = require('../testing/tool-pins');
const { answering, brokenRules, changed } = require('./support/contract');
const { MemoryPins } = require('./support/memory-services');
const { delay } = require('./support/wait');

const keyed = (change) =>
  ['get', 'compareAndSet'].reduce(
    (Changed, name) => changed(Changed, name, (key, ...more) => [change(key), ...more]),
    MemoryPins,
  );

/** Implementations, and the rules that each breaks. */
const FAULTS = {
  'says false': [answering(MemoryPins, 'get', (value) => value ?? false), ['unknown', 'missing', 'apart']],
  'has one key': [keyed(() => 'key'), Object.keys(RULES)],
  'keeps short texts': [
    changed(MemoryPins, 'compareAndSet', (key, expected, value) => [key, expected, value.slice(0, 1024 * 1024)]),
    ['long'],
  ],
  'does not say whether it set': [
    answering(MemoryPins, 'compareAndSet', () => undefined),
    ['first', 'taken', 'expected', 'other', 'missing', 'one', 'long'],
  ],
  'replaces whatever is there': [
    class extends MemoryPins {
      async compareAndSet(key, _, value) {
        this.records.set(key, value);
        return true;
      }
    },
    ['taken', 'other', 'missing', 'one'],
  ],
  'looks, and sets a moment later': [
    class extends MemoryPins {
      async compareAndSet(key, expected, value) {
        const isExpected = this.records.get(key) === expected;
        await delay(5);
        if (isExpected) this.records.set(key, value);
        return isExpected;
      }
    },
    ['one'],
  ],
};

test('nothing is found in one that keeps the contract', async () => {
  expect(await brokenRules({ toolPins: new MemoryPins() })).toEqual([]);
});

test.each(Object.entries(FAULTS))('what %s is found, and nothing else', async (_, [Faulty, broken]) => {
  const errors = await brokenRules({ toolPins: new Faulty() });
  const found = errors.map((error) => error.rule ?? String(error));
  expect(found.filter((rule) => !broken.map((it) => RULES[it]).includes(rule))).toEqual([]);
  expect(found.length).toBeGreaterThan(0);
});

test('each rule has an implementation that breaks it', () => {
  const broken = new Set(Object.values(FAULTS).flatMap(([, names]) => names));
  expect([...broken].sort()).toEqual(Object.keys(RULES).sort());
});
