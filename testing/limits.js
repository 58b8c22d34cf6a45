const { LONG_MS, SHORT_MS, SOON_MS, atOnce, check, checkSame, delay, eventually, fresh, soon } = require('./rules');

const RULES = {
  first: 'the first event of a window counts as 1',
  next: 'every event is one more, in every process',
  all: 'of events at the same time each is counted once',
  windowEnds: 'a window ends windowMs after its first event, however many follow, and counting begins again',
  windowStays: 'a window does not end before its time',
  countsApart: 'counts of different keys are apart',
  free: 'blockedFor is 0 where nothing blocks',
  blocked: 'blockedFor is how many milliseconds a block still lasts, in every process',
  blockEnds: 'a block ends when its time is over',
  blockStays: 'a block does not end before its time',
  longer: 'a block that lasts longer stays',
  lengthened: 'a block that would end sooner is made to last longer',
  longest: 'of many who block at once the longest holds',
  blocksApart: 'blocks of different keys are apart',
  independent: 'counting blocks nothing, and a block counts nothing',
  clearedCount: 'after clear counting begins again',
  clearedBlock: 'after clear nothing blocks',
  clearedAlone: 'clear leaves other keys as they are',
  nothing: 'clearing what is not there does not fail',
};

/** Of a block of `LONG_MS` so much is left at least, when whoever blocked and whoever asks were told soon. */
const LEFT_MS = LONG_MS - 2 * SOON_MS;
/** A block that lasts through a test, and never as long as one of `LONG_MS`. */
const SHORTER_MS = LEFT_MS / 2;

