const { contractTests } = require('../../testing');

/** The rules of the contract that an implementation breaks, and what was seen. All are tried at once. */
async function brokenRules(services) {
  const outcomes = await Promise.allSettled(contractTests(services).map(({ run }) => run()));
  return outcomes.flatMap(({ reason }) => (reason ? [reason] : []));
}

module.exports = { brokenRules };
