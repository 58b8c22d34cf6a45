/**
 * The module under test: `index.js` as users load it, with the unoptimized addon of `npm run build:test` behind it
 * rather than the one that `npm run build` put beside it. MCP_TEST_ADDON=PATH tests another one. What its runtimes throw
 * is searched for secrets when the run ends.
 */

const { resolve } = require('node:path');
const { testAddonPath } = require('../../scripts/addon-path');
const { watchRuntime } = require('./watch');

// Every napi-rs package obeys this variable, test tools included: it is set for the moment of loading only.
const OVERRIDE = 'NAPI_RS_NATIVE_LIBRARY_PATH';
const { MCP_TEST_ADDON } = process.env;

process.env[OVERRIDE] = MCP_TEST_ADDON ? resolve(MCP_TEST_ADDON) : testAddonPath();
try {
  const addon = require('../..');
  module.exports = { ...addon, createMCPRuntime: (host) => watchRuntime(addon.createMCPRuntime(host)) };
} finally {
  delete process.env[OVERRIDE];
}
