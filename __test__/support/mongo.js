const { randomBytes } = require('node:crypto');
const { Mongoose } = require('mongoose');
const { startSecantusDb } = require('../../examples/librechat/servers/mongo');
const { needPackage } = require('./requirements');

async function dropDatabase(uri, dbName) {
  const mongoose = new Mongoose();
  await mongoose.connect(uri, { dbName });
  await mongoose.connection.dropDatabase();
  await mongoose.disconnect();
}

/**
 * A MongoDB-wire server with a database of the caller's own: the one that MONGO_URI names, whose database is dropped by
 * `close()`, else a SecantusDB.
 *
 * @returns `{ uri, database, close }`, the first two for `openTokenStore`
 */
async function startMongo() {
  const database = `mcp-test-${randomBytes(6).toString('hex')}`;
  const { MONGO_URI } = process.env;
  if (MONGO_URI) return { uri: MONGO_URI, database, close: () => dropDatabase(MONGO_URI, database) };
  needPackage('python3-venv');
  return { database, ...(await startSecantusDb()) };
}

module.exports = { startMongo };