/** @param {{ limits: any, other: any }} services  `other` is the service as another process has it */
function limitTests({ limits, other }) {
  const id = (name = 'breaker') => JSON.stringify([name, fresh('user'), 'server']);
  const counts = async (rule, by, key, expected) => checkSame(rule, await soon(rule, by.count(key, LONG_MS)), expected);
  const block = (rule, key, ms) => soon(rule, limits.block(key, ms));
  const blockedFor = async (rule, key) => {
    const left = await soon(rule, other.blockedFor(key));
    check(rule, typeof left === 'number' && left >= 0, `it is ${left}`);
    return left;
  };
  const isFree = async (rule, key) => checkSame(rule, await blockedFor(rule, key), 0);
  const isBlocked = async (rule, key) => {
    const left = await blockedFor(rule, key);
    check(rule, LEFT_MS < left && left <= LONG_MS, `${left} of ${LONG_MS} ms are left`);
  };
  const apart = () => {
    const user = fresh('user');
    return [
      ['breaker', user, 'a'],
      ['breaker', user, 'A'],
      ['breaker', user, 'a:b'],
      ['breaker', `${user}:a`, 'b'],
      ['breaker', '', user],
      ['breaker-cycles', user, 'a'],
      ['breaker-failures', user, 'a'],
    ].map((parts) => JSON.stringify(parts));
  };

  return {
    async first() {
      const key = id();
      await counts(RULES.first, limits, key, 1);
      await limits.clear(key);
    },
    async next() {
      const key = id();
      const first = await soon(RULES.next, limits.count(key, LONG_MS));
      await counts(RULES.next, other, key, first + 1);
      await counts(RULES.next, limits, key, first + 2);
      await limits.clear(key);
    },
    async all() {
      const key = id();
      const answers = await atOnce(20, (index) => soon(RULES.all, (index % 2 ? limits : other).count(key, LONG_MS)));
      const expected = answers.map((_, index) => index + 1);
      checkSame(
        RULES.all,
        answers.sort((a, b) => a - b),
        expected,
      );
      await limits.clear(key);
    },
    async windowEnds() {
      let key;
      // Two events in one window; where the machine is busy the first try may take longer than that.
      await eventually(RULES.windowEnds, async () => {
        key = id();
        const first = await limits.count(key, SHORT_MS);
        return (await other.count(key, LONG_MS)) > first;
      });
      await eventually(RULES.windowEnds, async () => (await other.count(key, LONG_MS)) === 1);
      await limits.clear(key);
    },
    async windowStays() {
      const key = id();
      const first = await soon(RULES.windowStays, limits.count(key, LONG_MS));
      await delay(2 * SHORT_MS);
      const second = await soon(RULES.windowStays, other.count(key, LONG_MS));
      check(RULES.windowStays, second > first, `${first}, then ${second}`);
      await limits.clear(key);
    },
    async countsApart() {
      const keys = apart();
      const answers = [];
      for (const key of keys) answers.push(await soon(RULES.countsApart, limits.count(key, LONG_MS)));
      check(RULES.countsApart, new Set(answers).size === 1, `${answers.join(', ')} for one event each`);
      for (const key of keys) await limits.clear(key);
    },
    async free() {
      await isFree(RULES.free, id());
    },
    async blocked() {
      const key = id();
      await block(RULES.blocked, key, LONG_MS);
      await isBlocked(RULES.blocked, key);
      await limits.clear(key);
    },
    async blockEnds() {
      const key = id();
      await block(RULES.blockEnds, key, SHORT_MS);
      await eventually(RULES.blockEnds, async () => (await other.blockedFor(key)) === 0);
    },
    async blockStays() {
      const key = id();
      await block(RULES.blockStays, key, LONG_MS);
      await delay(2 * SHORT_MS);
      check(RULES.blockStays, (await blockedFor(RULES.blockStays, key)) > 0, 'it has ended');
      await limits.clear(key);
    },
    async longer() {
      const key = id();
      await block(RULES.longer, key, LONG_MS);
      await block(RULES.longer, key, SHORTER_MS);
      await isBlocked(RULES.longer, key);
      await limits.clear(key);
    },
    async lengthened() {
      const key = id();
      await block(RULES.lengthened, key, SHORTER_MS);
      await block(RULES.lengthened, key, LONG_MS);
      await isBlocked(RULES.lengthened, key);
      await limits.clear(key);
    },
    async longest() {
      const key = id();
      await atOnce(20, (index) =>
        soon(RULES.longest, (index % 2 ? limits : other).block(key, index === 7 ? LONG_MS : SHORTER_MS)),
      );
      await isBlocked(RULES.longest, key);
      await limits.clear(key);
    },
    async blocksApart() {
      const [blocked, ...free] = apart();
      await block(RULES.blocksApart, blocked, LONG_MS);
      for (const key of free) await isFree(RULES.blocksApart, key);
      await limits.clear(blocked);
    },
    async independent() {
      const key = id();
      const first = await soon(RULES.independent, limits.count(key, LONG_MS));
      await isFree(RULES.independent, key);
      await block(RULES.independent, key, LONG_MS);
      await counts(RULES.independent, other, key, first + 1);
      check(RULES.independent, (await blockedFor(RULES.independent, key)) > 0, 'counting has ended the block');
      await limits.clear(key);
    },
    async clearedCount() {
      const key = id();
      const first = await soon(RULES.clearedCount, limits.count(key, LONG_MS));
      await limits.count(key, LONG_MS);
      await soon(RULES.clearedCount, other.clear(key));
      await counts(RULES.clearedCount, limits, key, first);
      await limits.clear(key);
    },
    async clearedBlock() {
      const key = id();
      await block(RULES.clearedBlock, key, LONG_MS);
      await soon(RULES.clearedBlock, limits.clear(key));
      await isFree(RULES.clearedBlock, key);
    },
    async clearedAlone() {
      const keys = apart();
      for (const key of keys) await block(RULES.clearedAlone, key, LONG_MS);
      const [cleared, ...others] = keys;
      await soon(RULES.clearedAlone, limits.clear(cleared));
      for (const key of others) {
        check(RULES.clearedAlone, (await blockedFor(RULES.clearedAlone, key)) > 0, 'a block is gone');
        await limits.clear(key);
      }
    },
    async nothing() {
      await soon(RULES.nothing, limits.clear(id()));
    },
  };
}

module.exports = { RULES, tests: limitTests };
