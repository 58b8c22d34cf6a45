const { spawn } = require('node:child_process');
const { join } = require('node:path');

const SCRIPTS = join(__dirname, '..', 'scripts');

/**
 * Starts a script of `__test__/scripts` as a process of its own. Arguments cross as one JSON text; a script that is told
 * to `stay` does so until its standard input ends.
 * `ended` resolves to { code, signal, output }; a script that did not end within `limitMs` was killed, with signal
 * SIGKILL.
 */
function startScript(name, parameters = {}, limitMs = 60_000) {
  const child = spawn(process.execPath, [join(SCRIPTS, name), JSON.stringify(parameters)], {
    stdio: [parameters.stay ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text) => {
      output += text;
    });
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, output });
    });
  });
  return { child, ended, output: () => output };
}

const runScript = (...args) => startScript(...args).ended;

module.exports = { runScript, startScript };
