const { contractTests } = require('../../testing');

/** The rules of the contract that an implementation breaks, and what was seen. All are tried at once. */
async function brokenRules(services) {
  const outcomes = await Promise.allSettled(contractTests(services).map(({ run }) => run()));
  return outcomes.flatMap(({ reason }) => (reason ? [reason] : []));
}

/** Calls a method with other arguments. */
const changed = (Base, name, change) =>
  class extends Base {
    [name](...args) {
      return super[name](...change(...args));
    }
  };

/** Gives another answer, when it has been given the right one. */
const answering = (Base, name, change) =>
  class extends Base {
    async [name](...args) {
      return change(await super[name](...args), args, this);
    }
  };

module.exports = { answering, brokenRules, changed };
