/** The contract's tests of shared sessions and of limits: each rule is broken by an implementation here, and they say which. */

const limitRules = require('../testing/limits').RULES;
const sessionRules = require('../testing/shared-sessions').RULES;
const {
  answering,
  brokenRules,
  changed,
  keyed,
  testFaults,
  withoutCase,
  withoutLastPart,
} = require('./support/contract');
const { MemoryLimits, MemorySessions } = require('./support/memory-services');
const { delay } = require('./support/wait');

const ofSessions = (change) => keyed(MemorySessions, ['get', 'set', 'compareAndSet', 'delete'], change);
const ofLimits = (change) => keyed(MemoryLimits, ['count', 'block', 'blockedFor', 'clear'], change);

/** Implementations, and the rules that each breaks, by their names in `testing/shared-sessions.js`. */
const SESSIONS = {
  'says false': [
    answering(MemorySessions, 'get', (value) => value ?? false),
    ['unknown', 'replaced', 'ends', 'missing', 'comparedEnds', 'refused', 'deleted', 'deletedExpected'],
  ],
  'keeps short texts': [
    changed(MemorySessions, 'set', (key, value, ttlMs) => [key, value.slice(0, 4096), ttlMs]),
    ['same'],
  ],
  'keeps the first value': [
    class extends MemorySessions {
      async set(key, value, ttlMs) {
        if (!this.values.get(key)) await super.set(key, value, ttlMs);
      }
    },
    ['replaced'],
  ],
  'has no ttl': [changed(MemorySessions, 'set', (key, value) => [key, value, 1e9]), ['replaced', 'ends', 'refused']],
  'knows no digest': [ofSessions(withoutLastPart), ['apart']],
  'knows no case': [ofSessions(withoutCase), ['apart']],
  'has no ttl after a comparison': [
    changed(MemorySessions, 'compareAndSet', (key, expected, value) => [key, expected, value, 1e9]),
    ['comparedEnds'],
  ],
  'never sets the first': [
    class extends MemorySessions {
      async compareAndSet(key, expected, ...more) {
        return expected !== undefined && super.compareAndSet(key, expected, ...more);
      }
    },
    ['first', 'one'],
  ],
  'does not say whether it set': [
    answering(MemorySessions, 'compareAndSet', () => undefined),
    ['first', 'taken', 'expected', 'other', 'missing', 'one', 'renewed'],
  ],
  'replaces whatever is there': [
    class extends MemorySessions {
      async compareAndSet(key, _, value, ttlMs) {
        await this.set(key, value, ttlMs);
        return true;
      }
    },
    ['taken', 'other', 'missing', 'one', 'refused'],
  ],
  'sets nothing but the first': [
    class extends MemorySessions {
      async compareAndSet(key, expected, ...more) {
        return expected === undefined && super.compareAndSet(key, expected, ...more);
      }
    },
    ['expected', 'one', 'renewed'],
  ],
  'compares without case': [
    class extends MemorySessions {
      async compareAndSet(key, expected, ...more) {
        const value = this.values.get(key);
        const isAlike = expected !== undefined && value?.toLowerCase() === expected.toLowerCase();
        return super.compareAndSet(key, isAlike ? value : expected, ...more);
      }
    },
    ['other'],
  ],
  'sets what is missing': [
    class extends MemorySessions {
      async compareAndSet(key, expected, ...more) {
        return super.compareAndSet(key, this.values.get(key) && expected, ...more);
      }
    },
    ['missing'],
  ],
  'compares, and sets a moment later': [
    class extends MemorySessions {
      async compareAndSet(key, expected, value, ttlMs) {
        if (this.values.get(key) !== expected) return false;
        await delay(5);
        await this.set(key, value, ttlMs);
        return true;
      }
    },
    ['one'],
  ],
  'leaves what is the same': [
    class extends MemorySessions {
      async compareAndSet(key, expected, value, ttlMs) {
        return (
          (value === expected && this.values.get(key) === value) || super.compareAndSet(key, expected, value, ttlMs)
        );
      }
    },
    ['renewed'],
  ],
  'gives what it keeps another time': [
    class extends MemorySessions {
      async compareAndSet(key, expected, value, ttlMs) {
        const isSet = await super.compareAndSet(key, expected, value, ttlMs);
        if (!isSet && this.values.get(key)) this.values.set(key, this.values.get(key), ttlMs);
        return isSet;
      }
    },
    ['refused'],
  ],
  'forgets nothing': [
    class extends MemorySessions {
      async delete(key, expected) {
        const value = this.values.get(key);
        return value !== undefined && value === (expected ?? value);
      }
    },
    ['deleted', 'deletedExpected'],
  ],
  'always says that it deleted': [
    answering(MemorySessions, 'delete', () => true),
    ['nothing', 'deletedOther', 'deletedMissing'],
  ],
  'cannot delete what is not there': [
    class extends MemorySessions {
      async delete(key, expected) {
        if (!this.values.get(key)) throw new Error('not there');
        return super.delete(key, expected);
      }
    },
    ['nothing', 'deletedMissing'],
  ],
  'deletes whatever is there': [changed(MemorySessions, 'delete', (key) => [key]), ['deletedOther']],
  'deletes nothing that is expected': [
    class extends MemorySessions {
      async delete(key, expected) {
        return expected === undefined && super.delete(key);
      }
    },
    ['deletedExpected'],
  ],
};

