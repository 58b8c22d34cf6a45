const { spawn } = require('node:child_process');
const { mkdirSync, mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { accepts, freePort } = require('./ports');
const { needPackage } = require('./requirements');
const { processStopped, until } = require('./wait');

/**
 * A Redis that keeps nothing on disk, unless `more` says so.
 *
 * @param {string[]} [more]  further arguments of `redis-server`
 * @param {number} [at]       its port, where it takes the place of one that is gone
 * @returns `{ url, port, pause, resume, kill, restart, close }`: `pause()` stops the process, and `resume()` lets it go on;
 *   `restart()` is the death of the process and a new one, which finds what is on disk unless it `isEmpty`
 */
async function startRedis(more = [], at = undefined) {
  needPackage('redis-server');
  const [port, directory] = [at ?? (await freePort()), mkdtempSync(join(tmpdir(), 'redis-'))];
  const args = ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--dir', directory, ...more];
  let child;
  let ended;
  const start = async () => {
    child = spawn('redis-server', args, { stdio: 'ignore' });
    ended = new Promise((resolve) => child.on('close', resolve));
    await until('Redis', () => accepts(port));
  };
  await start();
  const kill = async (signal) => {
    child.kill(signal);
    await ended;
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    async pause() {
      child.kill('SIGSTOP');
      await processStopped(child.pid);
    },
    resume: () => child.kill('SIGCONT'),
    kill: () => kill('SIGKILL'),
    async restart({ isEmpty = false } = {}) {
      await kill('SIGKILL');
      if (isEmpty) {
        rmSync(directory, { recursive: true });
        mkdirSync(directory);
      }
      await start();
    },
    close: async () => {
      child.kill('SIGCONT');
      await kill('SIGTERM');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

module.exports = { startRedis };
