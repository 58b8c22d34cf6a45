/**
 * What the services ask of a client: one script, by its SHA or with its text, on keys of one slot. Reads are scripts as
 * well: a client that reads from replicas sends those to the master.
 *
 * @typedef {{
 *   bySha: (sha: string, keys: string[], args: string[]) => Promise<unknown>,
 *   byText: (script: string, keys: string[], args: string[]) => Promise<unknown>,
 * }} ScriptClient
 */

const isFunction = (value) => typeof value === 'function';

/** `ioredis`: `Redis` and `Cluster` say how they are doing in `status`; clients with callbacks do not. */
const isIoredis = (client) =>
  isFunction(client.evalsha) && isFunction(client.eval) && typeof client.status === 'string';

/** `redis` from version 5: its clients, clusters, pools and sentinels, but not `client.legacy()`. */
const isNodeRedis = (client) =>
  isFunction(client.evalSha) && isFunction(client.eval) && typeof client.isOpen === 'boolean';

/**
 * @param {any} client
 * @returns {ScriptClient}
 */
function scriptClient(client) {
  if (client && isIoredis(client)) {
    return {
      bySha: (sha, keys, args) => client.evalsha(sha, keys.length, ...keys, ...args),
      byText: (script, keys, args) => client.eval(script, keys.length, ...keys, ...args),
    };
  }
  if (client && isNodeRedis(client)) {
    return {
      bySha: (sha, keys, args) => client.evalSha(sha, { keys, arguments: args }),
      byText: (script, keys, args) => client.eval(script, { keys, arguments: args }),
    };
  }
  throw new TypeError(
    'redisServices: the client must be one of ioredis (Redis, Cluster) or of redis from version 5 (client, cluster)',
  );
}

module.exports = { scriptClient };
