const { openIdUser } = require('../../__test__/support/host');
const { delay, settlesWithin } = require('../../__test__/support/wait');
const { createLedger } = require('./ledger');
const { OPERATIONS, RARE, caller } = require('./operations');
const { createRandom } = require('./random');
const { keysOf } = require('./redis');
const { createRuntimes } = require('./runtimes');

/** After this an operation hangs, also on a busy machine. */
const LIMIT_MS = 180_000;
const WORKERS = 8;
const USERS = 20;
const LONGEST_PAUSE_MS = 30;
/** Servers that users connect to, and how often among all. */
const TARGETS = { http: 4, sse: 3, websocket: 3, shared: 2, stdio: 1, governed: 3, exchanged: 1 };
/** What an operation may end with other than success: somebody took the server away, or it was meant to. */
const EXPECTED = (
  'MCP_ABORTED MCP_TIMEOUT MCP_CONNECTION_FAILED MCP_CONNECTION_LOST MCP_CIRCUIT_OPEN ' +
  'MCP_TOOLS_LIST_FAILED MCP_AUTHORIZATION_REQUIRED'
).split(' ');
/** What it may end with while Redis is away, or shortly afterwards. */
const WITHOUT_REDIS =
  'MCP_TOKEN_STORAGE_UNAVAILABLE MCP_TOKEN_REFRESH_UNAVAILABLE MCP_OAUTH_FLOW_FAILED MCP_OAUTH_TIMEOUT MCP_HOST_TIMEOUT MCP_HOST_ERROR'.split(
    ' ',
  );
/** What it may end with at this server. */
const EXPECTED_AT = { governed: ['MCP_RATE_LIMITED'] };

const repeated = (weights) => Object.entries(weights).flatMap(([name, weight]) => Array(weight).fill(name));

/**
 * Mixed work on runtimes that share a Redis, in rounds; counts what came of it, in `counts` by operation and outcome.
 *
 * @param world  `{ servers, redis }`
 */
async function createWork(world, seed) {
  const random = createRandom(seed);
  const counts = new Map();
  const unexpected = [];
  let rounds = 0;
  const ledger = createLedger();
  const runtimes = await createRuntimes(world, ledger);
  const { hosts } = runtimes;
  const targets = repeated(TARGETS);
  const bag = repeated(Object.fromEntries(Object.entries(OPERATIONS).map(([name, [weight]]) => [name, weight])));

  const count = (name, outcome) => {
    if (!counts.has(name)) counts.set(name, new Map());
    const outcomes = counts.get(name);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  };

  async function perform(name, work, context, allowed = []) {
    const began = performance.now();
    try {
      await settlesWithin(LIMIT_MS, work(context));
      count(name, 'done');
    } catch (error) {
      const code = error.mcpCode ?? error.code;
      count(name, code ?? 'failed');
      const isKnown = [...EXPECTED, ...allowed].includes(code);
      const isOfRedis = WITHOUT_REDIS.includes(code) && world.redis.wasAway(began);
      if (!isKnown && !isOfRedis) unexpected.push(`${name}: ${code ?? ''} ${error.stack ?? error.message}`);
    }
  }

  function contextOf(user, target) {
    const [host, other] = random.next() < 0.5 ? hosts : hosts.toReversed();
    const { runtime, services, authorization } = host;
    const context = { ...world, ...runtimes, random, ledger, user, target, other, runtime, services, authorization };
    const callOf = (serverName) => caller(context, serverName);
    return { ...context, callOf, call: callOf(target), client: runtime.client(target, { user }) };
  }

  /** Until enough has been done, and everything that disturbs as well. */
  async function worker(users, round) {
    while (round.left > 0 || round.isDisturbed) {
      round.left -= 1;
      const [user, target, name] = [random.pick(users), random.pick(targets), random.pick(bag)];
      const [, work, allowed = []] = OPERATIONS[name];
      await perform(name, work, contextOf(user, target), [...allowed, ...(EXPECTED_AT[target] ?? [])]);
      await delay(random.below(LONGEST_PAUSE_MS));
    }
  }

  async function disturb(user, round) {
    const then = (round.left * 3) / 4;
    while (round.left > then) await delay(LONGEST_PAUSE_MS);
    for (const [name, [every, work]] of Object.entries(RARE)) {
      if (rounds % every === 0) await perform(name, work, { ...world, runtimes, user });
    }
    rounds += 1;
    round.isDisturbed = false;
  }

  async function leave(users) {
    for (const { manager } of runtimes.all) {
      await Promise.all(users.map((user) => manager.disconnectUserConnections(user.id)));
      await Promise.all(manager.appConnections.disconnectAll());
    }
    const [{ runtime, services }] = hosts;
    const logout = { serverName: 'protected', deleteToken: services.tokenMethods.deleteTokens };
    await Promise.all(users.map((user) => runtime.tokens.deleteUserTokens({ ...logout, userId: user.id })));
  }

  return {
    runtimes: runtimes.all,
    counts,
    /** How many of what hosts were told. */
    told: () => ({ 'records of the audit': ledger.records(), ...runtimes.heard }),
    /** What was not foreseen, as texts. */
    unexpected,

    /** New users come, do so many operations, and leave; resolves to the number of keys that are then in Redis. */
    async round(operations) {
      await hosts[0].client.flushall();
      const users = Array.from({ length: USERS }, () => openIdUser(`assertion-${random.below(1e9)}`));
      const round = { left: operations, isDisturbed: true };
      await Promise.all([disturb(users[0], round), ...Array.from({ length: WORKERS }, () => worker(users, round))]);
      await leave(users);
      unexpected.push(...ledger.settle());
      const { keys, endless } = await keysOf(hosts[0].client);
      // Approvals of tools alone have no end.
      unexpected.push(...endless.filter((key) => !key.includes(':pins:')).map((key) => `${key} has no end`));
      return keys;
    },

    async close() {
      await runtimes.close();
      ledger.close();
      const failed = runtimes.all.flatMap((runtime) => Object.entries(runtime.stats().callbackFailures));
      // A busy machine hears of a record after the 5 s that callers wait, which counts as lost: the ledger knows better.
      const others = failed.filter(([name]) => name !== 'onAudit');
      unexpected.push(...others.map(([name, times]) => `${name} has failed ${times} times`));
    },
  };
}

module.exports = { createWork };
