const { spawn } = require('node:child_process');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { accepts, freePort } = require('./ports');
const { needPackage } = require('./requirements');
const { until } = require('./wait');

/** A Redis that keeps nothing on disk. */
async function startRedis() {
  needPackage('redis-server');
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
