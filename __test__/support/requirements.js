/**
 * What suites need of the system, installed where it is missing and that may be done. Before all suites, since not two of
 * them can install at the same time; a suite that does not find what it needs says what is missing.
 *
 *   node __test__/support/requirements.js
 */

const { spawnSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const secantusDb = require('../../examples/librechat/servers/mongo');

const CHROMIUM = '/usr/bin/chromium';

/** Whether a command runs, with these arguments, and ends well. */
const runs = (command, ...args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;

/** Debian's packages, and whether what they bring is there. */
const PACKAGES = {
  chromium: () => existsSync(CHROMIUM),
  // With `promtool`, which judges the rules of `ops`.
  prometheus: () => runs('promtool', '--version'),
  'python3-venv': () => hasMongo() || runs('python3', '-c', 'import ensurepip'),
  'redis-server': () => runs('redis-server', '--version'),
};

const hasMongo = () => Boolean(process.env.MONGO_URI) || secantusDb.isInstalled();

function needPackage(name) {
  if (!PACKAGES[name]()) throw new Error(`${name} is missing: apt-get install ${name}`);
}

function installRequirements() {
  const missing = Object.keys(PACKAGES).filter((name) => !PACKAGES[name]());
  if (missing.length > 0) {
    const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...missing]]) {
      spawnSync('apt-get', ['-o', 'Acquire::Retries=3', ...args], { env: environment, stdio: 'ignore' });
    }
  }
  if (!hasMongo() && PACKAGES['python3-venv']()) secantusDb.install();
}

if (require.main === module) installRequirements();

module.exports = { CHROMIUM, installRequirements, needPackage };