/** The same for `testing/limits.js`. */
const LIMITS = {
  'counts from 0': [answering(MemoryLimits, 'count', (events) => events - 1), ['first', 'all']],
  'counts the first event alone': [
    answering(MemoryLimits, 'count', () => 1),
    ['next', 'all', 'windowEnds', 'windowStays', 'independent'],
  ],
  'looks, and counts a moment later': [
    class extends MemoryLimits {
      async count(key, windowMs) {
        const events = (this.windows.get(key) ?? 0) + 1;
        const left = events === 1 ? windowMs : this.windows.left(key);
        await delay(5);
        this.windows.set(key, events, left);
        return events;
      }
    },
    ['all'],
  ],
  'begins the window anew with each event': [
    class extends MemoryLimits {
      async count(key, windowMs) {
        const events = await super.count(key, windowMs);
        this.windows.set(key, events, windowMs);
        return events;
      }
    },
    ['windowEnds'],
  ],
  'has no window': [changed(MemoryLimits, 'count', (key) => [key, 1e9]), ['windowEnds']],
  'knows no server': [ofLimits(withoutLastPart), ['countsApart', 'blocksApart', 'clearedAlone']],
  'knows no case': [ofLimits(withoutCase), ['countsApart', 'blocksApart', 'clearedAlone']],
  'says null': [
    answering(MemoryLimits, 'blockedFor', (left) => left || null),
    ['free', 'blockEnds', 'blocksApart', 'independent', 'clearedBlock'],
  ],
  'counts in seconds': [
    answering(MemoryLimits, 'blockedFor', (left) => left / 1000),
    ['blocked', 'longer', 'lengthened', 'longest'],
  ],
  'blocks for good': [
    changed(MemoryLimits, 'block', (key) => [key, 1e9]),
    ['blocked', 'blockEnds', 'longer', 'lengthened', 'longest'],
  ],
  'blocks for the last time given': [
    class extends MemoryLimits {
      async block(key, ms) {
        this.blocks.set(key, true, ms);
      }
    },
    ['longer', 'longest'],
  ],
  'blocks for the first time given': [
    class extends MemoryLimits {
      async block(key, ms) {
        if (!this.blocks.get(key)) this.blocks.set(key, true, ms);
      }
    },
    ['lengthened', 'longest'],
  ],
  'looks, and blocks a moment later': [
    class extends MemoryLimits {
      async block(key, ms) {
        const isLonger = this.blocks.left(key) < ms;
        await delay(5);
        if (isLonger) this.blocks.set(key, true, ms);
      }
    },
    ['longest'],
  ],
  'ends a block when it counts': [
    class extends MemoryLimits {
      async count(key, windowMs) {
        this.blocks.delete(key);
        return super.count(key, windowMs);
      }
    },
    ['independent'],
  ],
  'counts its blocks': [
    class extends MemoryLimits {
      async block(key, ms) {
        await super.block(key, ms);
        await this.count(key, ms);
      }
    },
    ['independent'],
  ],
  'clears blocks alone': [
    class extends MemoryLimits {
      async clear(key) {
        this.blocks.delete(key);
      }
    },
    ['clearedCount'],
  ],
  'clears counts alone': [
    class extends MemoryLimits {
      async clear(key) {
        this.windows.delete(key);
      }
    },
    ['clearedBlock'],
  ],
  'clears all of a user': [
    class extends MemoryLimits {
      async clear(key) {
        const [, user] = JSON.parse(key);
        for (const blocked of [...this.blocks.entries.keys()])
          if (JSON.parse(blocked)[1] === user) this.blocks.delete(blocked);
        await super.clear(key);
      }
    },
    ['clearedAlone'],
  ],
  'cannot clear what is not there': [
    class extends MemoryLimits {
      async clear(key) {
        if (!this.windows.get(key) && !this.blocks.get(key)) throw new Error('not there');
        await super.clear(key);
      }
    },
    ['nothing'],
  ],
};

const SUITES = [
  ['sharedSessions', MemorySessions, SESSIONS, sessionRules, ['stays']],
  ['limits', MemoryLimits, LIMITS, limitRules, ['windowStays', 'blockStays']],
];

testFaults(SUITES);

// How soon the end comes is up to the machine, and so is what else is found.
test.each([
  [
    sessionRules.stays,
    { sharedSessions: new (changed(MemorySessions, 'set', (...args) => [...args.slice(0, 2), 60]))() },
  ],
  [limitRules.windowStays, { limits: new (changed(MemoryLimits, 'count', (key) => [key, 60]))() }],
  [limitRules.blockStays, { limits: new (changed(MemoryLimits, 'block', (key) => [key, 60]))() }],
])('what ends early is found: %s', async (rule, services) => {
  expect((await brokenRules(services)).map((error) => error.rule)).toContain(rule);
});

test('processes that do not share are found', async () => {
  const services = () => ({ sharedSessions: new MemorySessions(), limits: new MemoryLimits() });
  const errors = await brokenRules({ ...services(), anotherProcess: services() });
  const found = errors.map(({ rule }) => rule);
  const { same, expected, one, deletedExpected } = sessionRules;
  const { next, all, blocked, clearedCount } = limitRules;
  expect(found).toEqual(
    expect.arrayContaining([same, expected, one, deletedExpected, next, all, blocked, clearedCount]),
  );
});
