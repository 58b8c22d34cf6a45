/**
 * `examples/fleet` with a Cluster of which a slot moves, or a Redis that fails over to its replica, while the pods are
 * restarted. The numbers of docs/fleet.md are from here and from the example's own command.
 *
 *     node __test__/scripts/fleet.js cluster|failover USERS SECONDS
 */

const { startFleet } = require('../../examples/fleet/fleet');
const { measure, tell } = require('../../examples/fleet/measure');
const { userNames } = require('../../examples/fleet/users');
const { FLEET_REDIS } = require('../support/fleet-redis');
const { freePorts } = require('../support/ports');

async function main([kind, users, seconds]) {
  const { redis, meanwhile } = await FLEET_REDIS[kind]();
  const ports = await freePorts(10);
  const fleet = await startFleet({ ports, accessTokenSeconds: 35, redis });
  try {
    if (!tell(await measure(fleet, userNames(Number(users)), Number(seconds), meanwhile))) process.exitCode = 1;
  } finally {
    await fleet.close();
  }
}

main(process.argv.slice(2));
