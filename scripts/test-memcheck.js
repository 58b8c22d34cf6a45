/**
 * What the addon does with memory, watched by valgrind: everything that crosses between JavaScript and the addon, once, in
 * Node. Reads and writes of what is not there or was freed, values that nobody has set, frees that do not fit. Not: leaks,
 * since Node leaves much to the end of the process; `npm run soak` looks for those.
 *
 *   npm run build:test && npm run test:memcheck
 */

const { spawnSync } = require('node:child_process');
const { join } = require('node:path');
const { testAddonPath } = require('./addon-path');

const CROSSINGS = join(__dirname, '..', '__test__', 'scripts', 'crossings.js');
const LIMIT_MS = 45 * 60_000;
const OPTIONS = [
  '--tool=memcheck',
  '--leak-check=no',
  // V8 writes code over code, and its threads spin where only one runs at a time.
  '--smc-check=all-non-file',
  '--fair-sched=yes',
  '--num-callers=40',
  '--error-exitcode=99',
  '--quiet',
];

function main() {
  testAddonPath();
  if (spawnSync('valgrind', ['--version']).status !== 0) {
    throw new Error('valgrind is missing: apt-get install valgrind');
  }
  const command = [...OPTIONS, process.execPath, '--single-threaded-gc', CROSSINGS];
  return spawnSync('valgrind', command, { stdio: 'inherit', timeout: LIMIT_MS }).status ?? 1;
}

try {
  process.exitCode = main();
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
