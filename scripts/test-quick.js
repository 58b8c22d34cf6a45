/**
 * The inner loop: what most changes would break, tested in seconds once it is compiled.
 *
 *   npm run test:quick                        both parts
 *   npm run test:quick -- core [FILTER]       the unit tests in Rust, or those whose names contain FILTER
 *   npm run test:quick -- node [SUITE ...]    the test addon, and the quick jest suites on it, or those that are named
 *   MCP_TEST_ADDON=PATH npm run test:quick -- node      another addon than that of `npm run build:test`
 */

const { spawnSync } = require('node:child_process');
const { join } = require('node:path');
const { ROOT } = require('./addon-path');

/** Those that take less than four seconds each and need nothing but Node: what crosses to the addon and back. */
const QUICK_SUITES = [
  'arguments',
  'embedded',
  'publication',
  'redaction',
  'request-headers',
  'request-scoped',
  'rounds',
  'server-requests',
  'tool-content',
  'tool-names',
];

function run(command, ...args) {
  const { status, error } = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

const runNode = (...args) => run(process.execPath, ...args);

const PARTS = {
  core: (filters) => run('cargo', 'test', '--locked', '--lib', ...filters),
  node(suites) {
    if (!process.env.MCP_TEST_ADDON) runNode(join(__dirname, 'build-test-addon.js'));
    const names = suites.length > 0 ? suites : QUICK_SUITES;
    runNode(require.resolve('jest/bin/jest'), `/(${names.join('|')})\\.test\\.js$`);
  },
};

const [part, ...rest] = process.argv.slice(2);
if (part !== undefined && !Object.hasOwn(PARTS, part)) {
  console.error(`no part is called ${part}: ${Object.keys(PARTS).join(', ')}`);
  process.exit(1);
}
for (const name of part ? [part] : Object.keys(PARTS)) PARTS[name](rest);
