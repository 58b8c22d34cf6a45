const { join } = require('node:path');
const { Mongoose } = require('mongoose');
const { ROOT } = require('../../scripts/addon-path');
const { registerSecrets } = require('./secrets');

// Read when LibreChat's package is loaded.
process.env.CREDS_KEY ??= '0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0';
process.env.CREDS_IV ??= '00112233445566778899aabbccddeeff';
process.env.LIBRECHAT_LOG_DIR ??= join(ROOT, 'target', 'librechat-logs');

registerSecrets(process.env.CREDS_KEY, process.env.CREDS_IV);

const { createMethods, createModels, decryptV2, encryptV2 } = require('@librechat/data-schemas');

/**
 * LibreChat's own token methods over a database of `startMongo`.
 *
 * @returns `{ services, models, rows, close }`: `services` are host services, the encryption's key among them, which is that of
 *   `encryptV2` and `decryptV2`; `rows(userId)` are the documents by type, `plain(userId)` their texts decrypted
 *   by LibreChat; `expire(userId, inMs?)` has the access token expire then, a minute ago unless told
 */
async function openTokenStore({ uri, database }) {
  const mongoose = new Mongoose();
  createModels(mongoose);
  const { findToken, createToken, updateToken, deleteTokens } = createMethods(mongoose);
  // Indexes of all of LibreChat's collections are not needed here.
  await mongoose.connect(uri, { dbName: database, autoIndex: false, autoCreate: false });
  const { Token } = mongoose.models;
  const rows = async (userId) => {
    const found = await Token.find({ userId }).lean();
    return Object.fromEntries(found.map((row) => [row.type, row]));
  };
  return {
    models: mongoose.models,
    services: {
      tokenMethods: { findToken, createToken, updateToken, deleteTokens },
      credentialsKey: process.env.CREDS_KEY,
    },
    rows,
    async plain(userId) {
      const stored = Object.entries(await rows(userId));
      return Object.fromEntries(
        await Promise.all(stored.map(async ([type, { token }]) => [type, await decryptV2(token)])),
      );
    },
    async expire(userId, inMs = -60_000) {
      const expiresAt = new Date(Date.now() + inMs);
      const { matchedCount } = await Token.updateOne({ userId, type: 'mcp_oauth' }, { expiresAt });
      if (matchedCount !== 1) throw new Error('there is no access token to expire');
    },
    close: () => mongoose.disconnect(),
  };
}

module.exports = { decryptV2, encryptV2, openTokenStore };
