/**
 * One of several processes that share a token store, on disk or in a Redis. For each message makes a new runtime and that many tool
 * calls at once, and answers `{ failures }`: what went wrong with them.
 */

const { createMCPRuntime } = require('../support/addon');
const { callAtOnce } = require('../support/calls');
const { hidePackages } = require('../support/hidden');

const { config, home, credentialsKey, redis, without = [] } = JSON.parse(process.argv[2]);

// The store is looked for in the home of the user.
process.env.HOME = home;
delete process.env.XDG_DATA_HOME;
hidePackages(without);

process.on('message', async ({ calls }) => {
  const runtime = createMCPRuntime({ config, credentialsKey, redis });
  const failures = await callAtOnce(runtime, { id: 'embedded-user' }, calls);
  await runtime.close();
  process.send({ failures });
});
process.on('disconnect', () => process.exit());
