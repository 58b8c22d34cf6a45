/** `examples/fleet`: the command, the same over a Cluster, and its fleet while Redis does not answer. */

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { join } = require('node:path');
const { startFleet } = require('../examples/fleet/fleet');
const { measure } = require('../examples/fleet/measure');
const { call, signInAll, startLoad, userNames } = require('../examples/fleet/users');
const { ADDON } = require('./support/example');
const { FLEET_REDIS } = require('./support/fleet-redis');
const { freePorts } = require('./support/ports');
const { processStopped, until } = require('./support/wait');

// Of this suite's copy of the environment, which its processes get.
Object.assign(process.env, ADDON);

const RUN = join(__dirname, '..', 'examples', 'fleet', 'run.js');
const SERVERS = ['shared', 'personal', 'protected'];

/** Those of `startFleet`. */
const PORTS = 10;

test('no call fails while the pods are restarted, no session is made anew, no refresh token is redeemed twice', async () => {
  const env = { ...process.env, FLEET_PORTS: String(await freePorts(PORTS)) };
  const child = spawn(process.execPath, [RUN, '--users', '12', '--seconds', '4'], { env });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  const [code] = await once(child, 'close');
  expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/failures +0\n/) });
  expect(output).toMatch(/sessions made \(initialize\) +25\n/);
  expect(output).toMatch(/refresh tokens redeemed +[1-9]/);
  expect(output).toMatch(/time to drain, of each pod +\d+, \d+, \d+ ms/);
}, 300_000);

test('nor over a Cluster of which a slot moves meanwhile', async () => {
  const { redis, meanwhile } = await FLEET_REDIS.cluster();
  // Tokens are refreshed thirty seconds before their end, so that those of each user are within the run.
  const fleet = await startFleet({ ports: await freePorts(PORTS), accessTokenSeconds: 32, redis });
  try {
    expect(await measure(fleet, userNames(8), 2, meanwhile)).toMatchObject({
      failures: [],
      sessions: 17,
      initialize: [0, 0, 0],
      counts: { mostOfOneToken: 1, refused: 0 },
    });
  } finally {
    await fleet.close();
  }
}, 300_000);

describe('while Redis does not answer', () => {
  const users = userNames(12);
  const [withdrawn, valid] = [users.slice(0, 6), users.slice(6)];
  let fleet;

  beforeAll(async () => {
    fleet = await startFleet({ ports: await freePorts(PORTS), accessTokenSeconds: 3600 });
    await signInAll(fleet, users);
    const origins = fleet.pods.map(({ url }) => new URL(url).origin);
    const all = origins.flatMap((url) => users.flatMap((user) => SERVERS.map((server) => call({ url }, user, server))));
    expect((await Promise.all(all)).filter(Boolean)).toEqual([]);
  }, 300_000);

  afterAll(() => fleet?.close());

  test('valid tokens are used, a refresh fails for now, and nobody is signed out', async () => {
    process.kill(fleet.redis.pid, 'SIGSTOP');
    try {
      await processStopped(fleet.redis.pid);
      for (const user of withdrawn) await fleet.withdraw(user);
      const load = startLoad(fleet, valid);
      const refused = await Promise.all(withdrawn.map((user) => call(fleet, user, 'protected')));
      expect(refused).toEqual(withdrawn.map((user) => expect.objectContaining({ user, status: 500, retryable: true })));
      const { requests, failures } = await load.stop();
      expect(failures).toEqual([]);
      expect(requests).toBeGreaterThanOrEqual(valid.length);
    } finally {
      process.kill(fleet.redis.pid, 'SIGCONT');
    }
    for (const user of withdrawn) {
      // The same tokens, with nobody who signs in.
      await until(`a call of ${user}`, async () => !(await call(fleet, user, 'protected')), 60_000);
    }
    expect(await fleet.counts()).toMatchObject({ refreshTokens: withdrawn.length, mostOfOneToken: 1, refused: 0 });
  }, 300_000);
});
