/**
 * Runs a smoke test with every runtime that is supported, from the binaries that npm packages ship: require and import,
 * a real server, a worker thread, close, what a server over stdio finds in its descriptors; then the same from a bundle that esbuild made.
 *
 *   npm run build:test && npm run test:runtimes
 */

const { execFile, execFileSync } = require('node:child_process');
const { existsSync, mkdirSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { startEverything } = require('../__test__/support/everything');
const { ROOT, testAddonPath } = require('./addon-path');
const { engines } = require('../package.json');

const FOLDER = join(ROOT, 'target', 'runtimes');
const SMOKE = join(ROOT, '__test__', 'runtimes', 'smoke.js');
const ODD_STDIO_SERVER = join(ROOT, '__test__', 'support', 'odd-stdio-server.js');
const LIMIT_MS = 180_000;

const platform = `${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
const bunPlatform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch.replace('arm64', 'aarch64')}`;
const exe = process.platform === 'win32' ? '.exe' : '';

const [OLDEST_NODE] = /\d+\.\d+\.\d+/.exec(engines.node);

/** Alias: package, and where its binary is. */
const RUNTIMES = {
  // Named by its version, since what is installed is kept.
  [`node-${OLDEST_NODE}`]: [`node-${platform}@${OLDEST_NODE}`, `bin/node${exe}`],
  'node-22': [`node-${platform}@22.23.3`, `bin/node${exe}`],
  'node-24': [`node-${platform}@24.21.0`, `bin/node${exe}`],
  bun: [`@oven/bun-${bunPlatform}@1.4.5`, `bin/bun${exe}`],
};
const ESBUILD = 'esbuild@0.28.2';

async function main() {
  install();
  const server = await startEverything('streamableHttp');
  const env = {
    ...process.env,
    NAPI_RS_NATIVE_LIBRARY_PATH: testAddonPath(),
    SERVER_URL: server.url,
    STDIO_SERVER: JSON.stringify([process.execPath, ODD_STDIO_SERVER, '{}']),
  };
  try {
    for (const [name, [, binary]] of Object.entries(RUNTIMES)) {
      const program = join(FOLDER, 'node_modules', name, binary);
      console.log(`${name.padEnd(12)} ${await run(program, [SMOKE], env)}`);
    }
    console.log(`bundle       ${await run(process.execPath, [bundle()], env)}`);
  } finally {
    await server.close();
  }
}

/** Once; the folder is kept with the other build results. */
function install() {
  const wanted = Object.entries(RUNTIMES).map(([name, [source]]) => `${name}@npm:${source}`);
  const missing = [...wanted, ESBUILD].filter((source) => {
    const name = source.slice(0, source.indexOf('@', 1));
    return !existsSync(join(FOLDER, 'node_modules', name, 'package.json'));
  });
  if (missing.length === 0) return;
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(join(FOLDER, 'package.json'), '{ "private": true }');
  const args = ['install', '--prefix', FOLDER, '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock'];
  execFileSync('npm', [...args, ...wanted, ESBUILD], { cwd: FOLDER, stdio: ['ignore', 'ignore', 'inherit'] });
}

/** The smoke test in one file, the addon outside of it. */
function bundle() {
  const outfile = join(FOLDER, 'bundle.cjs');
  require(join(FOLDER, 'node_modules', 'esbuild')).buildSync({
    entryPoints: [SMOKE],
    outfile,
    bundle: true,
    platform: 'node',
    external: ['*.node', 'librechat-mcp-native-*'],
    logLevel: 'error',
  });
  return outfile;
}

/** Asynchronous, since output is read while the program runs. */
function run(program, args, env) {
  return new Promise((resolve, reject) => {
    execFile(program, args, { env, encoding: 'utf8', timeout: LIMIT_MS }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${program}: ${error.message}\n${stdout}${stderr}`));
      else resolve(stdout.trim());
    });
  });
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
