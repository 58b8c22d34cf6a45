/**
 * One of several processes of a host that share a database and a Redis. Answers each message with what came of it, and the
 * log: `{ callback }` is what a user's browser brings, `{ call }` the text of a tool call, `{ exchange }` a user's token.
 */

const { redisServices } = require('../../redis');
const { createMCPRuntime } = require('../support/addon');
const { completeAuthorization } = require('../support/authorization');
const { createHost } = require('../support/host');
const { STANDALONE } = require('../support/redis-clients');
const { openTokenStore } = require('../support/token-store');

const { mongo, redis, config, allow, openIdConfig } = JSON.parse(process.argv[2]);

async function main() {
  const store = await openTokenStore(mongo);
  const { client, close } = await STANDALONE.ioredis([redis]);
  const services = { ...redisServices(client), ...store.services, openIdConfig: () => openIdConfig };
  const host = createHost({ servers: { srv: config }, allow, services });
  const runtime = createMCPRuntime(host.services);

  const work = {
    callback: (parameters) =>
      completeAuthorization({ runtime, services }, new URLSearchParams(parameters)).then(() => 'completed'),
    call: ({ user, text }) =>
      runtime.manager.callTool({
        user,
        serverName: 'srv',
        toolName: 'echo',
        toolArguments: { text },
        provider: 'openai',
      }),
    exchange: ({ user, assertion }) => runtime.exchangeOboToken(user, assertion, 'api://server/.default'),
  };

  process.on('message', async (message) => {
    const [[name, parameters]] = Object.entries(message);
    const answer = await work[name](parameters).then(
      (value) => ({ value }),
      (error) => ({ error: String(error) }),
    );
    process.send({ ...answer, log: host.logger.text() });
  });
  process.on('disconnect', async () => {
    // Where the stores are gone already, nothing closes.
    setTimeout(() => process.exit(1), 5000).unref();
    await runtime.close();
    await store.close();
    await close();
    process.exit();
  });
}

main();
