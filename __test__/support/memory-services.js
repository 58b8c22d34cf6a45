const { delay } = require('./wait');

const json = (value) => JSON.parse(JSON.stringify(value ?? null));

/** Values with an end, in one process. */
class Expiring {
  entries = new Map();

  get(key) {
    const { value, ends } = this.entries.get(key) ?? {};
    return ends > Date.now() ? value : undefined;
  }

  set(key, value, ttlMs) {
    this.entries.set(key, { value, ends: Date.now() + ttlMs });
  }

  left(key) {
    return this.get(key) === undefined ? 0 : this.entries.get(key).ends - Date.now();
  }

  delete(key) {
    this.entries.delete(key);
  }
}

class MemoryLock {
  held = new Expiring();

  async acquire(key, ttlMs) {
    if (this.held.get(key)) return null;
    const owner = Symbol('owner');
    this.held.set(key, owner, ttlMs);
    return async () => {
      if (this.held.get(key) === owner) this.held.delete(key);
    };
  }
}

class MemoryTokens {
  values = new Expiring();

  async get(key) {
    return this.values.get(key);
  }

  async set(key, value, ttlMs) {
    this.values.set(key, value, ttlMs);
  }

  async delete(key) {
    this.values.delete(key);
  }
}

class MemorySessions extends MemoryTokens {
  async compareAndSet(key, expected, value, ttlMs) {
    const isExpected = this.values.get(key) === expected;
    if (isExpected) this.values.set(key, value, ttlMs);
    return isExpected;
  }

  async delete(key, expected) {
    const value = this.values.get(key);
    const isExpected = value !== undefined && value === (expected ?? value);
    if (isExpected) this.values.delete(key);
    return isExpected;
  }
}

class MemoryLimits {
  windows = new Expiring();
  blocks = new Expiring();

  async count(key, windowMs) {
    const events = (this.windows.get(key) ?? 0) + 1;
    this.windows.set(key, events, events === 1 ? windowMs : this.windows.left(key));
    return events;
  }

  async block(key, ms) {
    if (this.blocks.left(key) < ms) this.blocks.set(key, true, ms);
  }

  async blockedFor(key) {
    return this.blocks.left(key);
  }

  async clear(key) {
    this.windows.delete(key);
    this.blocks.delete(key);
  }
}

/** Limits with rates and places. */
class MemoryTurns extends MemoryLimits {
  rates = new MemoryLimits();
  places = new Map();

  async take(key, most, windowMs) {
    const { windows } = this.rates;
    if ((windows.get(key) ?? 0) >= most) return windows.left(key);
    await this.rates.count(key, windowMs);
    return 0;
  }

  async enter(key, holder, most, leaseMs) {
    const held = this.places.get(key) ?? new Expiring();
    this.places.set(key, held);
    const others = [...held.entries.keys()].filter((other) => other !== holder && held.get(other));
    if (!held.get(holder) && others.length >= most) return false;
    held.set(holder, true, leaseMs);
    return true;
  }

  async leave(key, holder) {
    this.places.get(key)?.delete(holder);
  }
}

class MemoryFlows {
  flows = new Map();
  leases = new Map();

  key(id, type) {
    return JSON.stringify([id, type]);
  }

  async getFlowState(id, type) {
    return this.flows.get(this.key(id, type)) ?? null;
  }

  async initFlow(id, type, metadata) {
    const flow = { type, status: 'PENDING', metadata: json(metadata), createdAt: Date.now() };
    this.flows.set(this.key(id, type), flow);
  }

  async completeFlow(id, type, result) {
    return this.end(id, type, { status: 'COMPLETED', result: json(result), completedAt: Date.now() });
  }

  async failFlow(id, type, error) {
    return this.end(id, type, { status: 'FAILED', error: error?.message ?? error });
  }

  async completeFlowIfCurrent(id, type, createdAt, state, result) {
    const problem = this.problem(this.flows.get(this.key(id, type)), createdAt, state, ['PENDING']);
    if (!problem) await this.completeFlow(id, type, result);
    return problem ?? 'updated';
  }

