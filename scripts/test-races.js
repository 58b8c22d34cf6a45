/**
 * Data races, found by ThreadSanitizer while tests run: the unit tests, and the suites of `tests/` that start no process. The
 * standard library is compiled with it, too, which needs nightly Rust.
 *
 *   npm run test:races                     all of them
 *   npm run test:races -- --lib FILTER     what cargo test takes
 */

const { spawnSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const { join } = require('node:path');
const { ROOT } = require('./addon-path');

const TARGET = 'x86_64-unknown-linux-gnu';
/** Those that start processes fork, and the sanitizer does not follow. */
const SUITES = [
  'echoed_secrets',
  'faults',
  'network',
  'oauth',
  'oauth_requests',
  'obo',
  'sse',
  'stream_pace',
  'streamable_http',
  'websocket',
];

function checkToolChain() {
  const { status, stdout } = spawnSync('rustc', ['+nightly', '--print', 'sysroot'], { encoding: 'utf8' });
  const library = status === 0 && join(stdout.trim(), 'lib', 'rustlib', 'src', 'rust', 'library');
  if (library && existsSync(library)) return;
  const missing = 'nightly Rust with its sources is missing';
  throw new Error(`${missing}: rustup toolchain install nightly --profile minimal --component rust-src`);
}

function main(args) {
  checkToolChain();
  const tests = args.length > 0 ? args : ['--lib', ...SUITES.flatMap((suite) => ['--test', suite])];
  const options = ['-Zbuild-std', '--target', TARGET, '--target-dir', 'target/tsan'];
  const env = {
    ...process.env,
    RUSTFLAGS: '-Zsanitizer=thread',
    CARGO_PROFILE_DEV_DEBUG: 'line-tables-only',
  };
  const command = ['+nightly', 'test', '--locked', ...options, ...tests];
  return spawnSync('cargo', command, { cwd: ROOT, env, stdio: 'inherit' }).status ?? 1;
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
