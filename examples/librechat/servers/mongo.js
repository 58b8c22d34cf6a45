const { spawn, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { createInterface } = require('node:readline');

const PACKAGE = 'secantusdb==0.7.0b3';
const ENVIRONMENT = join(__dirname, '..', '..', '..', 'target', 'secantusdb');
const PYTHON = join(ENVIRONMENT, 'bin', 'python');
/** Names the package when its installation has come to its end. */
const INSTALLED = join(ENVIRONMENT, 'installed');
const START_MS = 60_000;

/** Serves until its standard input ends, so that it never outlives who started it. */
const SERVE = `
import sys
from secantus import SecantusDBServer
with SecantusDBServer(storage_path=sys.argv[1]) as server:
    print(server.uri, flush=True)
    sys.stdin.read()
`;

/**
 * @param {string} command
 * @param {string[]} args
 */
function run(command, args) {
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
}

const isInstalled = () => existsSync(PYTHON) && existsSync(INSTALLED) && readFileSync(INSTALLED, 'utf8') === PACKAGE;

/** In a Python environment of its own, made once. Needs Python with venv (Debian: python3-venv). */
function install() {
  run('python3', ['-m', 'venv', ENVIRONMENT]);
  run(PYTHON, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', PACKAGE]);
  writeFileSync(INSTALLED, PACKAGE);
}

/** @param {import('node:stream').Readable} stream */
async function firstLine(stream) {
  const [line] = await once(createInterface(stream), 'line', { signal: AbortSignal.timeout(START_MS) });
  return line;
}

/** Starts SecantusDB, a server that speaks MongoDB's protocol; resolves to `{ uri, close }`. */
async function startSecantusDb() {
  if (!isInstalled()) install();
  const directory = mkdtempSync(join(tmpdir(), 'mongo-'));
  const child = spawn(PYTHON, ['-c', SERVE, directory], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  // A process that ends in a hurry takes the database with it, before its files.
  const clean = () => {
    child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  };
  process.once('exit', clean);
  const close = async () => {
    child.kill();
    await ended;
    process.off('exit', clean);
    clean();
  };
  try {
    const early = ended.then(() => Promise.reject(new Error('the database ended while it started')));
    return { uri: await Promise.race([firstLine(child.stdout), early]), close };
  } catch (error) {
    await close();
    throw error;
  }
}

module.exports = { install, isInstalled, startSecantusDb };
