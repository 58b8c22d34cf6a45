/** Where `oidc-provider` keeps what it knows: in memory, all of it. Its own adapter forgets beyond a thousand things. */

/** @typedef {{ payload: any, ends: number }} Entry */

/** By kind and id. @type {Map<string, Map<string, Entry>>} */
const kinds = new Map();

/** @implements {Pick<import('oidc-provider').Adapter, 'upsert' | 'find'>} */
export class MapAdapter {
  /** @param {string} kind */
  constructor(kind) {
    if (!kinds.has(kind)) kinds.set(kind, new Map());
    this.entries = /** @type {Map<string, Entry>} */ (kinds.get(kind));
  }

  /**
   * @param {string} id
   * @param {any} payload
   * @param {number} seconds
   */
  async upsert(id, payload, seconds) {
    this.entries.set(id, { payload, ends: seconds ? Date.now() + seconds * 1000 : Infinity });
  }

  /** @param {string} id */
  async find(id) {
    const entry = this.entries.get(id);
    if (entry && entry.ends > Date.now()) return entry.payload;
    this.entries.delete(id);
    return undefined;
  }

  /** @param {string} uid */
  async findByUid(uid) {
    return [...this.entries.values()].find(({ payload }) => payload.uid === uid)?.payload;
  }

  /** Codes that people type are not given out here. */
  async findByUserCode() {
    return undefined;
  }

  /** @param {string} id */
  async consume(id) {
    const entry = this.entries.get(id);
    if (entry) entry.payload.consumed = Math.floor(Date.now() / 1000);
  }

  /** @param {string} id */
  async destroy(id) {
    this.entries.delete(id);
  }

  /** @param {string} grantId */
  async revokeByGrantId(grantId) {
    this.deleteWhere((payload) => payload.grantId === grantId);
  }

  /** @param {(payload: any) => boolean} condition */
  deleteWhere(condition) {
    for (const [id, { payload }] of this.entries) if (condition(payload)) this.entries.delete(id);
  }
}

/** Deletes a user's access tokens. @param {string | null} accountId */
export function withdraw(accountId) {
  new MapAdapter('AccessToken').deleteWhere((payload) => payload.accountId === accountId);
}
