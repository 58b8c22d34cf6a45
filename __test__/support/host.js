const { recordLog } = require('./secrets');
const { formatTools } = require('./tools');

const LEVELS = ['debug', 'info', 'warn', 'error'];

/**
 * Server configurations by name, as LibreChat's registry answers them. The methods are on the prototype and use
 * `this`: a caller that detaches them breaks, as with the real one.
 */
class Registry {
  constructor({ servers = {}, allowedAddresses = [], allowedDomains = null, reinspect } = {}) {
    this.servers = servers;
    this.allowedAddresses = allowedAddresses;
    this.allowedDomains = allowedDomains;
    this.reinspect = reinspect;
    this.calls = [];
  }

  async getServerConfig(name, userId, configServers) {
    this.calls.push({ method: 'getServerConfig', args: [name, userId, configServers] });
    return configServers?.[name] ?? this.servers[name];
  }

  async getAllServerConfigs(userId, configServers) {
    this.calls.push({ method: 'getAllServerConfigs', args: [userId, configServers] });
    return { ...this.servers, ...configServers };
  }

  async reinspectServer(name, storage, userId) {
    this.calls.push({ method: 'reinspectServer', args: [name, storage, userId] });
    if (!this.reinspect) throw new Error(`Inspection of ${name} failed`);
    return this.reinspect(this.servers[name], this);
  }

  shouldEnableSSRFProtection() {
    return !this.allowedDomains?.length;
  }

  getAllowedDomains() {
    return this.allowedDomains;
  }

  getAllowedAddresses() {
    return this.allowedAddresses;
  }

  called(method) {
    return this.calls.filter((call) => call.method === method).map((call) => call.args);
  }
}

/** Keeps what it is told. The levels are on the prototype and use `this`, as winston's do. */
class RecordingLogger {
  constructor() {
    this.entries = [];
  }

  record(level, message, meta) {
    const entry = { level, message: String(message), meta };
    this.entries.push(entry);
    recordLog(line(entry));
  }

  messages(level) {
    return this.entries.filter((entry) => entry.level === level).map((entry) => entry.message);
  }

  /** Everything that was logged, errors included, as one text. */
  text() {
    return this.entries.map(line).join('\n');
  }
}

for (const level of LEVELS) {
  RecordingLogger.prototype[level] = function log(message, ...meta) {
    this.record(level, message, meta);
  };
}

const line = ({ level, message, meta }) => `${level} ${message} ${meta.map(render).join(' ')}`;

function render(value) {
  const seen = new WeakSet();
  const replace = (_, inner) => {
    if (inner === null || typeof inner !== 'object') return typeof inner === 'bigint' ? String(inner) : inner;
    if (seen.has(inner)) return '[circular]';
    seen.add(inner);
    const isError = Object.prototype.toString.call(inner) === '[object Error]';
    if (!isError) return inner;
    return { ...inner, name: inner.name, message: inner.message, stack: inner.stack, cause: inner.cause };
  };
  return JSON.stringify(value, replace) ?? String(value);
}

/**
 * Host services in memory.
 *
 * @param options.servers    configurations by name
 * @param options.allow      servers (or `host:port`) that may be reached although they are on loopback
 * @param options.reinspect  `(config, registry) => answer of reinspectServer`
 * @param options.services   members that replace or add to the ones made here; `undefined` takes one away
 */
function createHost({ servers, allow = [], allowedDomains, reinspect, services } = {}) {
  const allowedAddresses = allow.map((server) => server.address ?? server);
  const registry = new Registry({ servers, allowedAddresses, allowedDomains, reinspect });
  const logger = new RecordingLogger();
  const updates = [];
  const members = {
    logger,
    registry: () => registry,
    updateMCPServerTools: async (update) => {
      updates.push(update);
      return formatTools(update.serverName, update.tools);
    },
    ...services,
  };
  for (const [name, member] of Object.entries(members)) if (member === undefined) delete members[name];
  return { services: members, registry, logger, updates };
}

let lastUser = 0;

function createUser(extra) {
  lastUser += 1;
  const id = lastUser.toString(16).padStart(24, '0');
  return { id, name: `User ${lastUser}`, email: `user${lastUser}@example.org`, role: 'USER', ...extra };
}

/** A user whose login, an hour of it, is this assertion. */
function openIdUser(assertion) {
  const inAnHour = Math.floor(Date.now() / 1000) + 3600;
  const federatedTokens = { access_token: assertion, expires_at: inAnHour };
  const user = createUser({ provider: 'openid', federatedTokens });
  return { ...user, openidId: `subject-${user.id}` };
}

module.exports = { RecordingLogger, Registry, createHost, createUser, openIdUser };
