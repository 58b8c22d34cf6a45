const { openTokenStore } = require('./token-store');

/**
 * The token collection of an example that runs: `environment` is what it gives its app.
 *
 * @returns `{ credentialSet, expire, dropAccess, forget, close }`
 */
async function createUserDatabase({ MONGO_URI, MONGO_DB }) {
  const store = await openTokenStore({ uri: MONGO_URI, database: MONGO_DB });
  const { Token } = store.models;
  return {
    /** Of all three rows. */
    async credentialSet(userId) {
      const sets = Object.values(await store.rows(userId)).map(({ metadata }) => metadata?.credential_set_id);
      if (new Set(sets).size > 1) throw new Error(`rows are of different credential sets: ${sets}`);
      return sets[0];
    },
    expire: (userId) => store.expire(userId),
    /** As MongoDB does with rows that have expired. */
    dropAccess: (userId) => Token.deleteOne({ userId, type: 'mcp_oauth' }),
    forget: (userId) => Token.deleteMany({ userId }),
    close: () => store.close(),
  };
}

module.exports = { createUserDatabase };
