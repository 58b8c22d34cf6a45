/** Suites that measure memory or delays, or load the machine: nothing runs beside them. */
const ALONE = ['concurrency', 'floods', 'soak'].map((name) => `<rootDir>/__test__/${name}.test.js`);

const shared = {
  testEnvironment: 'node',
  modulePathIgnorePatterns: ['<rootDir>/target/', '<rootDir>/npm/'],
};

module.exports = {
  // The suites wait for servers more than they compute. What they measure of a process is that of a suite's own.
  maxWorkers: 2,
  // Nothing takes nearly as long, unless the machine is busy.
  testTimeout: 120_000,
  globalSetup: '<rootDir>/__test__/support/run-setup.js',
  globalTeardown: '<rootDir>/__test__/support/run-teardown.js',
  testSequencer: '<rootDir>/__test__/support/sequencer.js',
  // What a suite left behind that failed does not hold the run open.
  forceExit: true,
  projects: [
    { ...shared, testMatch: ['<rootDir>/__test__/**/*.test.js'], testPathIgnorePatterns: ALONE },
    { ...shared, testMatch: ALONE, runner: '<rootDir>/__test__/support/serial-runner.js' },
  ],
};
