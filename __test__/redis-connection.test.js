/** The connection that a runtime has to the Redis whose URL it was given. */

const { useFixtures } = require('./support/fixtures');
const { startRedis } = require('./support/redis');
const { openAdmin } = require('./support/redis-clients');
const { until } = require('./support/wait');

const fixtures = useFixtures();
const LOCK = ['mcp_get_tokens:user:srv', 600_000];

afterEach(() => {
  for (const name of ['ioredis', 'redis']) jest.dontMock(name);
  jest.resetModules();
});

describe.each([
  ['ioredis', 'redis'],
  ['redis', 'ioredis'],
])('with %s', (_, absent) => {
  /** The lock over such a connection, and what its owner was told. */
  function open(url) {
    jest.doMock(absent, () => {
      throw Object.assign(new Error(`Cannot find module '${absent}'`), { code: 'MODULE_NOT_FOUND' });
    });
    const { connectionTo, installedOpener } = require('../redis/connection');
    const { servicesOver } = require('../redis/services');
    const told = [];
    const listeners = { onAway: (why) => told.push(why), onBack: () => told.push('back') };
    const connection = fixtures.keep(connectionTo(url, installedOpener(), listeners));
    return { connection, told, ...servicesOver(connection.run) };
  }

  test('nothing is sent before it is needed, and many commands are sent over one connection', async () => {
    const redis = fixtures.keep(await startRedis());
    const admin = openAdmin(redis.port);
    fixtures.keep({ close: async () => admin.disconnect() });
    const clients = async () => (await admin.client('LIST')).trim().split('\n').length;
    const { connection, lock, told } = open(redis.url);
    expect(await clients()).toBe(1);
    const taken = await Promise.all(Array.from({ length: 20 }, () => lock.acquire(...LOCK)));
    expect(taken.filter(Boolean).length).toBe(1);
    expect(await clients()).toBe(2);
    await admin.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await until('its end', async () => (await clients()) === 1);
    expect(await lock.acquire(...LOCK)).toBeNull();
    expect(told).toEqual([]);

    const last = lock.acquire('another', 1000);
    await connection.close();
    expect(await last).not.toBeNull();
    await until('its end', async () => (await clients()) === 1);
    await expect(lock.acquire(...LOCK)).rejects.toMatchObject({ name: 'RedisServiceError', code: 'CLOSED' });
  });

  test('who does not answer is left, and asked anew', async () => {
    const redis = fixtures.keep(await startRedis());
    const { lock, told } = open(redis.url);
    await (await lock.acquire(...LOCK))();
    await redis.pause();
    await expect(lock.acquire(...LOCK)).rejects.toMatchObject({ code: 'TIMEOUT' });
    // Nor is the next connection answered.
    await expect(lock.acquire(...LOCK)).rejects.toThrow(/^Redis: lock\.acquire failed/);
    redis.resume();
    expect(await lock.acquire('another', 1000)).not.toBeNull();
    expect(told.length % 2).toBe(0);
  });

  test('a database that is not there is not taken for another one', async () => {
    const redis = fixtures.keep(await startRedis());
    const { lock, told } = open(`${redis.url}/99`);
    for (let round = 0; round < 2; round += 1) {
      await expect(lock.acquire(...LOCK)).rejects.toMatchObject({ code: 'ERR' });
    }
    expect(told).toEqual(['ERR']);
    expect(await open(`${redis.url}/1`).lock.acquire(...LOCK)).not.toBeNull();
  });
});
