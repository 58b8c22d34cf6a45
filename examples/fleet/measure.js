const { setTimeout: delay } = require('node:timers/promises');
const { callEach, signInAll, startLoad } = require('./users');

const SHOWN = 5;

/** @param {import('./fleet').Counts} counts */
const initialized = ({ initialize }) => Object.values(initialize).reduce((sum, count) => sum + count, 0);

/**
 * All users sign in and call each server once, which makes their sessions. Then there is load, for some seconds before the
 * pods are restarted one after the other, and again after that.
 *
 * @typedef {Awaited<ReturnType<typeof measure>>} Figures
 * @param {Awaited<ReturnType<typeof import('./fleet').startFleet>>} fleet
 * @param {string[]} users
 * @param {number} seconds
 * @param {() => Promise<unknown>} [meanwhile]  what else happens, after the first restart
 */
async function measure(fleet, users, seconds, meanwhile) {
  await signInAll(fleet, users);
  const early = await callEach(fleet, users);
  const sessions = initialized(await fleet.counts());
  const load = startLoad(fleet, users);
  await delay(seconds * 1000);
  const before = initialized(await fleet.counts());
  const drained = [];
  for (const index of fleet.pods.keys()) {
    drained.push(await fleet.restart(index));
    if (index === 0) await meanwhile?.();
  }
  const during = initialized(await fleet.counts());
  await delay(seconds * 1000);
  const { requests, failures } = await load.stop();
  const counts = await fleet.counts();
  const initialize = [before - sessions, during - before, initialized(counts) - during];
  return {
    users: users.length,
    requests,
    failures: [...early, ...failures],
    elsewhere: fleet.elsewhere(),
    sessions,
    initialize,
    counts,
    drained,
  };
}

/**
 * Prints the figures, and says whether they are as they must be.
 *
 * @param {Figures} figures
 */
function tell({ users, requests, failures, elsewhere, sessions, initialize, counts, drained }) {
  /** What it is, how much, and what it must be. @type {[string, string | number, (string | number)?][]} */
  const rows = [
    ['requests', requests],
    ['failures', failures.length, 0],
    ['retried elsewhere', elsewhere],
    // One that is shared, and two of each user.
    ['sessions made (initialize)', sessions, 1 + 2 * users],
    ['more of them before / during / after the restarts', initialize.join(' / '), '0 / 0 / 0'],
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

module.exports = { measure, tell };
