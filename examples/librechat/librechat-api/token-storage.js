/**
 * Stands for `packages/api/src/mcp/oauth/tokens.ts` (August 2026): a user's tokens for a server are three rows of the token
 * collection, which belong together while they have the same `metadata.credential_set_id`. The addon gets along with it
 * in the same database.
 *
 * @typedef {'mcp_oauth' | 'mcp_oauth_refresh' | 'mcp_oauth_client'} Type
 * @typedef {Record<string, any>} Row
 * @typedef {{ access_token: string, refresh_token?: string, expires_in?: number, [member: string]: any }} Tokens
 * @typedef {{ client_id: string, client_secret?: string, [member: string]: any }} Client
 * @typedef {(refreshToken: string, client: Client, metadata: Record<string, any>) => Promise<Tokens>} Redeem
 * @typedef {[type: Type, data: Record<string, any>]} Write
 * @typedef {object} Owner
 * @property {any} methods  LibreChat's `findToken`, `createToken`, `updateToken`, `deleteTokens`
 * @property {string} userId
 * @property {string} serverName
 */

const { randomUUID } = require('node:crypto');
const { decryptV2, encryptV2 } = require('@librechat/data-schemas');

const YEAR_S = 365 * 24 * 60 * 60;
/** @type {Record<Type, string>} */
const SUFFIX = { mcp_oauth: '', mcp_oauth_refresh: ':refresh', mcp_oauth_client: ':client' };
const TYPES = /** @type {Type[]} */ (Object.keys(SUFFIX));
const [ACCESS, REFRESH, CLIENT] = TYPES;

class ReauthenticationRequiredError extends Error {
  /** @param {'missing' | 'expired' | 'binding'} reason */
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

/** @param {Row | null | undefined} row */
const metadataOf = (row) =>
  row?.metadata instanceof Map ? Object.fromEntries(row.metadata) : { ...(row?.metadata ?? {}) };
/** @param {Row | null | undefined} row */
const setOf = (row) => metadataOf(row).credential_set_id || undefined;
/** @param {Row} row */
const isExpired = (row) => row.expiresAt <= new Date();

class LibreChatTokens {
  /** @param {Owner} owner */
  constructor({ methods, userId, serverName }) {
    this.methods = methods;
    this.userId = userId;
    this.serverName = serverName;
  }

  /** @param {Type} type */
  query(type) {
    return { userId: this.userId, type, identifier: `mcp:${this.serverName}${SUFFIX[type]}` };
  }

  /**
   * @param {Type} type
   * @returns {Promise<Row | null>}
   */
  find(type) {
    return this.methods.findToken(this.query(type));
  }

  /**
   * The tokens, or why the user has to sign in again.
   *
   * @param {Redeem} [redeem]  asks for new ones; without it those that are there are read
   * @returns {Promise<Tokens | null>}
   */
  async getTokens(redeem) {
    const access = await this.find(ACCESS);
    if (!access || isExpired(access)) {
      if (!(await this.find(REFRESH))) throw new ReauthenticationRequiredError(access ? 'expired' : 'missing');
      return redeem ? this.refresh(redeem) : null;
    }
    const set = setOf(access);
    const refresh = await this.find(REFRESH);
    this.assertBound(set, await this.find(CLIENT));
    return {
      access_token: await decryptV2(access.token),
      credential_set_id: set,
      expires_at: access.expiresAt.getTime(),
      ...(refresh && setOf(refresh) === set && { refresh_token: await decryptV2(refresh.token) }),
    };
  }

  /**
   * @param {string | undefined} set
   * @param {Row | null} client
   */
  assertBound(set, client) {
    if (!set || setOf(client) !== set) throw new ReauthenticationRequiredError('binding');
  }

  /**
   * Whatever the expiry says.
   *
   * @param {Redeem} redeem
   */
  async refresh(redeem) {
    const refresh = await this.find(REFRESH);
    if (!refresh) return null;
    const client = await this.find(CLIENT);
    const { token_endpoint, server_url, client_source } = metadataOf(client);
    const info = client && JSON.parse(await decryptV2(client.token));
    if (!client || !info.client_id || !token_endpoint || !server_url || !client_source) {
      throw new ReauthenticationRequiredError('binding');
    }
    const set = setOf(refresh);
    this.assertBound(set, client);
    const tokens = await redeem(await decryptV2(refresh.token), info, metadataOf(client));
    const read = { [REFRESH]: refresh, [CLIENT]: client };
    return this.store({ tokens, client: info, metadata: metadataOf(client), read, refreshedFrom: set });
  }

