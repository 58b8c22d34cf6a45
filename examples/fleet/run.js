/**
 * Three pods behind a balancer, restarted one after the other while users call tools.
 *
 *   npm run example:fleet
 *   npm run example:fleet -- --users 50 --seconds 5
 *
 * `--seconds` is the time of load before the restarts, and again after them. Ports: 3101 to 3110 (FLEET_PORTS=A,B,…).
 */

const { parseArgs } = require('node:util');
const { startFleet } = require('./fleet');
const { measure, tell } = require('./measure');
const { userNames } = require('./users');

const { FLEET_PORTS = '3101,3102,3103,3104,3105,3106,3107,3108,3109,3110' } = process.env;
const OPTIONS = /** @type {const} */ ({
  users: { type: 'string', default: '200' },
  seconds: { type: 'string', default: '10' },
});
/** A token is refreshed half a minute before it expires: for each user every five seconds. */
const ACCESS_TOKEN_SECONDS = 35;

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
  console.log(`${users} users sign in; ${seconds} s of load, a restart of each pod, and ${seconds} s more …`);
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
