const { rmSync } = require('node:fs');
const { VARIABLE, findLeaks } = require('./secrets');

/** After all suites of a run, which fails here when something was logged or thrown with a secret in it. */
module.exports = () => {
  const directory = process.env[VARIABLE];
  const { secrets, lines, leaks } = findLeaks(directory);
  rmSync(directory, { recursive: true, force: true });
  if (leaks.length > 0) {
    throw new Error(`Secrets in ${leaks.length} lines of logs or errors:\n${leaks.slice(0, 20).join('\n')}`);
  }
  console.log(`None of ${secrets} secrets is in ${lines} lines of logs and errors.`);
};
