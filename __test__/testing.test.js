/** The contract's tests find faults: each implementation here breaks a rule, and they say which. */

const { Keyv } = require('keyv');
const { contractTests } = require('../testing');
const { answering, brokenRules, changed } = require('./support/contract');
const { LeasingFlowManager } = require('./support/flows');
const { MemoryFlows, MemoryLock, MemoryRows, MemoryTokens } = require('./support/memory-services');
const { delay } = require('./support/wait');

const LOCKS = {
  'releases whatever is there': [
    answering(MemoryLock, 'acquire', (release, [key], lock) => release && (async () => lock.held.delete(key))),
    ['whoever releases after the lock’s time leaves the next holder’s alone'],
  ],
  'has no ttl': [
    changed(MemoryLock, 'acquire', (key) => [key, 1e9]),
    ['a lock that nobody releases ends when its time is over'],
  ],
  'has one key for all of a user': [
    changed(MemoryLock, 'acquire', (key, ttlMs) => [key.split(':').slice(0, 2).join(':'), ttlMs]),
    ['locks with different keys do not stand in each other’s way'],
  ],
  'knows no case': [
    changed(MemoryLock, 'acquire', (key, ttlMs) => [key.toLowerCase(), ttlMs]),
    ['locks with different keys do not stand in each other’s way'],
  ],
  'looks, and takes a moment later': [
    class extends MemoryLock {
      async acquire(key, ttlMs) {
        if (this.held.get(key)) return null;
        await delay(5);
        this.held.delete(key);
        return super.acquire(key, ttlMs);
      }
    },
    ['of many who ask at once exactly one gets the lock'],
  ],
  'is released once': [
    answering(MemoryLock, 'acquire', (release) => {
      let isReleased = false;
      return (
        release &&
        (async () => {
          if (isReleased) throw new Error('released');
          isReleased = true;
          return release();
        })
      );
    }),
    ['releasing a second time does nothing, and does not fail'],
  ],
  'does not release': [
    answering(MemoryLock, 'acquire', (release) => release && (async () => {})),
    ['a lock that was released is free'],
  ],
  'says false': [
    answering(MemoryLock, 'acquire', (release) => release ?? false),
    [
      'a lock that somebody has is given to nobody else: acquire resolves to null',
      'a lock does not end before its time',
      'whoever releases after the lock’s time leaves the next holder’s alone',
      'of many who ask at once exactly one gets the lock',
    ],
  ],
};

