/**
 * Writes the version of `package.json` into the crate's manifest and the lock files that name the crate. `npm version`
 * runs it, after `napi version` has written the one of the platform packages.
 */

const { readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { ROOT } = require('./addon-path');
const { version } = require('../package.json');

const FILES = ['Cargo.toml', 'Cargo.lock', 'fuzz/Cargo.lock'];
/** As Cargo writes it, in manifests and in lock files. */
const STATED = /(?<=^name = "librechat-mcp-native"\nversion = ")[^"]+/m;

const read = (file) => readFileSync(join(ROOT, file), 'utf8');

/** By file, the version of the crate that it states. */
const crateVersions = () => Object.fromEntries(FILES.map((file) => [file, STATED.exec(read(file))?.[0]]));

if (require.main === module) {
  for (const file of FILES) writeFileSync(join(ROOT, file), read(file).replace(STATED, version));
}

module.exports = { crateVersions };
