/** Rates and places: `limits.take`, `limits.enter` and `limits.leave`. */

const { LONG_MS, SHORT_MS, SOON_MS, atOnce, check, checkSame, delay, eventually, fresh, soon } = require('./rules');

const RULES = {
  most: 'of events at the same time `most` are counted, in all processes together',
  wait: 'an event that is not counted is told in how many milliseconds the window ends',
  uncounted:
    'what is not counted uses nothing up: where all ask again and again, one is counted when the window has ended',
  stays: 'a window does not end before its time',
  eventsApart: 'events of different keys are apart',
  places: 'of holders at the same time `most` have a place, in all processes together',
  held: 'whoever has a place and asks again has it still, and takes no other',
  left: 'a place that was left is free, in every process',
  others: 'whoever leaves without a place frees none, and does not fail',
  leaseEnds: 'a place is free when its lease is over',
  leaseStays: 'a place is not free before its lease is over',
  renewed: 'whoever has a place and asks again has it for leaseMs from then on',
  placesApart: 'places of different keys are apart',
  independent: 'events, places, counts and blocks of one key are apart',
};

/** Longer than all that one test waits for. */
const WINDOW_MS = 10 * LONG_MS;
const MOST = 5;

/** @param {{ limits: any, other: any }} services  `other` is the service as another process has it */
function turnTests({ limits, other }) {
  const id = (name = 'calls') => JSON.stringify([name, fresh('user'), 'server']);
  const enter = async (rule, by, key, holder, expected, most = 1) =>
    checkSame(rule, await soon(rule, by.enter(key, holder, most, LONG_MS)), expected);
  const take = async (rule, by, key) => {
    const wait = await soon(rule, by.take(key, 1, WINDOW_MS));
    check(rule, typeof wait === 'number', `it is ${wait}`);
    return wait;
  };
  const apart = () => {
    const user = fresh('user');
    return [
      ['calls', user, 'a'],
      ['calls', user, 'A'],
      ['calls', user, 'b'],
      ['other', user, 'a'],
      ['calls', `${user}:a`, 'b'],
      ['calls', '', user],
    ].map((parts) => JSON.stringify(parts));
  };

  return {
    async most() {
      const key = id();
      const answers = await atOnce(20, (index) =>
        soon(RULES.most, (index % 2 ? limits : other).take(key, MOST, WINDOW_MS)),
      );
      checkSame(RULES.most, answers.filter((wait) => wait === 0).length, MOST);
    },
    async wait() {
      const key = id();
      await take(RULES.wait, limits, key);
      const wait = await take(RULES.wait, other, key);
      const least = WINDOW_MS - 2 * SOON_MS;
      check(RULES.wait, least < wait && wait <= WINDOW_MS, `${wait} ms of ${WINDOW_MS}`);
    },
    async uncounted() {
      let key;
      let windowMs = SHORT_MS;
      // Somebody has to be refused first; where the machine is busy a window may be over by then.
      for (let isRefused = false; !isRefused && 4 * windowMs < SOON_MS; ) {
        key = id();
        windowMs *= 2;
        await soon(RULES.uncounted, limits.take(key, 1, windowMs));
        isRefused = (await soon(RULES.uncounted, other.take(key, 1, windowMs))) !== 0;
      }
      await eventually(RULES.uncounted, async () => (await other.take(key, 1, windowMs)) === 0);
    },
    async stays() {
      const key = id();
      await take(RULES.stays, limits, key);
      await delay(2 * SHORT_MS);
      check(RULES.stays, (await take(RULES.stays, other, key)) > 0, 'another is counted');
    },
    async eventsApart() {
      for (const key of apart()) checkSame(RULES.eventsApart, await take(RULES.eventsApart, limits, key), 0);
    },
    async places() {
      const key = id();
      const answers = await atOnce(20, (index) =>
        soon(RULES.places, (index % 2 ? limits : other).enter(key, `holder-${index}`, MOST, LONG_MS)),
      );
      checkSame(RULES.places, [...answers].sort(), [...Array(20 - MOST).fill(false), ...Array(MOST).fill(true)]);
      for (const [index, hasPlace] of answers.entries()) if (hasPlace) await limits.leave(key, `holder-${index}`);
    },
    async held() {
      const key = id();
      await enter(RULES.held, limits, key, 'one', true, 2);
      await enter(RULES.held, other, key, 'one', true, 2);
      await enter(RULES.held, limits, key, 'two', true, 2);
      await enter(RULES.held, limits, key, 'three', false, 2);
      await enter(RULES.held, limits, key, 'one', true, 2);
      for (const holder of ['one', 'two']) await limits.leave(key, holder);
    },
    async left() {
      const key = id();
      await enter(RULES.left, limits, key, 'one', true);
      await soon(RULES.left, other.leave(key, 'one'));
      await enter(RULES.left, limits, key, 'two', true);
      await limits.leave(key, 'two');
    },
    async others() {
      const key = id();
      await soon(RULES.others, limits.leave(key, 'two'));
      await enter(RULES.others, limits, key, 'one', true);
      await soon(RULES.others, other.leave(key, 'two'));
      await enter(RULES.others, other, key, 'two', false);
      await limits.leave(key, 'one');
    },
    async leaseEnds() {
      const key = id();
      await soon(RULES.leaseEnds, limits.enter(key, 'one', 1, SHORT_MS));
      await eventually(RULES.leaseEnds, () => other.enter(key, 'two', 1, LONG_MS));
      await limits.leave(key, 'two');
    },
    async leaseStays() {
      const key = id();
      await enter(RULES.leaseStays, limits, key, 'one', true);
      await delay(2 * SHORT_MS);
      await enter(RULES.leaseStays, other, key, 'two', false);
      await limits.leave(key, 'one');
    },
    async renewed() {
      let key;
      let leaseMs = SHORT_MS;
      // Renewed before it ends; where the machine is busy the first try may take longer than that.
      for (let isRenewed = false; !isRenewed; leaseMs *= 2) {
        key = id();
        const ends = Date.now() + leaseMs;
        await soon(RULES.renewed, limits.enter(key, 'one', 1, leaseMs));
        await enter(RULES.renewed, other, key, 'one', true);
        isRenewed = Date.now() < ends;
      }
      await delay(leaseMs);
      await enter(RULES.renewed, limits, key, 'two', false);
      await limits.leave(key, 'one');
    },
    async placesApart() {
      const keys = apart();
      for (const key of keys) await enter(RULES.placesApart, limits, key, `holder of ${key}`, true);
      for (const key of keys) await limits.leave(key, `holder of ${key}`);
    },
    async independent() {
      const key = id();
      await soon(RULES.independent, limits.count(key, LONG_MS));
      await soon(RULES.independent, limits.block(key, LONG_MS));
      checkSame(RULES.independent, await take(RULES.independent, limits, key), 0);
      await enter(RULES.independent, limits, key, 'one', true);
      await soon(RULES.independent, limits.clear(key));
      check(RULES.independent, (await take(RULES.independent, other, key)) > 0, 'clear has ended a window');
      await enter(RULES.independent, other, key, 'two', false);
      checkSame(RULES.independent, await soon(RULES.independent, other.count(key, LONG_MS)), 1);
      await limits.clear(key);
      await limits.leave(key, 'one');
    },
  };
}

module.exports = { RULES, tests: turnTests };