const FLOWS = {
  'completes whatever the state': [
    class extends MemoryFlows {
      problem(flow, createdAt, _, statuses) {
        return super.problem(flow, createdAt, flow?.metadata.state ?? '', statuses);
      }
    },
    ['an attempt with another state is "stale", and the flow stays as it is'],
  ],
  'completes whatever the time': [
    class extends MemoryFlows {
      problem(flow, _, state, statuses) {
        return super.problem(flow, flow?.createdAt, state, statuses);
      }
    },
    ['an attempt with another createdAt is "stale", and the flow stays as it is'],
  ],
  'completes what has failed': [
    class extends MemoryFlows {
      problem(flow, createdAt, state) {
        return super.problem(flow, createdAt, state, ['PENDING', 'FAILED']);
      }
    },
    ['an attempt that has ended is "stale" to completeFlowIfCurrent, and the flow stays as it is'],
  ],
  'looks, and completes a moment later': [
    class extends MemoryFlows {
      async completeFlowIfCurrent(id, type, createdAt, state, result) {
        const flow = await this.getFlowState(id, type);
        const problem = this.problem(flow, createdAt, state, ['PENDING']);
        await delay(5);
        if (!problem) await this.completeFlow(id, type, result);
        return problem ?? 'updated';
      }
    },
    ['of many who complete one attempt at once exactly one is told "updated"'],
  ],
  'completes twice': [
    class extends MemoryFlows {
      end(id, type, outcome) {
        const key = this.key(id, type);
        const flow = this.flows.get(key);
        if (flow) this.flows.set(key, { ...flow, ...outcome });
        return Boolean(flow);
      }
    },
    ['a completed flow stays as it is: neither completeFlow nor failFlow changes it'],
  ],
  'completes what is not there': [
    class extends MemoryFlows {
      end(id, type, outcome) {
        if (!this.flows.get(this.key(id, type))) this.flows.set(this.key(id, type), outcome);
        return super.end(id, type, outcome);
      }
    },
    ['completeFlow and failFlow make no flow where there is none'],
  ],
  'counts in seconds': [
    answering(MemoryFlows, 'getFlowState', (flow) => flow && { ...flow, createdAt: Math.floor(flow.createdAt / 1000) }),
    [
      'a flow that was begun is PENDING in every process, with a createdAt in milliseconds since the epoch',
      'completeFlowIfCurrent resolves to "updated" for the attempt that is there, and completes it',
      'failFlowIfCurrent resolves to "updated" for the attempt that is there, and fails it',
      'an attempt whose metadata has no state is named by the empty state',
      'of many who complete one attempt at once exactly one is told "updated"',
    ],
  ],
  'knows no types': [
    changed(MemoryFlows, 'key', (id) => [id, 'any']),
    ['flows with one id and different types are apart'],
  ],
  'keeps short ids': [
    changed(MemoryFlows, 'key', (id, type) => [id.slice(0, 80), type]),
    ['flows with different ids are apart, whatever characters the ids have'],
  ],
  'takes empty lists for objects': [
    answering(
      MemoryFlows,
      'getFlowState',
      (flow) => flow && { ...flow, metadata: JSON.parse(JSON.stringify(flow.metadata).replaceAll('[]', '{}')) },
    ),
    ['metadata is kept as JSON keeps it'],
  ],
  'leaves the flow that is there': [
    class extends MemoryFlows {
      async initFlow(id, type, metadata) {
        if (!(await this.getFlowState(id, type))) await super.initFlow(id, type, metadata);
      }
    },
    ['initFlow takes the place of the flow that is there'],
  ],
  'keeps errors as objects': [
    class extends MemoryFlows {
      async failFlow(id, type, error) {
        return this.end(id, type, { status: 'FAILED', error });
      }
    },
    ['failFlow makes a flow FAILED, with the text of the error'],
  ],
  'forgets nothing': [
    class extends MemoryFlows {
      async deleteFlow() {}
    },
    ['a flow that was deleted is gone'],
  ],
  'says whether there was a flow to delete': [
    class extends MemoryFlows {
      async deleteFlow(id, type) {
        return this.flows.delete(this.key(id, type));
      }
    },
    ['deleting a flow that is not there succeeds, and does not resolve to false'],
  ],
};

const wishing = (change) => changed(MemoryFlows, 'acquireLease', (id, wish) => [id, { ...wish, ...change(wish) }]);

const LEASES = {
  'takes any generation': [
    wishing(() => ({ expectedGeneration: undefined })),
    ['a lease for an expectedGeneration that is over is refused at once, whatever waitMs'],
  ],
  'waits for another generation': [
    class extends MemoryFlows {
      async acquireLease(id, wish) {
        const lease = await super.acquireLease(id, wish);
        if (!lease && wish.expectedGeneration !== undefined) await delay(60_000);
        return lease;
      }
    },
    ['a lease for an expectedGeneration that is over is refused at once, whatever waitMs'],
  ],
  'has one generation': [
    wishing(() => ({ advanceGeneration: false })),
    [
      'getLeaseGeneration is null while a lease with advanceGeneration is held',
      'after a lease with advanceGeneration the generation is another one, greater than before',
    ],
  ],
  'counts every lease': [
    class extends MemoryFlows {
      async acquireLease(id, wish) {
        const lease = await super.acquireLease(id, wish);
        if (lease) this.leases.get(id).generation += 1;
        return lease;
      }
    },
    ['a lease without advanceGeneration leaves the generation as it is'],
  ],
  'waits for nobody': [wishing(() => ({ waitMs: 0 })), ['who waits for a lease gets it when it is released']],
  'has no end': [wishing(() => ({ leaseMs: 1e9 })), ['a lease that nobody releases ends after leaseMs']],
  'releases whatever is there': [
    answering(
      MemoryFlows,
      'acquireLease',
      (lease, [id], flows) =>
        lease && { ...lease, release: async () => flows.leases.set(id, { generation: lease.generation }) },
    ),
    ['whoever releases after the lease’s time leaves the next holder’s alone'],
  ],
};

