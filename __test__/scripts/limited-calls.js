/**
 * One of several processes of a host that share a Redis. Answers a message, calls of tools that are made at once
 * (`[{ user, text }]`), with how each has ended, and with the log.
 */

const { redisServices } = require('../../redis');
const { createMCPRuntime } = require('../support/addon');
const { ECHO } = require('../support/calls');
const { createHost } = require('../support/host');
const { STANDALONE } = require('../support/redis-clients');

const { redis, config, allow } = JSON.parse(process.argv[2]);

async function main() {
  const { client, close } = await STANDALONE.ioredis([redis]);
  const { limits } = redisServices(client);
  const host = createHost({ servers: { srv: config }, allow, services: { limits } });
  const runtime = createMCPRuntime(host.services);
  const call = ({ user, text }) =>
    runtime.manager.callTool({ ...ECHO, user: { id: user }, toolArguments: { text } }).then(
      () => ({ user, code: 'ok' }),
      ({ code, retryAfterMs }) => ({ user, code, retryAfterMs }),
    );

  process.on('message', async (calls) => {
    const outcomes = await Promise.all(calls.map(call));
    process.send({ outcomes, log: host.logger.text() });
  });
  process.on('disconnect', async () => {
    // Where Redis is gone already, its client does not close.
    setTimeout(() => process.exit(1), 5000).unref();
    await runtime.close();
    await close();
    process.exit();
  });
}

main();
