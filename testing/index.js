/** Tests of the contract of services that processes share, for any implementation and any test runner: docs/redis.md. */

const exchangedTokens = require('./exchanged-tokens');
const flows = require('./flows');
const leases = require('./leases');
const limits = require('./limits');
const lock = require('./lock');
const sharedSessions = require('./shared-sessions');
const tokenMethods = require('./token-methods');
const turns = require('./turns');
const toolPins = require('./tool-pins');

const has = (object, ...names) => names.every((name) => typeof object?.[name] === 'function');

/**
 * @param {import('./index').ContractServices} services
 * @returns {import('./index').ContractTest[]}
 */
function contractTests({ anotherProcess = {}, ...services }) {
  const { flowManager } = services;
  const both = (name) => ({ [name]: services[name], other: anotherProcess[name] ?? services[name] });
  const suites = [
    services.lock && ['lock', lock.RULES, lock.tests(both('lock'))],
    flowManager && ['flowManager', flows.RULES, flows.tests(both('flowManager'))],
    has(flowManager, 'completeFlowIfCurrent', 'failFlowIfCurrent') && [
      'flowManager',
      flows.GUARDED_RULES,
      flows.guardedTests(both('flowManager')),
    ],
    has(flowManager, 'acquireLease', 'getLeaseGeneration') && [
      'flowManager',
      leases.RULES,
      leases.tests(both('flowManager')),
    ],
    services.exchangedTokens && [
      'exchangedTokens',
      exchangedTokens.RULES,
      exchangedTokens.tests(both('exchangedTokens')),
    ],
    services.tokenMethods && ['tokenMethods', tokenMethods.RULES, tokenMethods.tests(both('tokenMethods'))],
    services.sharedSessions && ['sharedSessions', sharedSessions.RULES, sharedSessions.tests(both('sharedSessions'))],
    services.limits && ['limits', limits.RULES, limits.tests(both('limits'))],
    has(services.limits, 'take', 'enter', 'leave') && ['limits', turns.RULES, turns.tests(both('limits'))],
    services.toolPins && ['toolPins', toolPins.RULES, toolPins.tests(both('toolPins'))],
  ].filter(Boolean);
  if (suites.length === 0)
    throw new TypeError(
      'contractTests: give lock, flowManager, exchangedTokens, tokenMethods, sharedSessions, limits or toolPins',
    );
  return suites.flatMap(([service, rules, tests]) =>
    Object.entries(tests).map(([name, run]) => ({ name: `${service}: ${rules[name]}`, run })),
  );
}

module.exports = { contractTests };
