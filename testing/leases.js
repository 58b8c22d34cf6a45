const { LONG_MS, SHORT_MS, atOnce, check, checkSame, delay, eventually, fresh, soon } = require('./rules');

const RULES = {
  free: 'a lease that nobody has is given: acquireLease resolves to { generation, release }',
  generation: 'the generation of a lease is that of getLeaseGeneration, a whole number',
  held: 'a lease that somebody has is given to nobody else: null after waitMs',
  apart: 'leases with different ids do not stand in each other’s way',
  waits: 'who waits for a lease gets it when it is released',
  ends: 'a lease that nobody releases ends after leaseMs',
  stays: 'a lease does not end before leaseMs',
  late: 'whoever releases after the lease’s time leaves the next holder’s alone',
  kept: 'a lease without advanceGeneration leaves the generation as it is',
  teardown: 'getLeaseGeneration is null while a lease with advanceGeneration is held',
  advanced: 'after a lease with advanceGeneration the generation is another one, greater than before',
  superseded: 'a lease for an expectedGeneration that is over is refused at once, whatever waitMs',
  expected: 'a lease for the expectedGeneration that holds is given',
  one: 'of many who ask at once exactly one gets the lease',
};

/** @param {{ flowManager: any, other: any }} services  `other` is the flow manager as another process has it */
function leaseTests({ flowManager, other }) {
  const id = () => JSON.stringify(['', fresh('user'), 'server']);
  const ask = (rule, by, leaseId, options) =>
    soon(rule, by.acquireLease(leaseId, { leaseMs: LONG_MS, waitMs: 0, ...options }));
  const take = async (rule, by, leaseId, options) => {
    const lease = await ask(rule, by, leaseId, options);
    check(rule, typeof lease?.release === 'function' && Number.isSafeInteger(lease.generation), 'there is no lease');
    return lease;
  };
  const refuse = async (rule, leaseId, options) => {
    check(rule, (await ask(rule, other, leaseId, options)) === null, 'the lease was given');
  };
  const afterItsTime = (leaseId) => eventually(RULES.ends, () => ask(RULES.ends, other, leaseId));
  const generationOf = (rule, leaseId) => soon(rule, other.getLeaseGeneration(leaseId));

  return {
    async free() {
      await (await take(RULES.free, flowManager, id())).release();
    },
    async generation() {
      const leaseId = id();
      const before = await generationOf(RULES.generation, leaseId);
      check(RULES.generation, Number.isSafeInteger(before), `it is ${before}`);
      const lease = await take(RULES.free, flowManager, leaseId);
      checkSame(RULES.generation, lease.generation, before);
      await lease.release();
    },
    async held() {
      const leaseId = id();
      const lease = await take(RULES.free, flowManager, leaseId);
      await refuse(RULES.held, leaseId);
      await refuse(RULES.held, leaseId, { waitMs: SHORT_MS });
      await lease.release();
    },
    async apart() {
      const user = fresh('user');
      const ids = [
        ['', user, 'a'],
        ['', user, 'b'],
        ['t', user, 'a'],
        ['refresh', '', user, 'a'],
        ['', `${user}:a`, 'b'],
        ['', user, 'a:b'],
      ];
      for (const lease of await Promise.all(ids.map((it) => take(RULES.apart, flowManager, JSON.stringify(it))))) {
        await lease.release();
      }
    },
    async waits() {
      const leaseId = id();
      const lease = await take(RULES.free, flowManager, leaseId);
      const waiting = take(RULES.waits, other, leaseId, { waitMs: LONG_MS });
      // Whatever it says is for the end.
      waiting.catch(() => {});
      await delay(SHORT_MS);
      await lease.release();
      await (await waiting).release();
    },
    async ends() {
      const leaseId = id();
      await take(RULES.free, flowManager, leaseId, { leaseMs: SHORT_MS });
      await (await afterItsTime(leaseId)).release();
    },
    async stays() {
      const leaseId = id();
      const lease = await take(RULES.free, flowManager, leaseId);
      await delay(2 * SHORT_MS);
      await refuse(RULES.stays, leaseId);
      await lease.release();
    },
    async late() {
      const leaseId = id();
      const late = await take(RULES.free, flowManager, leaseId, { leaseMs: SHORT_MS });
      const lease = await afterItsTime(leaseId);
      await soon(RULES.late, late.release());
      await refuse(RULES.late, leaseId);
      await lease.release();
    },
    async kept() {
      const leaseId = id();
      const lease = await take(RULES.free, flowManager, leaseId);
      checkSame(RULES.kept, await generationOf(RULES.kept, leaseId), lease.generation);
      await lease.release();
      checkSame(RULES.kept, await generationOf(RULES.kept, leaseId), lease.generation);
    },
    async teardown() {
      const leaseId = id();
      const lease = await take(RULES.free, flowManager, leaseId, { advanceGeneration: true });
      checkSame(RULES.teardown, await generationOf(RULES.teardown, leaseId), null);
      await lease.release();
      const after = await generationOf(RULES.teardown, leaseId);
      check(RULES.teardown, after !== null, 'it still is when the lease was released');
    },
    async advanced() {
      const leaseId = id();
      const before = await generationOf(RULES.advanced, leaseId);
      await (await take(RULES.free, flowManager, leaseId, { advanceGeneration: true })).release();
      const after = await generationOf(RULES.advanced, leaseId);
      check(RULES.advanced, after > before, `${before}, then ${after}`);
    },
    async superseded() {
      const leaseId = id();
      const lease = await take(RULES.free, flowManager, leaseId);
      await lease.release();
      const expectedGeneration = lease.generation + 1;
      await refuse(RULES.superseded, leaseId, { expectedGeneration, waitMs: LONG_MS });
    },
    async expected() {
      const leaseId = id();
      const expectedGeneration = await generationOf(RULES.expected, leaseId);
      await (await take(RULES.expected, flowManager, leaseId, { expectedGeneration })).release();
    },
    async one() {
      const leaseId = id();
      const answers = await atOnce(20, (index) => ask(RULES.one, index % 2 ? flowManager : other, leaseId));
      const leases = answers.filter((answer) => answer !== null);
      check(RULES.one, leases.length === 1, `${leases.length} got it`);
      await leases[0].release();
    },
  };
}

module.exports = { RULES, tests: leaseTests };
