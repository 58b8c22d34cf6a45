const { default: TestRunner } = require('jest-runner');

/** Runs its suites one after the other, when no other suite runs. */
module.exports = class SerialRunner extends TestRunner {
  isSerial = true;
};
