const { fork } = require('node:child_process');
const { once } = require('node:events');
const { join } = require('node:path');

const SCRIPTS = join(__dirname, '..', 'scripts');

/**
 * Starts a script of `__test__/scripts` that answers each message with one. Parameters cross as one JSON text.
 *
 * @returns `{ message, ask, kill, close }`: `message()` resolves to the next message, `ask(question)` to the answer; both
 *   reject when the process ends first
 */
function startProcess(name, parameters) {
  const child = fork(join(SCRIPTS, name), [JSON.stringify(parameters)]);
  const ended = once(child, 'exit');
  const isEnded = () => child.exitCode !== null || child.signalCode !== null;
  const message = async () => {
    const arrived = once(child, 'message').then(([value]) => value);
    const failed = ended.then(([code, signal]) => {
      throw new Error(`${name} ended with ${signal ?? code}`);
    });
    return Promise.race([arrived, failed]);
  };
  return {
    message,
    async ask(question) {
      const answer = message();
      child.send(question);
      return answer;
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
