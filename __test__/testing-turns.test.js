/** The contract's tests of rates and places: each rule is broken by an implementation here, and they say which. */

const { RULES } = require('../testing/turns');
const {
  answering,
  brokenRules,
  changed,
  keyed,
  testFaults,
  withoutCase,
  withoutLastPart,
} = require('./support/contract');
const { MemoryTurns } = require('./support/memory-services');
const { delay } = require('./support/wait');

const ofTurns = (change) => keyed(MemoryTurns, ['take', 'enter', 'leave'], change);

/** Implementations, and the rules that each breaks, by their names in `testing/turns.js`. */
const TURNS = {
  'counts one too many': [
    changed(MemoryTurns, 'take', (key, most, windowMs) => [key, most + 1, windowMs]),
    ['most', 'wait', 'stays', 'independent'],
  ],
  'looks, and counts a moment later': [
    class extends MemoryTurns {
      async take(key, most, windowMs) {
        const { windows } = this.rates;
        const events = windows.get(key) ?? 0;
        if (events >= most) return windows.left(key);
        await delay(5);
        windows.set(key, events + 1, windowMs);
        return 0;
      }
    },
    ['most'],
  ],
  'says null': [
    answering(MemoryTurns, 'take', (wait) => wait || null),
    ['most', 'wait', 'uncounted', 'stays', 'eventsApart', 'independent'],
  ],
  'says seconds': [answering(MemoryTurns, 'take', (wait) => wait / 1000), ['wait']],
  'counts what it refuses': [
    answering(MemoryTurns, 'take', (wait, [key, most], service) => {
      // Longer than the tests last, however slow they are.
      if (wait > 0) service.rates.windows.set(key, most, 600_000);
      return wait;
    }),
    ['uncounted'],
  ],
  'knows no server': [ofTurns(withoutLastPart), ['eventsApart', 'placesApart']],
  'knows no case': [ofTurns(withoutCase), ['eventsApart', 'placesApart']],
  'gives one place too many': [
    changed(MemoryTurns, 'enter', (key, holder, most, leaseMs) => [key, holder, most + 1, leaseMs]),
    ['places', 'held', 'others', 'leaseStays', 'renewed', 'independent'],
  ],
  'looks, and gives a place a moment later': [
    class extends MemoryTurns {
      async enter(key, holder, most, leaseMs) {
        const { size = 0 } = this.places.get(key)?.entries ?? {};
        await delay(5);
        return super.enter(key, holder, size < most ? Number.POSITIVE_INFINITY : most, leaseMs);
      }
    },
    ['places'],
  ],
  'gives its holder no place': [
    class extends MemoryTurns {
      async enter(key, holder, most, leaseMs) {
        return !this.places.get(key)?.get(holder) && super.enter(key, holder, most, leaseMs);
      }
    },
    ['held', 'renewed'],
  ],
  'renews nothing': [
    class extends MemoryTurns {
      async enter(key, holder, most, leaseMs) {
        return this.places.get(key)?.get(holder) ?? super.enter(key, holder, most, leaseMs);
      }
    },
    ['renewed'],
  ],
  'takes no place back': [
    class extends MemoryTurns {
      async leave() {}
    },
    ['left'],
  ],
  'takes all places back': [
    class extends MemoryTurns {
      async leave(key) {
        this.places.delete(key);
      }
    },
    ['others'],
  ],
  'cannot take back what is not there': [
    class extends MemoryTurns {
      async leave(key, holder) {
        if (!this.places.get(key)?.get(holder)) throw new Error('not there');
        await super.leave(key, holder);
      }
    },
    ['others'],
  ],
  'has no leases': [changed(MemoryTurns, 'enter', (key, holder, most) => [key, holder, most, 1e9]), ['leaseEnds']],
  'clears rates': [
    class extends MemoryTurns {
      async clear(key) {
        await this.rates.clear(key);
        await super.clear(key);
      }
    },
    ['independent'],
  ],
};

testFaults([['limits', MemoryTurns, TURNS, RULES, []]]);

// How soon the end comes is up to the machine, and so is what else is found.
test.each([
  [RULES.stays, changed(MemoryTurns, 'take', (key, most) => [key, most, 60])],
  [RULES.leaseStays, changed(MemoryTurns, 'enter', (key, holder, most) => [key, holder, most, 60])],
])('what ends early is found: %s', async (rule, Faulty) => {
  expect((await brokenRules({ limits: new Faulty() })).map((error) => error.rule)).toContain(rule);
});

test('processes that do not share are found', async () => {
  const errors = await brokenRules({ limits: new MemoryTurns(), anotherProcess: { limits: new MemoryTurns() } });
  const { most, wait, stays, places, leaseStays, renewed } = RULES;
  expect(errors.map(({ rule }) => rule)).toEqual(
    expect.arrayContaining([most, wait, stays, places, leaseStays, renewed]),
  );
});
