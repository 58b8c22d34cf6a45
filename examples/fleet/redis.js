const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { setTimeout: delay } = require('node:timers/promises');
const { createClient } = require('redis');

const START_MS = 30_000;
const POLL_MS = 50;
const MISSING = 'there is no redis-server: install it with apt-get install redis-server, or brew install redis';

/** @param {string} url */
async function answers(url) {
  const client = createClient({ url, socket: { reconnectStrategy: false } }).on('error', () => {});
  return client.connect().then(
    () => {
      client.destroy();
      return true;
    },
    () => false,
  );
}

/**
 * A Redis that keeps nothing on disk.
 *
 * @param {number} port
 * @returns `{ url, pid, close }`
 */
async function startRedis(port) {
  const directory = mkdtempSync(join(tmpdir(), 'fleet-redis-'));
  const args = ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--dir', directory];
  const child = spawn('redis-server', args, { stdio: 'ignore' });
  const url = `redis://127.0.0.1:${port}`;
  /** @type {NodeJS.ErrnoException | undefined} */
  let failure;
  child.on('error', (error) => {
    failure = error;
  });
  // A process that ends in a hurry takes it with it.
  const clean = () => {
    child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  };
  process.once('exit', clean);
  const close = async () => {
    const isRunning = child.pid && child.exitCode === null && child.signalCode === null;
    const ended = isRunning ? once(child, 'exit') : undefined;
    clean();
    await ended;
    process.off('exit', clean);
  };
  const deadline = Date.now() + START_MS;
  while (failure || !(await answers(url))) {
    if (failure || child.exitCode !== null || Date.now() > deadline) {
      await close();
      throw new Error(failure?.code === 'ENOENT' ? MISSING : `redis-server did not start on port ${port}`);
    }
    await delay(POLL_MS);
  }
  return { url, pid: /** @type {number} */ (child.pid), close };
}

module.exports = { startRedis };
