/**
 * A process of LibreChat without the addon, over a database and a Redis that it shares with others. For each message
 * `{ id, userId, action, parameters, dieAt }` carries out an action of LibreChat's `MCPUser`, and answers `{ id, result }` or
 * `{ id, error }`.
 */

const { openTokenStore } = require('../support/token-store');
const { killingMethods } = require('../support/mixed/killing-methods');
const { openRedisServices } = require('../support/redis-services');
const { MCPUser } = require('../../examples/librechat/librechat-api/mcp-user');

const { mongo, redis, serverUrl, issuer } = JSON.parse(process.argv[2]);

const REDIRECT_URI = 'http://localhost:3080/api/mcp/srv/oauth/callback';

async function main() {
  const store = await openTokenStore(mongo);
  const { flowManager, close } = await openRedisServices(redis);
  const { methods, dieAt } = killingMethods(store.services.tokenMethods);
  const actions = {
    connect: (user) => user.connect(),
    refresh: (user) => user.refresh(),
    read: (user) => user.tokens.getTokens(),
    beginSignIn: (user) => user.beginSignIn({ issuer, serverUrl, redirectUri: REDIRECT_URI, scope: 'mcp' }),
    finishSignIn: (user, { flow, code }) => user.finishSignIn(flow, code),
  };
  process.on('message', async ({ id, userId, action, parameters, dieAt: point }) => {
    dieAt(point);
    const user = new MCPUser({ methods, flowManager, userId, serverName: 'srv' });
    try {
      process.send({ id, result: await actions[action](user, parameters) });
    } catch (error) {
      process.send({ id, error: error.reason ?? error.message });
    }
  });
  process.on('disconnect', async () => {
    await Promise.all([store.close(), close()]);
    process.exit();
  });
}

main();
