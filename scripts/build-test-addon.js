/**
 * Builds the unoptimized addon that the tests load, into `target/test-addon`, out of what `cargo test` compiles. Cargo
 * gives dependencies the features that tests need only where it builds a test: the smallest one is built with the addon,
 * else nearly every dependency would be compiled a second time.
 *
 *   npm run build:test
 */

const { execFileSync, spawnSync } = require('node:child_process');
const { copyFileSync, mkdirSync, renameSync } = require('node:fs');
const { join } = require('node:path');
const { parseTriple } = require('@napi-rs/cli');
const { ROOT, TEST_ADDON_DIRECTORY } = require('./addon-path');
const { name } = require('../package.json');

const SMALLEST_TEST = 'stream_pace';
const OUTPUT_LIMIT = 64 * 1024 * 1024;

/** The path of the dynamic library that cargo made. */
function buildLibrary() {
  const args = ['build', '--locked', '--lib', '--test', SMALLEST_TEST, '--message-format', 'json-render-diagnostics'];
  const options = { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8', maxBuffer: OUTPUT_LIMIT };
  const { status, error, stdout } = spawnSync('cargo', args, options);
  if (status !== 0) throw new Error(`cargo build failed${error ? `: ${error.message}` : ''}`);
  const messages = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const isAddon = ({ reason, target }) => reason === 'compiler-artifact' && target.crate_types.includes('cdylib');
  return messages.find(isAddon).filenames.find((file) => /\.(so|dylib|dll)$/.test(file));
}

function platform() {
  const [, host] = /^host: (.+)$/m.exec(execFileSync('rustc', ['-vV'], { encoding: 'utf8' }));
  return parseTriple(host).platformArchABI;
}

try {
  const addon = join(TEST_ADDON_DIRECTORY, `${name}.${platform()}.node`);
  mkdirSync(TEST_ADDON_DIRECTORY, { recursive: true });
  // Whoever has the one of before loaded keeps it.
  copyFileSync(buildLibrary(), `${addon}.new`);
  renameSync(`${addon}.new`, addon);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
