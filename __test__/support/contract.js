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

/** Other keys for all functions of a service. */
const keyed = (Base, names, change) =>
  names.reduce((Changed, name) => changed(Changed, name, (key, ...more) => [change(key), ...more]), Base);
const withoutLastPart = (key) => JSON.stringify(JSON.parse(key).slice(0, -1));
const withoutCase = (key) => key.toLowerCase();

/**
 * The contract's tests find the faults of implementations, and nothing else.
 *
 * @param {[string, Function, Record<string, [Function, string[]]>, Record<string, string>, string[]][]} suites  a service, an
 *   implementation that keeps the contract, others with the rules that they break, all rules, and those that are broken
 *   elsewhere
 */
function testFaults(suites) {
  test.each(suites)('nothing is found in %s that keep the contract', async (service, Good) => {
    expect(await brokenRules({ [service]: new Good() })).toEqual([]);
  });

  // All at once, since some take as long as the tests wait.
  test('each fault is found, and no other', async () => {
    const faults = suites.flatMap(([service, , implementations, rules]) =>
      Object.entries(implementations).map(([name, [Faulty, broken]]) => [service, name, Faulty, broken, rules]),
    );
    const found = await Promise.all(
      faults.map(async ([service, name, Faulty]) => {
        const errors = await brokenRules({ [service]: new Faulty() });
        return [service, name, errors.map((error) => error.rule ?? String(error))];
      }),
    );
    expect(found).toEqual(
      faults.map(([service, name, , broken, rules]) => [service, name, broken.map((it) => rules[it])]),
    );
  });

  test.each(suites)('each rule of %s has an implementation that breaks it', (_, __, implementations, rules, early) => {
    const broken = new Set([...Object.values(implementations).flatMap(([, names]) => names), ...early]);
    expect([...broken].sort()).toEqual(Object.keys(rules).sort());
  });
}

module.exports = { answering, brokenRules, changed, keyed, testFaults, withoutCase, withoutLastPart };