const TOKENS = {
  'has no ttl': [
    changed(MemoryTokens, 'set', (key, value) => [key, value, 1e9]),
    ['a value ends when its time is over'],
  ],
  'keeps short texts': [
    changed(MemoryTokens, 'set', (key, value, ttlMs) => [key, value.slice(0, 4096), ttlMs]),
    ['get gives the text that was set, in every process'],
  ],
  'keeps the first value': [
    class extends MemoryTokens {
      async set(key, value, ttlMs) {
        if (!this.values.get(key)) await super.set(key, value, ttlMs);
      }
    },
    ['set replaces what was there'],
  ],
  'forgets nothing': [
    class extends MemoryTokens {
      async delete() {}
    },
    ['a value that was deleted is gone'],
  ],
  'cannot delete what is not there': [
    class extends MemoryTokens {
      async delete(key) {
        if (!this.values.get(key)) throw new Error('not there');
        return super.delete(key);
      }
    },
    ['deleting what is not there does not fail'],
  ],
  'knows no case': [
    changed(
      changed(MemoryTokens, 'set', (key, ...more) => [key.toLowerCase(), ...more]),
      'get',
      (key) => [key.toLowerCase()],
    ),
    ['values of different keys are apart'],
  ],
};

const good = () => ({
  lock: new MemoryLock(),
  flowManager: new MemoryFlows(),
  exchangedTokens: new MemoryTokens(),
  tokenMethods: new MemoryRows(),
});
const faulty = (service, implementations) =>
  Object.entries(implementations).map(([name, [Faulty, rules]]) => [service, name, Faulty, rules]);

test.each([
  ['services in memory', good],
  [
    'LibreChat’s flow manager and a Keyv',
    () => ({ flowManager: new LeasingFlowManager(), exchangedTokens: new Keyv() }),
  ],
])('nothing is found in what keeps the contract: %s', async (_, services) => {
  expect(await brokenRules(services())).toEqual([]);
});

// All at once, since some take as long as the tests wait.
test('each fault is found, and no other', async () => {
  const faults = [
    ...faulty('lock', LOCKS),
    ...faulty('flowManager', FLOWS),
    ...faulty('flowManager', LEASES),
    ...faulty('exchangedTokens', TOKENS),
  ];
  const found = await Promise.all(
    faults.map(async ([service, name, Faulty]) => {
      const errors = await brokenRules({ ...good(), [service]: new Faulty() });
      return [service, name, [...new Set(errors.map((error) => error.rule ?? String(error)))]];
    }),
  );
  expect(found).toEqual(faults.map(([service, name, , rules]) => [service, name, rules]));
  expect(found.length).toBeGreaterThan(30);
});

// How soon the end comes is up to the machine, and so is what else is found.
test.each([
  [
    'a lock does not end before its time',
    { lock: new (changed(MemoryLock, 'acquire', (key, ttlMs) => [key, ttlMs / 1000]))() },
  ],
  [
    'a lease does not end before leaseMs',
    { flowManager: new (wishing(({ leaseMs }) => ({ leaseMs: leaseMs / 1000 })))() },
  ],
  [
    'a value does not end before its time',
    { exchangedTokens: new (changed(MemoryTokens, 'set', (key, value, ttlMs) => [key, value, ttlMs / 1000]))() },
  ],
])('what ends early is found: %s', async (rule, services) => {
  expect((await brokenRules(services)).map((error) => error.rule)).toContain(rule);
});

test('processes that do not share are found', async () => {
  const errors = await brokenRules({ ...good(), anotherProcess: good() });
  const rules = errors.map(({ rule }) => rule);
  expect(rules).toEqual(
    expect.arrayContaining([
      'a lock that somebody has is given to nobody else: acquire resolves to null',
      'of many who ask at once exactly one gets the lock',
      'a flow that was begun is PENDING in every process, with a createdAt in milliseconds since the epoch',
      'of many who ask at once exactly one gets the lease',
      'get gives the text that was set, in every process',
      'findToken gives the row that was created, in every process: token, metadata, createdAt and expiresAt',
    ]),
  );
});

test('what is not there is not tested, and a test says what was seen', async () => {
  const names = contractTests({ lock: new MemoryLock(), flowManager: {} }).map(({ name }) => name);
  expect(names.filter((name) => /acquireLease|IfCurrent|exchangedTokens|tokenMethods/.test(name))).toEqual([]);
  expect(() => contractTests({})).toThrow(TypeError);
  const [{ run }] = contractTests({ exchangedTokens: { get: async () => 'x', set() {}, delete() {} } });
  const error = await run().catch((error) => error);
  expect(error).toMatchObject({
    name: 'BrokenRuleError',
    message: 'get resolves to undefined or null where there is nothing: it is a string',
  });
});
