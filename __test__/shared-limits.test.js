/** `limits` of tool calls that processes keep together: two processes over one Redis, and services that are not well. */

const { ECHO } = require('./support/calls');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { MemoryLimits, MemoryTurns } = require('./support/memory-services');
const { startProcess } = require('./support/processes');
const { startRedis } = require('./support/redis');
const { until } = require('./support/wait');

const fixtures = useFixtures();

/** A server that says how many calls it answers at a time, and that holds those called `hold` until they are released. */
async function startServer() {
  const held = new Set();
  const release = () => {
    for (const go of held) go();
  };
  const calls = { running: 0, most: 0, made: 0, release };
  const server = await fixtures.server({
    async callTool({ arguments: { text } }) {
      calls.made += 1;
      calls.running += 1;
      calls.most = Math.max(calls.most, calls.running);
      if (text === 'hold') await new Promise((resolve) => held.add(resolve));
      calls.running -= 1;
      return { content: [{ type: 'text', text }] };
    },
  });
  return { server, calls };
}

/** Two processes whose server has these limits. */
async function setup(limits) {
  const { server, calls } = await startServer();
  const redis = fixtures.keep(await startRedis());
  const parameters = { redis: redis.port, config: server.config({ limits }), allow: [server.address] };
  const start = () => fixtures.keep(startProcess('limited-calls.js', parameters));
  return { redis, calls, one: start(), other: start() };
}

const of = (user, count, text = 'hi') => Array.from({ length: count }, () => ({ user, text }));
const codes = (answers) =>
  answers
    .flatMap(({ outcomes }) => outcomes)
    .map(({ code }) => code)
    .sort();
const REFUSED = 'MCP_RATE_LIMITED';

test('calls of a user count in all processes, and no other user', async () => {
  const { calls, one, other } = await setup({ perUser: '5/d' });
  const answers = await Promise.all([one.ask(of('ann', 4)), other.ask(of('ann', 4))]);
  expect(codes(answers)).toEqual([REFUSED, REFUSED, REFUSED, 'ok', 'ok', 'ok', 'ok', 'ok']);
  const refused = answers.flatMap(({ outcomes }) => outcomes).filter(({ code }) => code === REFUSED);
  for (const { retryAfterMs } of refused) expect(retryAfterMs).toBeGreaterThan(60_000);
  expect(codes([await one.ask(of('bob', 5))])).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
  expect(calls.made).toBe(10);
});

test('calls of all users count in all processes', async () => {
  const { calls, one, other } = await setup({ perServer: '3/d' });
  const answers = await Promise.all([
    one.ask([...of('ann', 1), ...of('bob', 1)]),
    other.ask([...of('ann', 1), ...of('cat', 1)]),
  ]);
  expect(codes(answers)).toEqual([REFUSED, 'ok', 'ok', 'ok']);
  expect(calls.made).toBe(3);
});

test('all processes together make so many calls at a time', async () => {
  const { calls, one, other } = await setup({ concurrency: 2 });
  const users = (names) => names.flatMap((user) => of(user, 2, 'hold'));
  const answers = Promise.all([one.ask(users(['ann', 'bob'])), other.ask(users(['cat', 'dan']))]);
  await until('two calls', () => calls.running === 2);
  await until('the others', () => {
    calls.release();
    return calls.made === 8;
  });
  calls.release();
  expect(codes(await answers)).toEqual(Array(8).fill('ok'));
  expect(calls.most).toBe(2);
});

test('the places of a process that has died are free after a while', async () => {
  const { calls, one, other } = await setup({ concurrency: 1 });
  one.send(of('ann', 1, 'hold'));
  await until('its call', () => calls.running === 1);
  await one.kill();
  expect(codes([await other.ask(of('bob', 1))])).toEqual(['ok']);
  expect(calls.made).toBe(2);
});

test('while Redis is away each process keeps the limits on its own', async () => {
  const { redis, calls, one, other } = await setup({ perUser: '2/d', concurrency: 2 });
  expect(codes([await one.ask(of('bob', 1))])).toEqual(['ok']);
  await redis.kill();
  const answers = await Promise.all([one.ask(of('ann', 3)), other.ask(of('ann', 3))]);
  expect(codes(answers)).toEqual([REFUSED, REFUSED, 'ok', 'ok', 'ok', 'ok']);
  expect(calls.made).toBe(5);
  for (const { log } of answers) {
    // Whoever connects to the server first has asked for its breaker.
    expect(log.match(/\[MCP\] limits failed to (count calls|read), going on without it/g)).toHaveLength(1);
  }
});

/** One runtime over these limits, and its calls. */
async function runtimeOver(limits, rules) {
  const { server, calls } = await startServer();
  const servers = { srv: server.config({ limits: rules }) };
  const { runtime, logger } = fixtures.runtime({ servers, allow: [server], services: { limits } });
  const user = createUser();
  const call = (options) => runtime.manager.callTool({ ...ECHO, user, options });
  return { call, calls, logger, user };
}

test('a service without these functions leaves each process on its own, and the log says so once', async () => {
  const { call, logger } = await runtimeOver(new MemoryLimits(), { perUser: '2/d' });
  await call();
  await call();
  await expect(call()).rejects.toMatchObject({ code: REFUSED });
  const told = 'limits has no take, enter and leave';
  expect(logger.messages('info').filter((line) => line.includes(told)).length).toBe(1);
});

test.each([
  ['take', 'soon'],
  ['take', -1],
  ['enter', 1],
  ['enter', undefined],
])('an answer that is none is as good as a service that is away: %s, %p', async (name, answer) => {
  const limits = new MemoryTurns();
  limits[name] = async () => answer;
  const { call, logger } = await runtimeOver(limits, { perUser: '2/d', concurrency: 1 });
  await call();
  expect(logger.text()).toContain(`limits.${name} must resolve to`);
});

test('what a call is asked for, and what is left of it', async () => {
  const limits = new MemoryTurns();
  const asked = [];
  for (const name of ['take', 'enter', 'leave']) {
    const answer = limits[name].bind(limits);
    limits[name] = (...args) => {
      asked.push([name, ...args]);
      return answer(...args);
    };
  }
  const { call, user } = await runtimeOver(limits, { perUser: '2/d', perServer: '100/h', concurrency: 3 });
  await call();
  await until('its end', () => asked.length === 4);
  const server = (limit) => JSON.stringify(['server-calls', '', 'srv', limit]);
  const holder = expect.stringMatching(/^[0-9a-f]{1,16}-0$/);
  expect(asked).toEqual([
    ['take', JSON.stringify(['user-calls', user.id, 'srv']), 2, 86_400_000],
    ['take', server('100-3600'), 100, 3_600_000],
    ['enter', server('3'), holder, 3, 15_000],
    ['leave', server('3'), holder],
  ]);
  expect([...limits.places.get(server('3')).entries]).toEqual([]);
});

test('an abort ends the wait for a place', async () => {
  const limits = new MemoryTurns();
  let tries = 0;
  limits.enter = async () => {
    tries += 1;
    return false;
  };
  const { call, calls } = await runtimeOver(limits, { concurrency: 1 });
  const aborter = new AbortController();
  const waiting = call({ signal: aborter.signal });
  await until('the second try', () => tries > 1);
  aborter.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'MCP_ABORTED' });
  expect(calls.made).toBe(0);
});
