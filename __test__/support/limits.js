const { execFileSync, spawn, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const { join } = require('node:path');
const { testAddonPath } = require('../../scripts/addon-path');

const SCRIPT = join(__dirname, '..', 'scripts', 'limited.js');
/** Limits do not hold for root. */
const NOBODY = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};

/** Whether this system lets a process limit the threads of another, and an ordinary user start Node. */
function canLimitThreads() {
  if (process.platform !== 'linux') return false;
  const works = (command, args, options) => spawnSync(command, args, { stdio: 'ignore', ...options }).status === 0;
  return works('prlimit', ['--version']) && works(process.execPath, ['--version'], NOBODY);
}

/** A process that does what `scripts/limited.js` describes, as a user without privileges. */
async function startLimited(config) {
  const env = { PATH: process.env.PATH, NAPI_RS_NATIVE_LIBRARY_PATH: process.env.MCP_TEST_ADDON ?? testAddonPath() };
  const child = spawn(process.execPath, [SCRIPT, JSON.stringify(config)], {
    ...NOBODY,
    env,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, stderr }));
  const answer = async () => {
    const [text] = await Promise.race([
      once(child, 'message'),
      ended.then((end) => Promise.reject(new Error(`ended: ${JSON.stringify(end)}`))),
    ]);
    return text;
  };
  await answer();
  const prlimit = (...args) => execFileSync('prlimit', ['--pid', child.pid, ...args], { ...NOBODY, encoding: 'utf8' });
  const before = prlimit('--nproc', '--output', 'SOFT', '--noheadings').trim();
  return {
    run(work, argument) {
      child.send({ work, argument });
      return answer();
    },
    /** The process, which has threads already, gets no more of them. */
    limit: () => prlimit('--nproc=1:'),
    unlimit: () => prlimit(`--nproc=${before}:`),
    /** Lets it end by itself. */
    end() {
      child.send({ work: 'close' });
      return ended;
    },
    async close() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

module.exports = { canLimitThreads, startLimited };
