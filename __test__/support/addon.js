/**
 * The module under test: `index.js` as users load it, with the unoptimized addon of `npm run build:test` behind it
 * rather than the one that `npm run build` put beside it. MCP_TEST_ADDON=PATH tests another one.
 */

const { resolve } = require('node:path');
const { testAddonPath } = require('../../scripts/addon-path');

// Every napi-rs package obeys this variable, test tools included: it is set for the moment of loading only.
const OVERRIDE = 'NAPI_RS_NATIVE_LIBRARY_PATH';
const { MCP_TEST_ADDON } = process.env;

process.env[OVERRIDE] = MCP_TEST_ADDON ? resolve(MCP_TEST_ADDON) : testAddonPath();
try {
  module.exports = require('../..');
} finally {
  delete process.env[OVERRIDE];
}
