const { spawn, spawnSync } = require('node:child_process');
const { randomBytes } = require('node:crypto');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { Mongoose } = require('mongoose');
const { ROOT } = require('../../scripts/addon-path');
const { debianPackage, runs } = require('./debian');
const { until } = require('./wait');

const PACKAGE = 'secantusdb==0.7.0b3';
const ENVIRONMENT = join(ROOT, 'target', 'secantusdb');
const PYTHON = join(ENVIRONMENT, 'bin', 'python');

/** Serves until its standard input ends, so that it never outlives who started it. */
const SERVE = `
import sys
from secantus import SecantusDBServer
with SecantusDBServer(storage_path=sys.argv[1]) as server:
    print(server.uri, flush=True)
    sys.stdin.read()
`;

function run(command, args) {
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
}

/** SecantusDB, a server that speaks MongoDB's protocol, in a Python environment of its own; made once. */
function secantusDb() {
  if (runs(PYTHON, '-c', 'import secantus')) return;
  debianPackage('python3-venv', () => runs('python3', '-c', 'import ensurepip'));
  run('python3', ['-m', 'venv', ENVIRONMENT]);
  run(PYTHON, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', PACKAGE]);
}

async function startSecantusDb() {
  secantusDb();
  const directory = mkdtempSync(join(tmpdir(), 'mongo-'));
  const child = spawn(PYTHON, ['-c', SERVE, directory], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.on('close', resolve));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  await until('the database', () => output.includes('\n'), 20_000);
  return {
    uri: output.trim(),
    async close() {
      child.kill();
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

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
  return { database, ...(await startSecantusDb()) };
}

module.exports = { startMongo };
