/**
 * What callers of `examples/fleet` see while pods or Redis are away, one thing after the other. The second table of
 * docs/fleet.md is from here.
 *
 *     node __test__/scripts/fleet-outages.js USERS ACCESS_TOKEN_SECONDS
 */

const { setTimeout: delay } = require('node:timers/promises');
const { startFleet } = require('../../examples/fleet/fleet');
const { callEach, signInAll, startLoad, userNames } = require('../../examples/fleet/users');
const { freePorts } = require('../support/ports');

const AFTER_MS = 8_000;

/** @type {Record<string, (fleet: any) => Promise<unknown>>} */
const OUTAGES = {
  'nothing, for 15 s': () => delay(15_000),
  'a pod is killed, and not replaced': async ({ pods }) => {
    process.kill(pods[0].pid, 'SIGKILL');
    await delay(AFTER_MS);
  },
  'another is paused for 8 s': async ({ pods }) => {
    process.kill(pods[1].pid, 'SIGSTOP');
    await delay(AFTER_MS);
    process.kill(pods[1].pid, 'SIGCONT');
  },
  'Redis is stopped for 30 s': async ({ redis }) => {
    process.kill(redis.pid, 'SIGSTOP');
    await delay(30_000);
    process.kill(redis.pid, 'SIGCONT');
  },
  'the eight seconds after that': () => delay(AFTER_MS),
};

async function main([count, accessTokenSeconds]) {
  const users = userNames(Number(count));
  const ports = await freePorts(10);
  const fleet = await startFleet({ ports, accessTokenSeconds: Number(accessTokenSeconds) });
  try {
    await signInAll(fleet, users);
    await callEach(fleet, users);
    for (const [name, happen] of Object.entries(OUTAGES)) {
      const elsewhere = fleet.elsewhere();
      const load = startLoad(fleet, users);
      await happen(fleet);
      const { requests, failures } = await load.stop();
      console.log([name, requests, failures.length, fleet.elsewhere() - elsewhere].join(' | '));
      const kinds = new Set(failures.map(({ status, code, message }) => `${status} ${code} ${message}`));
      for (const kind of kinds) console.log(`  ${kind}`);
    }
    console.log(JSON.stringify(await fleet.counts()));
  } finally {
    await fleet.close();
  }
}

main(process.argv.slice(2));
