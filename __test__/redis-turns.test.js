/** Rates and places in Redis: what is there, what is made of what others have written there, and a Redis that is not well. */

const { redisServices } = require('../redis');
const { useFixtures } = require('./support/fixtures');
const { startRedis } = require('./support/redis');
const { STANDALONE, openAdmin } = require('./support/redis-clients');

const fixtures = useFixtures();
const LONG_MS = 600_000;
const DAY_MS = 86_400_000;
const RATE = '["user-calls","user","srv"]';
const PLACES = '["server-calls","","srv"]';
const RATE_KEY = 'librechat-mcp:rate:{user:srv}:user-calls';
const PLACES_KEY = 'librechat-mcp:places:{:srv}:server-calls';

describe.each(Object.entries(STANDALONE))('with %s', (_, connect) => {
  async function setup(change = (client) => client) {
    const redis = fixtures.keep(await startRedis());
    const admin = openAdmin(redis.port);
    fixtures.keep({ close: async () => admin.disconnect() });
    const { client } = fixtures.keep(await connect([redis.port]));
    return { admin, ...redisServices(change(client)).limits };
  }

  test('every key has an end, and nothing is left of who has left', async () => {
    const { admin, take, enter, leave } = await setup();
    expect(await take(RATE, 1, LONG_MS)).toBe(0);
    expect(await enter(PLACES, 'one', 2, LONG_MS)).toBe(true);
    expect((await admin.keys('*')).sort()).toEqual([PLACES_KEY, RATE_KEY]);
    // A shorter lease beside it does not end it.
    expect(await enter(PLACES, 'two', 2, 1000)).toBe(true);
    for (const key of [PLACES_KEY, RATE_KEY]) {
      const left = await admin.pttl(key);
      expect(LONG_MS - 60_000 < left && left <= LONG_MS).toBe(true);
    }
    expect(await admin.zrange(PLACES_KEY, 0, -1)).toEqual(['two', 'one']);
    await leave(PLACES, 'one');
    await leave(PLACES, 'two');
    expect(await admin.keys('*')).toEqual([RATE_KEY]);
  });

  test('what is sent twice, as after a broken connection, has one place', async () => {
    const twice = (client) => {
      const twofold = ['evalsha', 'evalSha', 'eval'].map((name) => [
        name,
        client[name] &&
          (async (...args) => {
            await client[name](...args);
            return client[name](...args);
          }),
      ]);
      return { status: client.status, isOpen: client.isOpen, ...Object.fromEntries(twofold) };
    };
    const { admin, take, enter, leave } = await setup(twice);
    expect(await enter(PLACES, 'one', 1, LONG_MS)).toBe(true);
    expect(await enter(PLACES, 'two', 1, LONG_MS)).toBe(false);
    await leave(PLACES, 'one');
    expect(await admin.keys('*')).toEqual([]);
    // An event is counted twice.
    expect(await take(RATE, 2, LONG_MS)).toBe(0);
    expect(await take(RATE, 2, LONG_MS)).toBeGreaterThan(0);
  });

  test('full: nothing is counted and no place is given, but refused and left', async () => {
    const { admin, take, enter, leave } = await setup();
    await take(RATE, 1, LONG_MS);
    await enter(PLACES, 'one', 1, LONG_MS);
    await admin.config('SET', 'maxmemory-policy', 'noeviction');
    await admin.config('SET', 'maxmemory', 1);
    const full = { name: 'RedisServiceError', code: 'OOM' };
    await expect(take(PLACES, 1, LONG_MS)).rejects.toMatchObject(full);
    await expect(enter(RATE, 'one', 1, LONG_MS)).rejects.toMatchObject(full);
    expect(await take(RATE, 1, LONG_MS)).toBeGreaterThan(0);
    expect(await enter(PLACES, 'two', 1, LONG_MS)).toBe(false);
    await leave(PLACES, 'one');
    expect(await admin.keys('*')).toEqual([RATE_KEY]);
  });

  test('without its scripts: they are loaded again', async () => {
    const { admin, take, enter, leave } = await setup();
    for (let round = 0; round < 2; round += 1) {
      expect(await take(RATE, 2, LONG_MS)).toBe(0);
      expect(await enter(PLACES, 'one', 1, LONG_MS)).toBe(true);
      await leave(PLACES, 'one');
      await admin.script('FLUSH');
    }
    expect(await take(RATE, 2, LONG_MS)).toBeGreaterThan(0);
  });
});

