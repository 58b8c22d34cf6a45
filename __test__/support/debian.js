const { spawnSync } = require('node:child_process');

/** Whether a command runs, with these arguments, and ends well. */
const runs = (command, ...args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;

/** Installs Debian's package where what it brings is missing and that may be done. */
function debianPackage(name, isThere) {
  if (isThere()) return;
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', name]]) {
    spawnSync('apt-get', ['-o', 'Acquire::Retries=3', ...args], { env: environment, stdio: 'ignore' });
  }
  if (!isThere()) throw new Error(`${name} is missing: apt-get install ${name}`);
}

module.exports = { debianPackage, runs };
