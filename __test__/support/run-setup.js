const { mkdirSync, mkdtempSync } = require('node:fs');
const { join } = require('node:path');
const { ROOT } = require('../../scripts/addon-path');
const { installRequirements } = require('./requirements');
const { VARIABLE } = require('./secrets');

/** Before all suites of a run. */
module.exports = () => {
  installRequirements();
  mkdirSync(join(ROOT, 'target'), { recursive: true });
  process.env[VARIABLE] = mkdtempSync(join(ROOT, 'target', 'test-secrets-'));
};
