/**
 * Tokens of users in Redis, for the example: LibreChat has MongoDB for them. What is stored is encrypted by the runtime.
 *
 * A row is one text of JSON, under a key with an end. Whoever changes it has read it, and changes it while it is the same.
 */

const { randomUUID } = require('node:crypto');

const PREFIX = 'fleet:token:';

const CHANGE = `
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('del', KEYS[1]) else redis.call('set', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1`;

/**
 * @typedef {{ token: string, metadata?: Record<string, any>, createdAt: number, expiresAt: number, version: string }} Row
 * @typedef {{ userId: string, type: string, identifier: string }} Key
 * @typedef {Key & { token?: string, metadataCredentialSetId?: string | null }} Query
 */

/** @param {Key} key */
const keyOf = ({ userId, type, identifier }) => `${PREFIX}{${userId}}:${type}:${identifier}`;

/** @param {Row} row */
const shown = ({ version, createdAt, expiresAt, ...row }) => ({
  ...row,
  createdAt: new Date(createdAt),
  expiresAt: new Date(expiresAt),
});

/** A key's end is its row's; one that is over already is as good as deleted. @param {Row} row */
const lifeOf = (row) => Math.max(1, row.expiresAt - Date.now());

/**
 * @param {Row} row
 * @param {Query} query
 */
const matches = (row, { token = row.token, metadataCredentialSetId: set }) =>
  row.token === token && (set === undefined || (row.metadata?.credential_set_id ?? null) === set);

/**
 * @param {any} client  of node-redis
 * @returns {import('librechat-mcp-native').MCPTokenMethods}
 */
function redisTokenStore(client) {
  /**
   * @param {Query} query
   * @param {(row: Row) => Row | undefined} changed  `undefined`: deleted
   */
  async function change(query, changed) {
    const key = keyOf(query);
    for (;;) {
      const text = await client.get(key);
      if (text === null) return undefined;
      const row = JSON.parse(text);
      if (!matches(row, query)) return undefined;
      const next = changed(row);
      const args = next ? [text, JSON.stringify(next), String(lifeOf(next))] : [text, '', '0'];
      // Where somebody was faster, it is another row by now.
      if (await client.eval(CHANGE, { keys: [key], arguments: args })) return next ?? row;
    }
  }

  return {
    async findToken(query) {
      const text = await client.get(keyOf(query));
      return text === null ? null : shown(JSON.parse(text));
    },

    async createToken({ token, expiresIn, metadata, ...key }) {
      const createdAt = Date.now();
      const row = { token, metadata, createdAt, expiresAt: createdAt + expiresIn * 1000, version: randomUUID() };
      const isNew = await client.set(keyOf(key), JSON.stringify(row), { PX: lifeOf(row), NX: true });
      if (!isNew) throw new Error('this row is there already');
      return shown(row);
    },

    async updateToken(query, { expiresIn, expiresAt, ...changes }) {
      const end = expiresAt?.getTime() ?? (expiresIn === undefined ? undefined : Date.now() + expiresIn * 1000);
      const row = await change(query, (before) => ({
        ...before,
        ...changes,
        ...(end !== undefined && { expiresAt: end }),
        version: randomUUID(),
      }));
      return row ? shown(row) : null;
    },

    async deleteTokens(query) {
      return { deletedCount: (await change(query, () => undefined)) ? 1 : 0 };
    },
  };
}

module.exports = { redisTokenStore };
