const { setTimeout: delay } = require('node:timers/promises');
const { Keyv } = require('keyv');

const POLL_MS = 50;
const FLOW_TTL_MS = 3 * 60 * 1000;

/**
 * LibreChat's `FlowStateManager`: states in a Keyv under `TYPE:ID`. The methods are on
 * the prototype and use `this`, as with the real one.
 */
class FlowStateManager {
  /** Of LibreChat's options only `ttl` matters here, and it is always the same. */
  constructor(keyv = new Keyv(), _options = {}) {
    this.keyv = keyv;
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
    await this.keyv.set(this.key(id, type), state, FLOW_TTL_MS);
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
    return this.keyv.delete(this.key(id, type));
  }

  /**
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
      if (state.status === 'FAILED') throw new Error(state.error);
      await delay(POLL_MS);
    }
  }

  /**
   * @param {string} id
   * @param {string} type
   * @param {() => Promise<any>} handler
   * @param {AbortSignal} [signal]
   */
  async createFlowWithHandler(id, type, handler, signal) {
    if (await this.getFlowState(id, type)) return this.createFlow(id, type, {}, signal);
    await this.initFlow(id, type);
    const result = await handler();
    await this.completeFlow(id, type, result);
    return result;
  }

  /**
   * @param {string} id
   * @param {string} type
   * @param {object} outcome
   */
  async end(id, type, outcome) {
    const state = await this.getFlowState(id, type);
    if (!state) return false;
    await this.keyv.set(this.key(id, type), { ...state, ...outcome }, FLOW_TTL_MS);
    return true;
  }
}

module.exports = { FlowStateManager };
