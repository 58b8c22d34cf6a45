const { testAddonPath } = require('./scripts/addon-path');

// Suites load the addon through `index.js`, as users do; the loader takes the file named here instead of the one that
// `npm run build` puts beside it. Scripts and workers that a suite starts inherit it.
process.env.NAPI_RS_NATIVE_LIBRARY_PATH ??= testAddonPath();

module.exports = {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/__test__/**/*.test.js'],
  modulePathIgnorePatterns: ['<rootDir>/target/', '<rootDir>/npm/'],
  // One suite at a time: they start servers and measure what is left open.
  maxWorkers: 1,
  testTimeout: 30_000,
};
