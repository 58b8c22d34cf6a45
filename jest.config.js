module.exports = {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/__test__/**/*.test.js'],
  modulePathIgnorePatterns: ['<rootDir>/target/', '<rootDir>/npm/'],
  // One suite at a time: they start servers and measure what is left open.
  maxWorkers: 1,
  globalSetup: '<rootDir>/__test__/support/run-setup.js',
  globalTeardown: '<rootDir>/__test__/support/run-teardown.js',
  // Nothing takes nearly as long, unless the machine is busy.
  testTimeout: 120_000,
};
