const { setTimeout: delay } = require('node:timers/promises');
const { Keyv } = require('keyv');
const { leasesOf } = require('./leases');

/** LibreChat's takes 2 s. */
const POLL_MS = 50;
/** Who finds no flow looks again after this time before making one: another process may have been a moment earlier. */
const SECOND_LOOK_MS = 250;
const FLOW_TTL_MS = 3 * 60 * 1000;
/** What is less is seconds. */
const SECONDS_BELOW = 1e10;

/**
 * Whether what a flow brought is a token that has expired.
 *
 * @param {LibreChat.Flow} flow
 */
function isExpired({ result }) {
  const end = result?.expires_at;
  return Number.isFinite(end) && (end < SECONDS_BELOW ? end * 1000 : end) < Date.now();
}

/**
 * Stands for `packages/api/src/flow/manager.ts`: states in a Keyv under `TYPE:ID`. The methods are on the prototype and
 * use `this`, as with the real one.
 */
class FlowStateManager {
  /**
   * @param {Keyv} keyv
   * @param {{ ttl?: number, retainedFailureTypes?: string[] }} options  types whose failures stay to be seen
   */
  constructor(keyv = new Keyv(), options = {}) {
    const { ttl = FLOW_TTL_MS, retainedFailureTypes = [] } = options;
    this.keyv = keyv;
    this.ttl = ttl;
    this.retainedFailureTypes = retainedFailureTypes;
    this.leases = leasesOf(keyv);
  }

  /**
   * Which life of what a lease guards this is; `null` while it is being torn down.
   *
   * @param {string} leaseId
   * @returns {Promise<number | null>}
   */
  async getLeaseGeneration(leaseId) {
    return this.leases.generation(this.key(leaseId, 'lease'));
  }

  /**
   * The right to work on what the lease guards, of one process at a time. With `advanceGeneration` it is a teardown: what
   * was begun before it, and says so with `expectedGeneration`, gets no lease any more.
   *
   * @param {string} leaseId
   * @param {{ expectedGeneration?: number, advanceGeneration?: boolean, leaseMs?: number, waitMs?: number }} [options]
   * @returns {Promise<{ generation: number, release: () => Promise<void> } | null>}
   */
  async acquireLease(leaseId, options) {
    return this.leases.acquire(this.key(leaseId, 'lease'), options);
  }

  /**
   * @param {string} id
   * @param {string} type
   */
  key(id, type) {
    return `${type}:${id}`;
  }

  /**
   * @param {string} id
   * @param {string} type
   * @returns {Promise<LibreChat.Flow | null>}
   */
  async getFlowState(id, type) {
    return (await this.keyv.get(this.key(id, type))) ?? null;
  }

  /**
   * @param {string} id
   * @param {string} type
   */
  async initFlow(id, type, metadata = {}) {
    const state = { type, status: 'PENDING', metadata, createdAt: Date.now() };
    await this.keyv.set(this.key(id, type), state, this.ttl);
  }

  /**
   * @param {string} id
   * @param {string} type
   * @param {any} result
   */
  async completeFlow(id, type, result) {
    return this.end(id, type, { status: 'COMPLETED', result, completedAt: Date.now() });
  }

  /**
   * @param {string} id
   * @param {string} type
   * @param {any} error
   */
  async failFlow(id, type, error) {
    const text = error?.message ?? String(error);
    return this.end(id, type, { status: 'FAILED', error: text, failedAt: Date.now() });
  }

  /**
   * @param {string} id
   * @param {string} type
   */
  async deleteFlow(id, type) {
    return this.keyv.delete(this.key(id, type)).then(
      () => true,
      () => false,
    );
  }

  /**
   * Waits for the flow's end, and makes it first where there is none.
   *
   * @param {string} id
   * @param {string} type
   * @param {object} metadata
   * @param {AbortSignal} [signal]
   */
  async createFlow(id, type, metadata, signal) {
    if (!(await this.getFlowState(id, type))) await this.initFlow(id, type, metadata);
    for (;;) {
      signal?.throwIfAborted();
      const state = await this.getFlowState(id, type);
      if (!state) throw new Error(`${type} Flow state not found`);
      if (state.status === 'COMPLETED') return state.result;
      if (state.status === 'FAILED') {
        if (!this.retainedFailureTypes.includes(type)) await this.deleteFlow(id, type);
        throw new Error(state.error);
      }
      if (Date.now() - state.createdAt >= this.ttl) {
        await this.deleteFlow(id, type);
        throw new Error(`${type} flow timed out`);
      }
      await delay(POLL_MS);
    }
  }

  /**
   * Waits for a flow that is under way, takes what one has brought, or does the work itself.
   *
   * @param {string} id
   * @param {string} type
   * @param {() => Promise<any>} handler
   * @param {AbortSignal} [signal]
   */
  async createFlowWithHandler(id, type, handler, signal) {
    const isThere = async () => {
      const state = await this.getFlowState(id, type);
      return state !== null && !isExpired(state);
    };
    if (await isThere()) return this.createFlow(id, type, {}, signal);
    await delay(SECOND_LOOK_MS);
    if (await isThere()) return this.createFlow(id, type, {}, signal);
    await this.initFlow(id, type);
    try {
      const result = await handler();
      await this.completeFlow(id, type, result);
      // Whoever completed it first may have brought something newer.
      return (await this.getFlowState(id, type))?.result ?? result;
    } catch (error) {
      await this.failFlow(id, type, error);
      throw error;
    }
  }

  /**
   * A flow that has been completed stays so.
   *
   * @param {string} id
   * @param {string} type
   * @param {object} outcome
   */
  async end(id, type, outcome) {
    const state = await this.getFlowState(id, type);
    if (!state) return false;
    if (state.status !== 'COMPLETED') await this.keyv.set(this.key(id, type), { ...state, ...outcome }, this.ttl);
    return true;
  }
}

module.exports = { FlowStateManager };
