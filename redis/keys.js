const { createHash } = require('node:crypto');

/** What is longer is hashed. */
const LONGEST = 128;
/** Types of flows whose ids are made of a tenant, a user and a server. Of others the ids may be secrets. */
const TYPES_WITH_OWNERS = ['mcp_oauth', 'mcp_get_tokens'];
const TENANT = 'tenant';

/** UTF-16 as it is: in UTF-8 halves of surrogate pairs would all be the same. */
const hashed = (text) => `~${createHash('sha256').update(Buffer.from(text, 'utf16le')).digest('hex')}`;

const escapeUnit = (unit) => {
  const code = unit.charCodeAt(0).toString(16);
  return code.length > 2 ? `%u${code.padStart(4, '0')}` : `%${code.padStart(2, '0')}`;
};

/** A name as a part of a key: no two names become the same part, and none has a `:`, `{`, `}` or `~`. */
function part(name) {
  const escaped = name.replace(/[^\w.-]/g, escapeUnit);
  return escaped.length > LONGEST ? hashed(name) : escaped;
}

/**
 * Whose flow that is, as LibreChat's `parseFlowId` says: `USER:SERVER`, or `tenant:TENANT:USER:SERVER`.
 *
 * @returns {[string, string] | undefined}
 */
function ownerOfFlow(flowId) {
  const parts = flowId.split(':');
  const from = parts[0] === TENANT && parts.length > 3 ? 2 : 0;
  const [user, server] = [parts[from], parts.slice(from + 1).join(':')];
  return user && server ? [user, server] : undefined;
}

/** What a JSON array of strings has; nothing of anything else. */
function strings(json) {
  try {
    const parts = JSON.parse(json);
    if (Array.isArray(parts) && parts.every((it) => typeof it === 'string')) return parts;
  } catch {}
  return [];
}

/** Of `["refresh",TENANT,USER,SERVER]` and `[TENANT,USER,SERVER]`. */
function ownerOfLease(leaseId) {
  const parts = strings(leaseId);
  const isLease = parts.length === 3 || (parts.length === 4 && parts[0] === 'refresh');
  return isLease ? parts.slice(-2) : undefined;
}

/** The runtime's locks are named as the flows beside them, `mcp_get_tokens:FLOW`. */
function ownerOfLock(lockKey) {
  const type = TYPES_WITH_OWNERS.find((type) => lockKey.startsWith(`${type}:`));
  return type && ownerOfFlow(lockKey.slice(type.length + 1));
}

/** Ids of rows are `mcp:SERVER` and what their type puts behind it. */
const ROW_SUFFIXES = {
  mcp_oauth: '',
  mcp_oauth_refresh: ':refresh',
  mcp_oauth_client: ':client',
  mcp_oauth_dpop: ':dpop',
};

function ownerOfRow({ userId, type, identifier }) {
  const [, server] = /^mcp:(.+)$/s.exec(identifier) ?? [];
  const suffix = Object.hasOwn(ROW_SUFFIXES, type) ? ROW_SUFFIXES[type] : undefined;
  if (suffix === undefined || !server?.endsWith(suffix) || server === suffix) return undefined;
  return [userId, server.slice(0, server.length - suffix.length)];
}

/**
 * Names of keys. Those of one user and server have one hash tag, `{USER:SERVER}`, and so one slot of a cluster. Whatever has
 * no user and server in it, such as a login's `state`, is hashed: it may be a secret.
 *
 * @param {string} prefix
 */
function keyNames(prefix) {
  const joined = (parts) => parts.map(part).join(':');
  const named = (kind, id, owner) => {
    if (!owner) return `${prefix}${kind}:{${hashed(id)}}`;
    return `${prefix}${kind}:{${joined(owner)}}:${part(id)}`;
  };
  /** `[NAME,USER,SERVER]` and `[NAME,USER,SERVER,DIGEST]`, as the runtime names sessions and limits. */
  const listed = (kind, key) => {
    const parts = strings(key);
    // Written in another way it is another key.
    const isListed = (parts.length === 3 || parts.length === 4) && JSON.stringify(parts) === key;
    if (!isListed) return named(kind, key);
    const [name, user, server, ...digest] = parts;
    return `${prefix}${kind}:{${joined([user, server])}}:${joined([name, ...digest])}`;
  };
  return {
    lock: (key) => named('lock', key, ownerOfLock(key)),
    fence: (key) => named('fence', key, ownerOfLock(key)),
    lease: (id) => named('lease', id, ownerOfLease(id)),
    flow: (id, type) => named(`flow:${part(type)}`, id, TYPES_WITH_OWNERS.includes(type) ? ownerOfFlow(id) : undefined),
    token: (key) => named('token', key),
    session: (key) => listed('session', key),
    pins: (key) => listed('pins', key),
    count: (key) => listed('count', key),
    block: (key) => listed('block', key),
    rate: (key) => listed('rate', key),
    places: (key) => listed('places', key),
    row: (row) => {
      const owner = ownerOfRow(row);
      return owner
        ? named(`row:${part(row.type)}`, row.identifier, owner)
        : named('row', JSON.stringify([row.userId, row.type, row.identifier]));
    },
  };
}

module.exports = { keyNames };