  async failFlowIfCurrent(id, type, createdAt, state, error) {
    const problem = this.problem(this.flows.get(this.key(id, type)), createdAt, state, ['PENDING', 'FAILED']);
    if (!problem) await this.failFlow(id, type, error);
    return problem ?? 'updated';
  }

  async deleteFlow(id, type) {
    this.flows.delete(this.key(id, type));
    return true;
  }

  problem(flow, createdAt, state, statuses) {
    if (!flow) return 'missing';
    const isCurrent = flow.createdAt === createdAt && (flow.metadata.state ?? '') === state;
    return isCurrent && statuses.includes(flow.status) ? undefined : 'stale';
  }

  end(id, type, outcome) {
    const flow = this.flows.get(this.key(id, type));
    if (flow && flow.status !== 'COMPLETED') this.flows.set(this.key(id, type), { ...flow, ...outcome });
    return Boolean(flow);
  }

  lease(id) {
    const { generation = 0, owner, ends = 0, teardown } = this.leases.get(id) ?? {};
    return ends > Date.now() ? { generation, owner, teardown } : { generation };
  }

  async getLeaseGeneration(id) {
    const { generation, teardown } = this.lease(id);
    return teardown ? null : generation;
  }

  async acquireLease(id, { expectedGeneration, advanceGeneration = false, leaseMs, waitMs }) {
    const until = Date.now() + waitMs;
    while (this.lease(id).owner) {
      if (Date.now() >= until) return null;
      await delay(10);
    }
    const generation = this.lease(id).generation + Number(advanceGeneration);
    if ((expectedGeneration ?? generation) !== generation) return null;
    const owner = Symbol('owner');
    this.leases.set(id, { generation, owner, ends: Date.now() + leaseMs, teardown: advanceGeneration });
    const release = async () => {
      if (this.lease(id).owner === owner) this.leases.set(id, { generation });
    };
    return { generation, release };
  }
}

class MemoryRows {
  rows = new Map();

  key({ userId, type, identifier }) {
    return JSON.stringify([userId, type, identifier]);
  }

  is(row, { token = row?.token, metadataCredentialSetId: set = this.setOf(row) }) {
    return row !== undefined && row.token === token && this.setOf(row) === set;
  }

  setOf(row) {
    return row?.metadata?.credential_set_id ?? null;
  }

  async findToken(query) {
    const row = this.rows.get(this.key(query));
    return this.is(row, query) ? row : null;
  }

  async createToken({ expiresIn, ...row }) {
    const [createdAt, expiresAt] = [new Date(), new Date(Date.now() + expiresIn * 1000)];
    this.rows.set(this.key(row), { ...row, createdAt, expiresAt });
  }

  async updateToken(query, { expiresIn, ...changes }) {
    const row = this.rows.get(this.key(query));
    if (!this.is(row, query)) return null;
    const end = expiresIn === undefined ? {} : { expiresAt: new Date(Date.now() + expiresIn * 1000) };
    const updated = { ...row, ...changes, ...end };
    this.rows.set(this.key(query), updated);
    return updated;
  }

  async deleteTokens(query) {
    const isThere = this.is(this.rows.get(this.key(query)), query);
    if (isThere) this.rows.delete(this.key(query));
    return { deletedCount: Number(isThere) };
  }
}

/** Which tools are approved, in one process. */
class MemoryPins {
  records = new Map();

  async get(key) {
    return this.records.get(key);
  }

  async compareAndSet(key, expected, value) {
    const isExpected = this.records.get(key) === expected;
    if (isExpected) this.records.set(key, value);
    return isExpected;
  }
}

module.exports = {
  MemoryFlows,
  MemoryLimits,
  MemoryLock,
  MemoryPins,
  MemoryRows,
  MemorySessions,
  MemoryTokens,
  MemoryTurns,
};