  /**
   * All rows, or none of them.
   *
   * @param {object} what
   * @param {Tokens} what.tokens
   * @param {Client} what.client
   * @param {Record<string, any>} what.metadata  of the authorization server, and what the client is bound to
   * @param {Partial<Record<Type, Row | null>>} [what.read]  rows that are known
   * @param {string} [what.refreshedFrom]  the set of a refresh, which all rows must have
   * @returns {Promise<Tokens>}
   */
  async store({ tokens, client, metadata, read: known = {}, refreshedFrom }) {
    /** @type {Partial<Record<Type, Row | null>>} */
    const read = {};
    for (const type of TYPES) read[type] = known[type] ?? (await this.find(type));
    if (refreshedFrom) {
      /** @param {Row | null} row */
      const isOther = (row) => row && setOf(row) !== refreshedFrom;
      if (!read[REFRESH] || !read[CLIENT] || Object.values(read).some(isOther)) {
        throw new ReauthenticationRequiredError('binding');
      }
    } else if (read[ACCESS] && read[CLIENT] && setOf(read[ACCESS]) !== setOf(read[CLIENT])) {
      throw new ReauthenticationRequiredError('binding');
    }
    const set = (!refreshedFrom && tokens.credential_set_id) || randomUUID();
    const ofSet = { credential_set_id: set };
    const expiresIn = tokens.expires_in ?? YEAR_S;
    /** @type {Write[]} */
    const writes = [[ACCESS, { token: await encryptV2(tokens.access_token), expiresIn, metadata: ofSet }]];
    if (tokens.refresh_token) {
      const token = await encryptV2(tokens.refresh_token);
      writes.push([REFRESH, { token, expiresIn: YEAR_S, metadata: ofSet }]);
    } else if (refreshedFrom) {
      writes.push([REFRESH, { metadata: ofSet }]);
    }
    const token = await encryptV2(JSON.stringify(client));
    writes.push([CLIENT, { token, expiresIn: YEAR_S, metadata: { ...metadata, ...ofSet } }]);
    // A row that is there comes first: of two writers it stops one.
    const anchor = writes.findIndex(([type]) => read[type]);
    if (anchor > 0) writes.unshift(...writes.splice(anchor, 1));
    await this.commit(writes, read, set);
    return { ...tokens, credential_set_id: set, expires_at: Date.now() + expiresIn * 1000 };
  }

  /**
   * @param {Write[]} writes
   * @param {Partial<Record<Type, Row | null>>} read
   * @param {string} set
   */
  async commit(writes, read, set) {
    const undo = [];
    try {
      for (const [type, data] of writes) undo.push(await this.write(type, data, read[type], set));
    } catch (error) {
      for (const revert of undo.reverse()) await revert();
      throw error;
    }
  }

  /**
   * Resolves to what undoes it, unless somebody else has written since.
   *
   * @param {Type} type
   * @param {Record<string, any>} data
   * @param {Row | null | undefined} old
   * @param {string} set
   */
  async write(type, data, old, set) {
    const { createToken, updateToken, deleteTokens } = this.methods;
    const query = this.query(type);
    const written = { ...query, token: data.token ?? old?.token, metadataCredentialSetId: set };
    if (!old) {
      await createToken({ ...query, ...data });
      return () => deleteTokens(written);
    }
    const before = { ...query, token: old.token, metadataCredentialSetId: setOf(old) ?? null };
    if (!(await updateToken(before, { ...query, ...data }))) throw new ReauthenticationRequiredError('binding');
    const { token, expiresAt } = old;
    return () => updateToken(written, { token, expiresAt, metadata: metadataOf(old) });
  }

  /**
   * Whether a token that somebody else got is still the one that is stored.
   *
   * @param {Tokens} tokens
   */
  async isCurrent({ access_token, credential_set_id }) {
    const access = await this.find(ACCESS);
    if (!access || isExpired(access) || !credential_set_id) return false;
    return setOf(access) === credential_set_id && (await decryptV2(access.token)) === access_token;
  }
}

module.exports = { LibreChatTokens };
