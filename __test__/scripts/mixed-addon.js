/**
 * A process with the addon, over a database and a Redis that it shares with others. For each message
 * `{ id, userId, action, parameters, dieAt }` a new runtime carries out the action, and the answer is `{ id, result }` or
 * `{ id, error, log }`.
 */

const { createMCPRuntime } = require('../support/addon');
const { completeBoundAuthorization } = require('../support/authorization');
const { createHost } = require('../support/host');
const { killingMethods } = require('../support/mixed/killing-methods');
const { openRedisServices } = require('../support/redis-services');
const { openTokenStore } = require('../support/token-store');

const { mongo, redis, config, allow, withLock } = JSON.parse(process.argv[2]);
const SERVER = 'srv';

/** Nobody is there to be asked. */
const oauthStart = () => {
  throw new Error('the user was asked to sign in');
};

const ACTIONS = {
  async call({ runtime, user }) {
    const toolArguments = { text: 'hello' };
    const call = { user, serverName: SERVER, toolName: 'echo', toolArguments, provider: 'openai', oauthStart };
    const answer = JSON.stringify(await runtime.manager.callTool(call));
    if (!answer.includes('hello')) throw new Error(answer);
  },
  async reinit({ runtime, user }) {
    const { success, oauthRequired, oauthUrl, message } = await runtime.reinitMCPServer({ user, serverName: SERVER });
    if (oauthRequired) return { oauthUrl };
    if (!success) throw new Error(message);
    return {};
  },
  /** What the host's own code does that takes part in the flow. */
  async tokens({ runtime, user, services }) {
    const { flowManager, tokenMethods } = services;
    const refreshTokens = (token, known, signal) =>
      runtime.oauth.refreshOAuthTokens(token, { ...known, serverUrl: config.url }, {}, {}, null, allow, signal);
    const get = () => runtime.tokens.getTokens({ userId: user.id, serverName: SERVER, ...tokenMethods, refreshTokens });
    return flowManager.createFlowWithHandler(`${user.id}:${SERVER}`, 'mcp_get_tokens', get);
  },
  read: ({ runtime, user, services }) =>
    runtime.tokens.getTokens({ userId: user.id, serverName: SERVER, ...services.tokenMethods }),
  finishSignIn: (host, parameters) => completeBoundAuthorization(host, new URLSearchParams(parameters)),
};

async function main() {
  const store = await openTokenStore(mongo);
  const { flowManager, lock, close } = await openRedisServices(redis);
  const { methods, dieAt } = killingMethods(store.services.tokenMethods);
  const services = { ...store.services, tokenMethods: methods, flowManager, ...(withLock && { lock }) };

  process.on('message', async ({ id, userId, action, parameters, dieAt: point }) => {
    dieAt(point);
    const host = createHost({ servers: { srv: config }, allow, services });
    const runtime = createMCPRuntime(host.services);
    try {
      const user = { id: userId, role: 'USER' };
      process.send({ id, result: await ACTIONS[action]({ runtime, user, services }, parameters) });
    } catch (error) {
      process.send({ id, error: `${error.code ?? ''} ${error.message}`, log: host.logger.text() });
    } finally {
      await runtime.close();
    }
  });
  process.on('disconnect', async () => {
    await Promise.all([store.close(), close()]);
    process.exit();
  });
}

main();
