/**
 * Packs the main package and the one for this platform as they are published, installs both into an empty folder with
 * nothing but node and npm on PATH and without network, and reinitializes an MCP server from there, with `require` and
 * with `import`, and checks it with the command line tool. The parts for several processes load without a client of Redis.
 *
 *   npm run build && npm run test:package
 */

const { execFile, execFileSync } = require('node:child_process');
const {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} = require('node:fs');
const { tmpdir } = require('node:os');
const { basename, join } = require('node:path');
const { startMcpServer } = require('../__test__/support/mcp-server');
const { ROOT, releaseAddonPath } = require('./addon-path');

const manifest = require('../package.json');
const NPM = join(ROOT, 'npm');

const CALL = `
  const allowed = [new URL(process.env.SERVER_URL).host];
  const registry = {
    getServerConfig: async () => ({ type: 'streamable-http', url: process.env.SERVER_URL, requiresOAuth: false, source: 'yaml' }),
    getAllServerConfigs: async () => ({}),
    reinspectServer: async () => { throw new Error('not failed'); },
    shouldEnableSSRFProtection: () => true,
    getAllowedDomains: () => null,
    getAllowedAddresses: () => allowed,
  };
  async function reinitialize(createMCPRuntime) {
    const runtime = createMCPRuntime({ registry });
    const result = await runtime.reinitMCPServer({ user: { id: '0123456789abcdef01234567' }, serverName: 'srv' });
    await runtime.close();
    if (!result.success || result.tools.length !== 2) throw new Error(JSON.stringify(result));
    console.log(result.message);
  }
  function tryParts(redisServices, contractTests) {
    const client = { status: 'ready', evalsha: async () => null, eval: async () => null };
    const count = contractTests(redisServices(client)).length;
    if (count < 50) throw new Error('the contract has ' + count + ' tests');
  }
`;
const CONSUMERS = {
  'consumer.cjs': `
const { createMCPRuntime } = require('${manifest.name}');
const { redisServices } = require('${manifest.name}/redis');
const { contractTests } = require('${manifest.name}/testing');
${CALL}
tryParts(redisServices, contractTests);
reinitialize(createMCPRuntime);
`,
  'consumer.mjs': `
import { createMCPRuntime } from '${manifest.name}';
import { redisServices } from '${manifest.name}/redis';
import { contractTests } from '${manifest.name}/testing';
${CALL}
tryParts(redisServices, contractTests);
await reinitialize(createMCPRuntime);
`,
};

async function main() {
  const directory = mkdtempSync(join(tmpdir(), 'mcp-package-'));
  const server = await startMcpServer();
  try {
    const tarballs = [packMain(directory), packPlatform(directory)];
    const dependencies = packDependencies(directory);
    const home = bareHome(directory);
    const folder = makeDirectory(directory, 'empty');
    const environment = { PATH: home.bin, HOME: home.path, SERVER_URL: server.url };
    const run = (program, args) => runIn(folder, join(home.bin, program), args, environment);

    requireNoRust(environment.PATH);
    await run('npm', [
      'install',
      '--prefix',
      '.',
      '--offline',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      ...tarballs,
      ...dependencies,
    ]);
    for (const [file, text] of Object.entries(CONSUMERS)) {
      writeFileSync(join(folder, file), text);
      const output = await run('node', [file]);
      console.log(`${file}: ${output.trim()}`);
    }
    const config = { mcpServers: { srv: { type: 'streamable-http', url: server.url } } };
    config.mcpSettings = { allowedAddresses: [server.address] };
    writeFileSync(join(folder, 'librechat.yaml'), JSON.stringify(config));
    console.log(await run('node', [join('node_modules', '.bin', manifest.name), 'check']));
    console.log(`package test: ${tarballs.map((path) => basename(path)).join(' and ')} work in an empty folder`);
  } finally {
    await server.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The main package names all platform packages as optional, as `napi pre-publish` writes it for a release. */
function packMain(directory) {
  const stage = makeDirectory(directory, 'main');
  const platforms = readdirSync(NPM).map((name) => require(join(NPM, name, 'package.json')));
  const wrong = platforms.filter(({ version }) => version !== manifest.version);
  if (wrong.length > 0)
    throw new Error(`run "npm version": ${wrong.map(({ name }) => name).join(', ')} differ in version`);

  const optionalDependencies = Object.fromEntries(platforms.map(({ name, version }) => [name, version]));
  writeFileSync(join(stage, 'package.json'), JSON.stringify({ ...manifest, optionalDependencies }, null, 2));
  for (const file of [...manifest.files, 'README.md', 'LICENSE'])
    cpSync(join(ROOT, file), join(stage, file), { recursive: true });
  return pack(stage, directory);
}

function packPlatform(directory) {
  const addon = releaseAddonPath();
  const platform = basename(addon).split('.')[1];
  const stage = makeDirectory(directory, platform);
  cpSync(join(NPM, platform), stage, { recursive: true });
  cpSync(addon, join(stage, basename(addon)));
  return pack(stage, directory);
}

/** What the main package depends on, from the packages that are installed here: there is no registry to ask. */
function packDependencies(directory) {
  const args = ['ls', '--omit=dev', '--omit=optional', '--all', '--parseable'];
  const [, ...paths] = execFileSync('npm', args, { cwd: ROOT, encoding: 'utf8' }).trim().split('\n');
  const destination = makeDirectory(directory, 'dependencies');
  return paths.map((path) => packed(path, destination).path);
}

function pack(stage, destination) {
  const { path, files } = packed(stage, destination);
  console.log(`${basename(path)}: ${files.map((file) => file.path).join(', ')}`);
  return path;
}

function packed(folder, destination) {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', destination];
  const [{ filename, files }] = JSON.parse(execFileSync('npm', args, { cwd: folder, encoding: 'utf8' }));
  return { path: join(destination, filename), files };
}

/** A home without npm configuration or cache, and a PATH with node, npm and the shell that npm wants. */
function bareHome(directory) {
  const path = makeDirectory(directory, 'home');
  const bin = makeDirectory(path, 'bin');
  symlinkSync(process.execPath, join(bin, 'node'));
  symlinkSync(realpathSync(locate('npm')), join(bin, 'npm'));
  symlinkSync(realpathSync('/bin/sh'), join(bin, 'sh'));
  return { path, bin };
}

function locate(program) {
  const found = process.env.PATH.split(':').find((entry) => {
    try {
      return readdirSync(entry).includes(program);
    } catch {
      return false;
    }
  });
  if (!found) throw new Error(`no ${program} on PATH`);
  return join(found, program);
}

function requireNoRust(path) {
  for (const program of ['cargo', 'rustc']) {
    if (path.split(':').some((entry) => readdirSync(entry).includes(program))) throw new Error(`${program} is on PATH`);
  }
}

function makeDirectory(parent, name) {
  const path = join(parent, name);
  mkdirSync(path);
  return path;
}

/** Asynchronous, since the server that the consumer talks to runs here. */
function runIn(cwd, program, args, env) {
  return new Promise((resolve, reject) => {
    execFile(program, args, { cwd, env, encoding: 'utf8', timeout: 180_000 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${basename(program)} ${args.join(' ')}: ${error.message}\n${stdout}${stderr}`));
      else resolve(stdout);
    });
  });
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
