/**
 * Three pods behind a balancer, restarted one after the other while users call tools.
 *
 *   npm run example:fleet
 *   npm run example:fleet -- --users 50 --seconds 5
 *
 * `--seconds` is the time of load before the restarts, and again after them. Ports: 3101 to 3110 (FLEET_PORTS=A,B,…).
 */

const { setTimeout: delay } = require('node:timers/promises');
const { parseArgs } = require('node:util');
const { startFleet } = require('./fleet');
const { signInAll, startLoad, userNames } = require('./users');

const { FLEET_PORTS = '3101,3102,3103,3104,3105,3106,3107,3108,3109,3110' } = process.env;
const OPTIONS = /** @type {const} */ ({
  users: { type: 'string', default: '200' },
  seconds: { type: 'string', default: '10' },
});
/** A token is refreshed half a minute before it expires: for each user every five seconds. */
const ACCESS_TOKEN_SECONDS = 35;
const SHOWN = 5;

/** @param {import('./fleet').Counts} counts */
const initialized = ({ initialize }) => Object.values(initialize).reduce((sum, count) => sum + count, 0);

/**
 * @typedef {Awaited<ReturnType<typeof measure>>} Figures
 * @param {Awaited<ReturnType<typeof startFleet>>} fleet
 * @param {string[]} users
 * @param {number} seconds
 */
async function measure(fleet, users, seconds) {
  console.log(`${users.length} users sign in …`);
  await signInAll(fleet, users);
  const start = initialized(await fleet.counts());
  console.log(`${seconds} s of load, a restart of each pod, and ${seconds} s more …`);
  const load = startLoad(fleet, users);
  await delay(seconds * 1000);
  const before = initialized(await fleet.counts());
  const drained = [];
  for (const index of fleet.pods.keys()) drained.push(await fleet.restart(index));
  const during = initialized(await fleet.counts());
  await delay(seconds * 1000);
  const { requests, failures } = await load.stop();
  const counts = await fleet.counts();
  const initialize = { before: before - start, during: during - before, after: initialized(counts) - during };
  return { requests, failures, elsewhere: fleet.elsewhere(), initialize, counts, drained };
}

/** @param {Figures} figures */
function tell({ requests, failures, elsewhere, initialize, counts, drained }) {
  const { before, during, after } = initialize;
  /** What it is, how much, and what it must be. @type {[string, string | number, number?][]} */
  const rows = [
    ['requests', requests],
    ['failures', failures.length, 0],
    ['retried elsewhere', elsewhere],
    ['initialize before / during / after the restarts', `${before} / ${during} / ${after}`],
    ['refresh tokens redeemed', counts.refreshTokens],
    ['refreshes per refresh token, at most', counts.mostOfOneToken, 1],
    ['redemptions refused by the provider', counts.refused, 0],
    ['time to drain, of each pod', `${drained.join(', ')} ms`],
  ];
  const width = Math.max(...rows.map(([what]) => what.length));
  for (const [what, value, must] of rows) {
    console.log(`  ${what.padEnd(width)}  ${value}${must === undefined || value === must ? '' : `, must be ${must}`}`);
  }
  for (const failure of failures.slice(0, SHOWN)) console.log(`  ${JSON.stringify(failure)}`);
  return rows.every(([, value, must]) => must === undefined || value === must);
}

/** @param {string} name @param {string} text */
function positive(name, text) {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new Error(`--${name} must be a whole number from 1`);
  return Number(text);
}

async function main() {
  const { values } = parseArgs({ options: OPTIONS });
  const [users, seconds] = [positive('users', values.users), positive('seconds', values.seconds)];
  console.log('starting Redis, an authorization server, three MCP servers, three pods and a balancer …');
  const ports = FLEET_PORTS.split(',').map(Number);
  const fleet = await startFleet({ ports, accessTokenSeconds: ACCESS_TOKEN_SECONDS });
  try {
    if (!tell(await measure(fleet, userNames(users), seconds))) process.exitCode = 1;
  } finally {
    await fleet.close();
  }
}

// Whatever has been started ends with this process.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit());

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
