const { spawn } = require('node:child_process');
const { mkdtempSync, readFileSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { accepts, freePort } = require('./ports');
const { needPackage } = require('./requirements');
const { until } = require('./wait');

/**
 * A Redis that keeps nothing on disk.
 *
 * @param {string[]} [more]  further arguments of `redis-server`
 * @param {number} [at]       its port, where it takes the place of one that is gone
 * @returns `{ url, port, pause, resume, kill, close }`: `pause()` stops the process, and `resume()` lets it go on
 */
async function startRedis(more = [], at = undefined) {
  needPackage('redis-server');
  const [port, directory] = [at ?? (await freePort()), mkdtempSync(join(tmpdir(), 'redis-'))];
  const args = ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--dir', directory, ...more];
  const child = spawn('redis-server', args, { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.on('close', resolve));
  await until('Redis', () => accepts(port));
  const kill = async (signal) => {
    child.kill(signal);
    await ended;
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    async pause() {
      child.kill('SIGSTOP');
      await until('its stop', () => readFileSync(`/proc/${child.pid}/stat`, 'utf8').includes(') T '));
    },
    resume: () => child.kill('SIGCONT'),
    kill: () => kill('SIGKILL'),
    close: async () => {
      child.kill('SIGCONT');
      await kill('SIGTERM');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

module.exports = { startRedis };
