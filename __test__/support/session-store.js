/** `sharedSessions` in memory, and several runtimes that share one. */

const KEY = '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff';

class SessionStore {
  values = new Map();
  calls = [];

  async get(key) {
    this.calls.push('get');
    return this.values.get(key);
  }

  async set(key, value, ttlMs) {
    this.calls.push('set');
    this.put(key, value, ttlMs);
  }

  async compareAndSet(key, expected, value, ttlMs) {
    this.calls.push('compareAndSet');
    if (this.values.get(key) !== expected) return false;
    this.put(key, value, ttlMs);
    return true;
  }

  async delete(key, expected) {
    this.calls.push('delete');
    if (expected !== undefined && this.values.get(key) !== expected) return false;
    return this.values.delete(key);
  }

  put(key, value, ttlMs) {
    if (typeof value !== 'string' || !(ttlMs > 0)) throw new Error(`${value} for ${ttlMs}`);
    this.values.set(key, value);
  }

  /** The keys of a kind: `session`, `session-stream`, `session-turn`. */
  keys(kind) {
    return [...this.values.keys()].filter((key) => JSON.parse(key)[0] === kind);
  }
}

/** A runtime for each of `pods`, over one store. The host options are those of `fixtures.runtime`. */
function startFleet(fixtures, { pods = 2, store = new SessionStore(), services, ...options }) {
  const start = () =>
    fixtures.runtime({ ...options, services: { sharedSessions: store, credentialsKey: KEY, ...services } });
  return { store, start, pods: Array.from({ length: pods }, start) };
}

/** What a server of `startMcpServer` was asked. */
const asked = (server) => ({
  initialize: server.received('initialize').length,
  deleted: server.requests.filter(({ method }) => method === 'DELETE').length,
});

/** The sessions that requests with this method named. */
const sessionsOf = (server, method) => [
  ...new Set(server.received(method).map(({ headers }) => headers['mcp-session-id'])),
];

module.exports = { KEY, SessionStore, asked, sessionsOf, startFleet };
