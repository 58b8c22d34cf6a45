const { randomUUID } = require('node:crypto');
const { setTimeout: delay } = require('node:timers/promises');

const LEASE_MS = 15 * 60 * 1000;
const WAIT_MS = 15 * 1000;
const POLL_MS = 25;
/** How long a generation is remembered after its last use. */
const KEPT_MS = 24 * 60 * 60 * 1000;

/** What `take` answers where there is no lease. */
const HELD = -2;
const OTHER_GENERATION = -1;

/** Takes the lease in one step; a teardown (`ARGV[5]`) begins another generation. */
const TAKE = `
local fields = redis.call('HMGET', KEYS[1], 'generation', 'owner', 'ends')
local generation = tonumber(fields[1] or '0')
if fields[2] and tonumber(fields[3]) > tonumber(ARGV[2]) then return ${HELD} end
if ARGV[4] ~= '' and generation ~= tonumber(ARGV[4]) then return ${OTHER_GENERATION} end
local teardown = ARGV[5] == '1'
if teardown then generation = generation + 1 end
redis.call('HSET', KEYS[1], 'generation', generation, 'owner', ARGV[1], 'ends', ARGV[3], 'teardown', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ${KEPT_MS})
return generation
`;

const GIVE_BACK = `
if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then redis.call('HDEL', KEYS[1], 'owner', 'ends', 'teardown') end
return 0
`;

/**
 * @typedef {{ owner: string, leaseMs: number, expectedGeneration?: number, advanceGeneration?: boolean }} Wish
 * @typedef {{ generation: number, owner?: string, ends?: number, teardown?: boolean }} State
 */

/** In this process. */
class MemoryLeases {
  constructor() {
    /** @type {Map<string, State>} */
    this.states = new Map();
  }

  /** @param {string} key */
  async read(key) {
    return this.states.get(key) ?? { generation: 0 };
  }

  /**
   * @param {string} key
   * @param {Wish} wish
   */
  async take(key, { owner, leaseMs, expectedGeneration, advanceGeneration = false }) {
    const { generation, ends = 0 } = this.states.get(key) ?? { generation: 0 };
    if (ends > Date.now()) return HELD;
    if (expectedGeneration !== undefined && expectedGeneration !== generation) return OTHER_GENERATION;
    const taken = generation + Number(advanceGeneration);
    this.states.set(key, { generation: taken, owner, ends: Date.now() + leaseMs, teardown: advanceGeneration });
    return taken;
  }

  /**
   * @param {string} key
   * @param {string} owner
   */
  async giveBack(key, owner) {
    const state = this.states.get(key);
    if (state?.owner === owner) this.states.set(key, { generation: state.generation });
  }
}

/** In a Redis that processes share. */
class RedisLeases {
  /**
   * @param {any} store  KeyvRedis
   * @param {string} [namespace]
   */
  constructor(store, namespace = '') {
    this.store = store;
    this.namespace = namespace;
  }

  /** @param {string} key */
  named(key) {
    return `${this.namespace}::${key}`;
  }

  /** @param {string} key */
  async read(key) {
    const client = await this.store.getClient();
    const { generation, owner, ends, teardown } = await client.hGetAll(this.named(key));
    return { generation: Number(generation ?? 0), owner, ends: Number(ends ?? 0), teardown: teardown === '1' };
  }

  /**
   * @param {string} key
   * @param {Wish} wish
   */
  async take(key, { owner, leaseMs, expectedGeneration, advanceGeneration = false }) {
    const now = Date.now();
    const values = [owner, now, now + leaseMs, expectedGeneration ?? '', Number(advanceGeneration)].map(String);
    const client = await this.store.getClient();
    return Number(await client.eval(TAKE, { keys: [this.named(key)], arguments: values }));
  }

  /**
   * @param {string} key
   * @param {string} owner
   */
  async giveBack(key, owner) {
    const client = await this.store.getClient();
    await client.eval(GIVE_BACK, { keys: [this.named(key)], arguments: [owner] });
  }
}

class Leases {
  /** @param {MemoryLeases | RedisLeases} states */
  constructor(states) {
    this.states = states;
  }

  /** @param {string} key */
  async generation(key) {
    const { generation, ends = 0, teardown } = await this.states.read(key);
    return teardown && ends > Date.now() ? null : generation;
  }

  /**
   * @param {string} key
   * @param {{ expectedGeneration?: number, advanceGeneration?: boolean, leaseMs?: number, waitMs?: number }} [options]
   */
  async acquire(key, { leaseMs = LEASE_MS, waitMs = WAIT_MS, ...wish } = {}) {
    const owner = randomUUID();
    const until = Date.now() + waitMs;
    for (;;) {
      const taken = await this.states.take(key, { owner, leaseMs, ...wish });
      if (taken >= 0) return { generation: taken, release: () => this.states.giveBack(key, owner) };
      if (taken === OTHER_GENERATION || Date.now() >= until) return null;
      await delay(POLL_MS);
    }
  }
}

/**
 * Stands for the leases of `packages/api/src/flow/manager.ts`: where the flows are in a Redis, so are the leases.
 *
 * @param {any} keyv
 */
function leasesOf(keyv) {
  const { store, namespace } = keyv;
  const isRedis = typeof store?.getClient === 'function';
  return new Leases(isRedis ? new RedisLeases(store, namespace) : new MemoryLeases());
}

module.exports = { leasesOf };
