const { readdirSync } = require('node:fs');
const { join } = require('node:path');

const ROOT = join(__dirname, '..');
const TEST_ADDON_DIRECTORY = join(ROOT, 'target', 'test-addon');

/** The addon that `npm run build:test` made: unoptimized, kept apart from the release one. */
function testAddonPath() {
  return findAddon(TEST_ADDON_DIRECTORY, 'npm run build:test');
}

/** The addon that `npm run build` made, beside `package.json`. */
function releaseAddonPath() {
  return findAddon(ROOT, 'npm run build');
}

function findAddon(directory, command) {
  const name = list(directory).find((file) => /^librechat-mcp-native\..+\.node$/.test(file));
  if (!name) throw new Error(`no addon in ${directory}: run "${command}" first`);
  return join(directory, name);
}

function list(directory) {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
}

module.exports = { ROOT, TEST_ADDON_DIRECTORY, releaseAddonPath, testAddonPath };