describe('what others have written', () => {
  async function setup(key, write) {
    const redis = fixtures.keep(await startRedis());
    const admin = openAdmin(redis.port);
    fixtures.keep({ close: async () => admin.disconnect() });
    await write(admin, key);
    const { client } = fixtures.keep(await STANDALONE.ioredis([redis.port]));
    return { admin, ...redisServices(client).limits };
  }

  test.each([
    ['no end', (admin, key) => admin.set(key, '9')],
    ['an end too late', (admin, key) => admin.set(key, '9', 'PX', 2 * LONG_MS)],
    ['no number', (admin, key) => admin.set(key, 'x', 'PX', LONG_MS)],
    ['another kind', (admin, key) => admin.lpush(key, 'x')],
  ])('is no count: %s', async (_, write) => {
    const { admin, take } = await setup(RATE_KEY, write);
    expect(await take(RATE, 1, LONG_MS)).toBe(0);
    expect(await take(RATE, 1, LONG_MS)).toBeGreaterThan(0);
    expect(await admin.pttl(RATE_KEY)).toBeGreaterThan(0);
  });

  test.each([
    ['a lease that has ended', (admin, key) => admin.zadd(key, Date.now() - 60_000, 'x')],
    ['a lease of more than a day', (admin, key) => admin.zadd(key, Date.now() + 2 * DAY_MS, 'x')],
    ['one that never ends', (admin, key) => admin.zadd(key, 'inf', 'x', '-inf', 'y')],
    ['the same of the holder', (admin, key) => admin.zadd(key, 'inf', 'one')],
    ['another kind', (admin, key) => admin.set(key, 'x')],
    ['a hash', (admin, key) => admin.hset(key, 'x', 'y')],
  ])('is no place: %s', async (_, write) => {
    const { admin, enter, leave } = await setup(PLACES_KEY, write);
    await leave(PLACES, 'nobody');
    expect(await enter(PLACES, 'one', 1, LONG_MS)).toBe(true);
    expect(await enter(PLACES, 'two', 1, LONG_MS)).toBe(false);
    expect(await admin.zrange(PLACES_KEY, 0, -1)).toEqual(['one']);
    expect(await admin.pttl(PLACES_KEY)).toBeGreaterThan(0);
  });
});

test('what is given is looked at', async () => {
  const limits = redisServices({ status: 'ready', evalsha: fail, eval: fail }).limits;
  for (const number of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1', undefined]) {
    await expect(limits.take(RATE, number, LONG_MS)).rejects.toThrow(RangeError);
    await expect(limits.take(RATE, 1, number)).rejects.toThrow(RangeError);
    await expect(limits.enter(PLACES, 'one', number, LONG_MS)).rejects.toThrow(RangeError);
    await expect(limits.enter(PLACES, 'one', 1, number)).rejects.toThrow(RangeError);
  }
  await expect(limits.enter(PLACES, 'one', 1, DAY_MS + 1)).rejects.toThrow('a day at most');
  await expect(limits.enter(PLACES, 'x'.repeat(2 ** 21), 1, LONG_MS)).rejects.toThrow(RangeError);
  for (const text of ['', undefined, 1]) {
    await expect(limits.take(text, 1, LONG_MS)).rejects.toThrow(TypeError);
    await expect(limits.enter(text, 'one', 1, LONG_MS)).rejects.toThrow(TypeError);
    await expect(limits.enter(PLACES, text, 1, LONG_MS)).rejects.toThrow(TypeError);
    await expect(limits.leave(text, 'one')).rejects.toThrow(TypeError);
    await expect(limits.leave(PLACES, text)).rejects.toThrow(TypeError);
  }
});

/** Nothing of what is refused is sent. */
async function fail() {
  throw new Error('sent');
}
