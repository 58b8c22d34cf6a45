/**
 * LibreChat's own manager in the place of one `refresh.js`: for each message `{ users }` connects all of them, and answers
 * `{ failures }`.
 */

const { openRedisServices } = require('../support/redis-services');
const { openTokenStore } = require('../support/token-store');
const { MCPUser } = require('../../examples/librechat/librechat-api/mcp-user');

const { mongo, redis } = JSON.parse(process.argv[2]);

async function main() {
  const store = await openTokenStore(mongo);
  const { flowManager, close } = await openRedisServices(redis);
  const methods = store.services.tokenMethods;

  async function connect({ id }) {
    try {
      const tokens = await new MCPUser({ methods, flowManager, userId: id, serverName: 'srv' }).connect();
      return tokens ? [] : [{ user: id, message: 'the user was asked to authorize' }];
    } catch ({ message }) {
      return [{ user: id, message, retryable: true }];
    }
  }

  process.on('message', async ({ users }) => {
    if (!users) return;
    process.send({ failures: (await Promise.all(users.map(connect))).flat() });
  });
  process.on('disconnect', async () => {
    await Promise.all([store.close(), close()]);
    process.exit();
  });
}

main();
