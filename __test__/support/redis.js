const { spawn, spawnSync } = require('node:child_process');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { accepts, freePort } = require('./ports');
const { until } = require('./wait');

/** Debian's package, installed where it is missing and may be. */
function redisServer() {
  const isThere = () => spawnSync('redis-server', ['--version']).status === 0;
  if (isThere()) return;
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'redis-server']]) {
    spawnSync('apt-get', args, { env: environment, stdio: 'ignore' });
  }
  if (!isThere()) throw new Error('redis-server is missing: apt-get install redis-server');
}

/** A Redis that keeps nothing on disk. */
async function startRedis() {
  redisServer();
  const [port, directory] = [await freePort(), mkdtempSync(join(tmpdir(), 'redis-'))];
  const args = ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--dir', directory];
  const child = spawn('redis-server', args, { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.on('close', resolve));
  await until('Redis', () => accepts(port));
  return {
    url: `redis://127.0.0.1:${port}`,
    close: async () => {
      child.kill();
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

module.exports = { startRedis };
