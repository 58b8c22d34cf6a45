const { execFile, execFileSync, spawn } = require('node:child_process');
const { join } = require('node:path');
const { createInterface } = require('node:readline');
const { promisify } = require('node:util');

const run = promisify(execFile);

const ROOT = join(__dirname, '..', '..');
const NATIVE = join(__dirname, '..', 'native');
const TARGET = join(ROOT, 'target', 'bench');
const CHILD = join(__dirname, '..', 'child.js');

/** Builds the server, the plain Rust client and the bare one; answers where they are. */
function buildNative({ release }) {
  const profile = release ? ['--release'] : [];
  const build = ['build', '--locked', '--target-dir', TARGET, ...profile];
  execFileSync('cargo', build, { cwd: NATIVE, stdio: ['ignore', 'inherit', 'inherit'] });
  const directory = join(TARGET, release ? 'release' : 'debug');
  return Object.fromEntries(['server', 'plain', 'bare'].map((name) => [name, join(directory, name)]));
}

/** Starts the Rust MCP server. */
async function startServer(program) {
  const child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] });
  const port = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`the server ended with code ${code}`)));
    createInterface(child.stdout).once('line', resolve);
  });
  const origin = `http://127.0.0.1:${port}`;
  return {
    origin,
    /** What the server offers there; see `native/src/bin/server.rs`. */
    url: (options = {}) => `${origin}/mcp?${new URLSearchParams(options)}`,
    stats: async () => (await fetch(`${origin}/stats`)).json(),
    /** It ends with its stdin. */
    stop: () => child.stdin.end(),
  };
}

/** Runs a work in a process of its own. */
async function inChild(client, work, { options, parameters, environment }) {
  const argument = JSON.stringify({ client, work, options, parameters });
  const env = { ...process.env, ...environment };
  const { stdout } = await run(process.execPath, ['--expose-gc', CHILD, argument], { env });
  return JSON.parse(stdout);
}

/** Runs a Rust client. */
async function runNative(program, ...words) {
  const { stdout } = await run(program, words.map(String));
  return JSON.parse(stdout);
}

/** Runs a script in a fresh process and reads what it prints as JSON. */
async function inScript(script) {
  const { stdout } = await run(process.execPath, ['--expose-gc', '-e', script], { cwd: ROOT });
  return JSON.parse(stdout);
}

module.exports = { buildNative, inChild, inScript, runNative, startServer };
