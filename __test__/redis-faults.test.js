/** A Redis that is away, full, flushed, paused or handed to another: what callers of the services see. */

const { redisServices } = require('../redis');
const { useFixtures } = require('./support/fixtures');
const { startRedis } = require('./support/redis');
const { STANDALONE, openAdmin } = require('./support/redis-clients');
const { startSwitch } = require('./support/switch');
const { until } = require('./support/wait');

const fixtures = useFixtures();

const KEY = 'mcp_get_tokens:user:srv';
const FLOW = ['user:srv', 'mcp_oauth'];
const LEASE = JSON.stringify(['', 'user', 'srv']);
const SESSION = JSON.stringify(['session', 'user', 'srv', 'digest']);
const BREAKER = JSON.stringify(['breaker', 'user', 'srv']);
const OTHER = JSON.stringify(['breaker', 'other', 'srv']);
const LONG_MS = 600_000;
const NOT_NOW = { waitMs: 0, leaseMs: LONG_MS };

function adminOf({ port }) {
  const admin = openAdmin(port);
  fixtures.keep({ close: async () => admin.disconnect() });
  return (...command) => admin.call(...command.map(String));
}

describe.each(Object.entries(STANDALONE))('with %s', (_, connect) => {
  const services = async (port) => redisServices(fixtures.keep(await connect([port])).client);

  async function setup() {
    const redis = fixtures.keep(await startRedis());
    return { redis, admin: adminOf(redis), ...(await services(redis.port)) };
  }

  test('flushed: what was there is gone, fences grow, and late holders touch nothing', async () => {
    const { admin, lock, flowManager, exchangedTokens, sharedSessions, limits } = await setup();
    const fence = async () => Number((await admin('GET', await lockKey(admin))).split(':')[0]);
    const late = await lock.acquire(KEY, LONG_MS);
    const before = await fence();
    await flowManager.initFlow(...FLOW, { state: 's' });
    const { createdAt } = await flowManager.getFlowState(...FLOW);
    const lateLease = await flowManager.acquireLease(LEASE, NOT_NOW);
    await exchangedTokens.set('key', 'value', LONG_MS);
    await sharedSessions.set(SESSION, 'value', LONG_MS);
    await limits.count(BREAKER, LONG_MS);
    await limits.block(BREAKER, LONG_MS);

    await admin('FLUSHALL');
    expect(await sharedSessions.compareAndSet(SESSION, 'value', 'next', LONG_MS)).toBe(false);
    expect(await sharedSessions.get(SESSION)).toBeUndefined();
    expect(await sharedSessions.compareAndSet(SESSION, undefined, 'another', LONG_MS)).toBe(true);
    expect(await sharedSessions.delete(SESSION, 'value')).toBe(false);
    expect(await sharedSessions.get(SESSION)).toBe('another');
    expect(await limits.blockedFor(BREAKER)).toBe(0);
    expect(await limits.count(BREAKER, LONG_MS)).toBe(1);
    expect(await flowManager.getFlowState(...FLOW)).toBeNull();
    expect(await flowManager.completeFlow(...FLOW, {})).toBe(false);
    expect(await flowManager.completeFlowIfCurrent(...FLOW, createdAt, 's', {})).toBe('missing');
    expect(await exchangedTokens.get('key')).toBeUndefined();
    const release = await lock.acquire(KEY, LONG_MS);
    const lease = await flowManager.acquireLease(LEASE, NOT_NOW);
    expect(await fence()).toBeGreaterThan(before);
    await late();
    await lateLease.release();
    expect(await lock.acquire(KEY, LONG_MS)).toBeNull();
    expect(await flowManager.acquireLease(LEASE, NOT_NOW)).toBeNull();
    await release();
    await lease.release();
    expect(await lock.acquire(KEY, LONG_MS)).not.toBeNull();
  });

  test('without its scripts: they are loaded again', async () => {
    const { admin, lock, flowManager, sharedSessions, limits } = await setup();
    const release = await lock.acquire(KEY, LONG_MS);
    await flowManager.initFlow(...FLOW);
    expect(await sharedSessions.compareAndSet(SESSION, undefined, 'value', LONG_MS)).toBe(true);
    expect(await limits.count(BREAKER, LONG_MS)).toBe(1);
    await admin('SCRIPT', 'FLUSH');
    expect(await sharedSessions.compareAndSet(SESSION, 'value', 'next', LONG_MS)).toBe(true);
    expect(await limits.count(BREAKER, LONG_MS)).toBe(2);
    expect(await lock.acquire(KEY, LONG_MS)).toBeNull();
    await admin('SCRIPT', 'FLUSH');
    await release();
    await admin('SCRIPT', 'FLUSH');
    expect(await flowManager.getFlowState(...FLOW)).toMatchObject({ status: 'PENDING' });
  });

  test('with a client that sends everything twice, as after a broken connection: it is done once, but for counts', async () => {
    const redis = fixtures.keep(await startRedis());
    const { client } = fixtures.keep(await connect([redis.port]));
    const twice =
      (name) =>
      async (...args) => {
        await client[name](...args);
        return client[name](...args);
      };
    const twofold = ['evalsha', 'evalSha', 'eval'].map((name) => [name, client[name] && twice(name)]);
    const { status, isOpen } = client;
    const services = redisServices({ status, isOpen, ...Object.fromEntries(twofold) });
    const { lock, flowManager, sharedSessions, limits } = services;
    const release = await lock.acquire(KEY, LONG_MS);
    expect(await lock.acquire(KEY, LONG_MS)).toBeNull();
    await release();
    expect(await lock.acquire(KEY, LONG_MS)).not.toBeNull();
    const lease = await flowManager.acquireLease(LEASE, { ...NOT_NOW, advanceGeneration: true });
    expect(lease).toMatchObject({ generation: 1 });
    await lease.release();
    expect(await flowManager.acquireLease(LEASE, NOT_NOW)).toMatchObject({ generation: 1 });
    // These are told what the second try came to, and nothing is there twice.
    expect(await sharedSessions.compareAndSet(SESSION, undefined, 'value', LONG_MS)).toBe(false);
    expect(await sharedSessions.get(SESSION)).toBe('value');
    expect(await sharedSessions.delete(SESSION, 'value')).toBe(false);
    expect(await sharedSessions.get(SESSION)).toBeUndefined();
    expect(await limits.count(BREAKER, LONG_MS)).toBe(2);
  });

  test('full: what writes is refused, what reads or frees is not', async () => {
    const { admin, lock, flowManager, exchangedTokens, sharedSessions, limits } = await setup();
    const release = await lock.acquire(KEY, LONG_MS);
    const lease = await flowManager.acquireLease(LEASE, NOT_NOW);
    await flowManager.initFlow(...FLOW);
    await exchangedTokens.set('key', 'value', LONG_MS);
    await sharedSessions.set(SESSION, 'value', LONG_MS);
    await limits.count(BREAKER, LONG_MS);
    await limits.block(BREAKER, LONG_MS);
    await admin('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    await admin('CONFIG', 'SET', 'maxmemory', 1);

    const full = { name: 'RedisServiceError', code: 'OOM' };
    await expect(lock.acquire('mcp_get_tokens:other:srv', LONG_MS)).rejects.toMatchObject(full);
    await expect(flowManager.acquireLease('other', NOT_NOW)).rejects.toMatchObject(full);
    await expect(flowManager.initFlow('other:srv', 'mcp_oauth')).rejects.toMatchObject(full);
    await expect(flowManager.completeFlow(...FLOW, {})).rejects.toMatchObject(full);
    await expect(exchangedTokens.set('other', 'value', LONG_MS)).rejects.toMatchObject(full);
    await expect(sharedSessions.set(SESSION, 'next', LONG_MS)).rejects.toMatchObject(full);
    await expect(sharedSessions.compareAndSet(SESSION, 'value', 'next', LONG_MS)).rejects.toMatchObject(full);
    expect(await sharedSessions.compareAndSet(SESSION, undefined, 'next', LONG_MS)).toBe(false);
    await expect(limits.count(BREAKER, LONG_MS)).rejects.toMatchObject(full);
    await expect(limits.block(OTHER, LONG_MS)).rejects.toMatchObject(full);
    expect(await limits.blockedFor(OTHER)).toBe(0);
    expect(await limits.blockedFor(BREAKER)).toBeGreaterThan(0);
    expect(await sharedSessions.get(SESSION)).toBe('value');
    expect(await flowManager.getFlowState(...FLOW)).toMatchObject({ status: 'PENDING' });
    expect(await exchangedTokens.get('key')).toBe('value');
    expect(await lock.acquire(KEY, LONG_MS)).toBeNull();
    await release();
    await lease.release();
    expect(await exchangedTokens.delete('key')).toBe(true);
    expect(await sharedSessions.delete(SESSION, 'value')).toBe(true);
    await limits.clear(BREAKER);
    expect(await limits.blockedFor(BREAKER)).toBe(0);
    expect(await flowManager.deleteFlow(...FLOW)).toBe(true);

    await admin('CONFIG', 'SET', 'maxmemory', 0);
    expect(await lock.acquire(KEY, LONG_MS)).not.toBeNull();
    expect(await flowManager.acquireLease(LEASE, NOT_NOW)).not.toBeNull();
  });

  test('paused for a moment: who asks waits', async () => {
    const { admin, lock } = await setup();
    await admin('CLIENT', 'PAUSE', 300, 'ALL');
    expect(await lock.acquire(KEY, LONG_MS)).toBeInstanceOf(Function);
    expect(await lock.acquire(KEY, LONG_MS)).toBeNull();
  });

  test('stopped: everything rejects, and what is granted when it goes on is given back', async () => {
    const { redis, lock, flowManager, exchangedTokens, sharedSessions, limits } = await setup();
    await flowManager.initFlow(...FLOW);
    await redis.pause();
    const asked = [
      lock.acquire(KEY, LONG_MS),
      flowManager.acquireLease(LEASE, NOT_NOW),
      flowManager.getFlowState(...FLOW),
      flowManager.completeFlow(...FLOW, {}),
      exchangedTokens.get('key'),
      sharedSessions.get(SESSION),
      sharedSessions.set(SESSION, 'value', LONG_MS),
      sharedSessions.compareAndSet(SESSION, undefined, 'value', LONG_MS),
      sharedSessions.delete(SESSION),
      limits.count(BREAKER, LONG_MS),
      limits.block(BREAKER, LONG_MS),
      limits.blockedFor(BREAKER),
      limits.clear(BREAKER),
    ];
    const outcomes = await Promise.allSettled([...asked, flowManager.deleteFlow('other:srv', 'mcp_oauth')]);
    const late = {
      status: 'rejected',
      reason: expect.objectContaining({ name: 'RedisServiceError', code: 'TIMEOUT' }),
    };
    expect(outcomes).toEqual([...asked.map(() => late), { status: 'fulfilled', value: false }]);

    redis.resume();
    let release;
    await until('the lock', async () => {
      release = await lock.acquire(KEY, LONG_MS);
      return release;
    });
    await release();
    await until('the lease', () => flowManager.acquireLease(LEASE, NOT_NOW));
    await sharedSessions.set(SESSION, 'value', LONG_MS);
    expect(await sharedSessions.get(SESSION)).toBe('value');
  });

  test('gone: whoever asks is told, also by a client that keeps commands until it is back', async () => {
    const { redis, lock, flowManager, sharedSessions, limits } = await setup();
    const release = await lock.acquire(KEY, LONG_MS);
    await redis.kill();
    const outcomes = await Promise.allSettled([
      release(),
      lock.acquire(KEY, LONG_MS),
      flowManager.getFlowState(...FLOW),
      sharedSessions.compareAndSet(SESSION, undefined, 'value', LONG_MS),
      limits.count(BREAKER, LONG_MS),
    ]);
    expect(outcomes.map(({ reason }) => reason?.name)).toEqual(Array(5).fill('RedisServiceError'));
  });

  test('fails over: nothing hangs, what the replica had is there, and writes go on after its promotion', async () => {
    const [first, second] = [fixtures.keep(await startRedis()), fixtures.keep(await startRedis())];
    const [master, replica] = [adminOf(first), adminOf(second)];
    await replica('REPLICAOF', '127.0.0.1', first.port);
    await until('the replica', async () => (await replica('INFO', 'replication')).includes('master_link_status:up'));
    // What a managed Redis has: one address, and who answers there changes.
    const address = fixtures.keep(await startSwitch(first.port));
    const { lock, flowManager, sharedSessions, limits } = await services(address.port);
    const release = await lock.acquire(KEY, LONG_MS);
    await flowManager.initFlow(...FLOW, { state: 's' });
    await sharedSessions.set(SESSION, 'value', LONG_MS);
    await limits.count(BREAKER, LONG_MS);
    await limits.block(BREAKER, LONG_MS);
    const fence = Number((await master('GET', await lockKey(master))).split(':')[0]);
    await until('its copy', async () => (await master('WAIT', 1, 100)) === 1);

    let isOver = false;
    const codes = new Set();
    const write = async (index) => {
      for (let count = 0; !isOver; count += 1) {
        const [user, state] = [`user-${index}-${count}`, { state: String(count) }];
        await flowManager.initFlow(`${user}:srv`, 'mcp_oauth', state).catch((error) => {
          expect(error.name).toBe('RedisServiceError');
          codes.add(error.code);
        });
      }
    };
    const writers = Promise.all([1, 2, 3].map(write));
    await first.kill();
    address.lead(second.port);
    await until('the refusal of the replica', () => codes.has('READONLY'));
    await replica('REPLICAOF', 'NO', 'ONE');
    await until('a write', () =>
      flowManager.initFlow('after:srv', 'mcp_oauth').then(
        () => true,
        () => false,
      ),
    );
    isOver = true;
    await writers;

    expect(await flowManager.getFlowState(...FLOW)).toMatchObject({ status: 'PENDING', metadata: { state: 's' } });
    expect(await sharedSessions.compareAndSet(SESSION, 'value', 'next', LONG_MS)).toBe(true);
    expect(await limits.count(BREAKER, LONG_MS)).toBe(2);
    expect(await limits.blockedFor(BREAKER)).toBeGreaterThan(0);
    expect(await lock.acquire(KEY, LONG_MS)).toBeNull();
    await release();
    expect(await lock.acquire(KEY, LONG_MS)).not.toBeNull();
    expect(Number((await replica('GET', await lockKey(replica))).split(':')[0])).toBeGreaterThan(fence);
  });
});

async function lockKey(admin) {
  const [key] = await admin('KEYS', 'librechat-mcp:lock:*');
  return key;
}
