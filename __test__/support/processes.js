const { fork } = require('node:child_process');
const { once } = require('node:events');
const { join } = require('node:path');

const SCRIPTS = join(__dirname, '..', 'scripts');

/**
 * Starts a script of `__test__/scripts` that answers each message with one: `ask(message)` resolves to the answer, and
 * rejects when the process ends first. Parameters cross as one JSON text.
 */
function startProcess(name, parameters) {
  const child = fork(join(SCRIPTS, name), [JSON.stringify(parameters)]);
  const ended = once(child, 'exit');
  const isEnded = () => child.exitCode !== null || child.signalCode !== null;
  return {
    pid: child.pid,
    async ask(message) {
      const answered = once(child, 'message').then(([answer]) => answer);
      const failed = ended.then(([code, signal]) => {
        throw new Error(`${name} ended with ${signal ?? code}`);
      });
      child.send(message);
      return Promise.race([answered, failed]);
    },
    /** Dies at once, without a chance to tidy up. */
    async kill() {
      if (!isEnded()) child.kill('SIGKILL');
      await ended;
    },
    async close() {
      if (!isEnded()) child.disconnect();
      await ended;
    },
  };
}

module.exports = { startProcess };
