/** What `catalog_recovery.js` does by itself: what a host may hand it, and times, without servers. */

const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { runInThisContext } = require('node:vm');

const SCRIPT = join(__dirname, '../src/node/surface/catalog_recovery.js');
const make = runInThisContext(readFileSync(SCRIPT, 'utf8'));
const clock = jest.spyOn(runInThisContext('Date'), 'now');

const POLICY = { discoveryBackoffMs: [100, 1000], reauthRetryMs: 5000 };
const user = { id: 'user' };
const candidate = { serverName: 'srv', serverConfig: {} };
const failed = { serverName: 'srv', tools: null, state: 'backoff' };
const unauthorized = { serverName: 'srv', tools: ['public'], state: 'reauth_required' };

let now;

beforeEach(() => {
  now = 0;
  clock.mockImplementation(() => now);
});

afterAll(() => clock.mockRestore());

function world({ maxStates = 10, maxDetached = 1 } = {}) {
  const warn = jest.fn();
  const tracker = make(maxStates, maxDetached, warn);
  const discover = jest.fn(async () => failed);
  const run = (overrides = {}) => {
    const { of = user, generation, ...changes } = overrides;
    return tracker.run(of, { ...candidate, ...changes }, POLICY, generation, discover);
  };
  const detach = (discovery) => tracker.detachDiscovery(user, candidate, POLICY, discovery);
  const admits = () => tracker.admitsDiscovery(user, candidate, POLICY);
  return { warn, tracker, discover, run, detach, admits };
}

test('the waits after failures grow to the last one, and begin anew after an answer', async () => {
  const { discover, run } = world();
  const askedAt = async (times) => {
    const asked = [];
    for (now of times) {
      const before = discover.mock.calls.length;
      await run();
      if (discover.mock.calls.length > before) asked.push(now);
    }
    return asked;
  };
  expect(await askedAt([0, 99, 100, 1099, 1100, 2099, 2100])).toEqual([0, 100, 1100, 2100]);
  discover.mockResolvedValueOnce(unauthorized);
  expect(await askedAt([3100, 8099])).toEqual([3100]);
  // What was listed without authorization is nobody's but the first request's.
  expect(await run()).toMatchObject({ tools: null, state: 'reauth_required' });
  expect(await askedAt([8100, 8199, 8200])).toEqual([8100, 8200]);
});

test.each([
  ['rejects', () => Promise.reject(new Error('from the host'))],
  [
    'throws',
    () => {
      throw new Error('from the host');
    },
  ],
])('a discovery that %s is the host’s error, and is tried again', async (_, discovery) => {
  const { discover, run } = world();
  discover.mockImplementationOnce(discovery);
  const both = [run(), run()];
  for (const one of both) await expect(one).rejects.toThrow('from the host');
  expect(discover).toHaveBeenCalledTimes(1);
  expect(await run()).toMatchObject(failed);
});

test.each([
  ['a value', 1],
  ['a promise that rejects', Promise.reject(new Error('late'))],
  // biome-ignore lint/suspicious/noThenProperty: thenables are what is tested
  ['a thenable', { then: (done) => done() }],
  [
    'a thenable whose getter throws',
    Object.defineProperty({}, 'then', {
      get() {
        throw new Error('from the getter');
      },
    }),
  ],
])('what goes on and is over counts no more: %s', async (_, discovery) => {
  const { warn, detach, admits } = world();
  detach(discovery);
  expect([admits(), warn.mock.calls.length]).toEqual([false, 1]);
  await new Promise(setImmediate);
  expect(admits()).toBe(true);
});

test('a promise that hides what it is counts as nothing', () => {
  const { detach, admits } = world();
  const promise = runInThisContext('Promise.resolve()');
  Object.defineProperty(promise, 'constructor', {
    get() {
      throw new Error('from the getter');
    },
  });
  expect(() => detach(promise)).toThrow('from the getter');
  expect(admits()).toBe(true);
});

test('users whose ids begin alike, or look like a key, are others', async () => {
  const { tracker, discover, run } = world();
  const users = ['a', 'ab', 'a","srv', '"a"'].map((id) => ({ id }));
  for (const of of users) await run({ of });
  tracker.clear('a');
  for (const of of users) await run({ of });
  expect(discover.mock.calls).toHaveLength(users.length + 1);
});

test('discoveries under way are not forgotten, however many there are', async () => {
  const { discover, run } = world({ maxStates: 1 });
  const flights = ['a', 'b', 'c'].map((serverName) => run({ serverName }));
  expect(run({ serverName: 'a' })).toBe(flights[0]);
  await Promise.all(flights);
  for (const serverName of ['c', 'a']) await run({ serverName });
  expect(discover).toHaveBeenCalledTimes(4);
});
