const { fork } = require('node:child_process');
const { once } = require('node:events');
const { join } = require('node:path');
const { processStopped } = require('./wait');

const SCRIPTS = join(__dirname, '..', 'scripts');
/** For a process to tidy up, before it is killed. */
const END_MS = 15_000;

/**
 * Starts a script of `__test__/scripts` that answers each message with one. Parameters cross as one JSON text.
 *
 * @returns `{ listen, message, send, ask, pause, resume, kill, close }`: `message()` resolves to the next message, `ask(question)` to the
 *   answer; both reject when the process ends first. `listen(hear)` is for all messages, and rejects at the end
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
    async listen(hear) {
      child.on('message', hear);
      const [code, signal] = await ended;
      throw new Error(`${name} ended with ${signal ?? code}`);
    },
    send: (question) => child.send(question),
    async ask(question) {
      const answer = message();
      child.send(question);
      return answer;
    },
    async pause() {
      child.kill('SIGSTOP');
      await processStopped(child.pid);
    },
    resume: () => child.kill('SIGCONT'),
    /** Dies at once, without a chance to tidy up. */
    async kill() {
      if (!isEnded()) child.kill('SIGKILL');
      await ended;
    },
    async close() {
      if (isEnded()) return;
      child.disconnect();
      const stubborn = setTimeout(() => child.kill('SIGKILL'), END_MS);
      await ended;
      clearTimeout(stubborn);
    },
  };
}

module.exports = { startProcess };
