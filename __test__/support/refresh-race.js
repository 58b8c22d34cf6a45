const { createMCPRuntime } = require('./addon');
const { completeAuthorization } = require('./authorization');
const { startAuthorizationServer } = require('./authorization-server');
const { createHost, createUser } = require('./host');
const { startMongo } = require('./mongo');
const { startProcess } = require('./processes');
const { startProtectedServer } = require('./protected-server');
const { startRedis } = require('./redis');
const { openRedisServices } = require('./redis-services');
const { openTokenStore } = require('./token-store');
const { until } = require('./wait');

/**
 * Processes that need the same user's token at the same time, when it has expired, at an authorization server that
 * takes a refresh token once and revokes the grant when it sees one again.
 *
 * @param options.withLock      whether the host has a `lock`
 * @param options.withLeases    whether its flow manager has leases, and the server's config coordinates refreshes
 * @param options.ownFlows      whether the flow manager is the package's instead of LibreChat's
 * @param options.processes     how many
 * @param options.calls         by each of them, at once
 * @param options.tokenDelayMs  time that the token endpoint takes
 * @param options.flowDelayMs   time that an access to the flow store takes, on average
 * @returns `{ round, close }`; a round resolves to `{ refreshes, failures, log }`. All processes begin at the same moment,
 *   or with `afterClaim` the others when the claim of the first one is in the flow store.
 */
async function startRace({ withLock, withLeases, ownFlows, processes = 3, calls = 20, tokenDelayMs = 0, flowDelayMs }) {
  const open = [];
  const keep = (thing) => {
    open.push(thing);
    return thing;
  };
  const mongo = keep(await startMongo());
  const redis = keep(await startRedis());
  const authorizationServer = keep(await startAuthorizationServer({ tokenDelayMs }));
  const server = keep(await startProtectedServer(authorizationServer));
  const store = keep(await openTokenStore(mongo));
  const { flowManager } = keep(await openRedisServices(redis.url, { ownFlows }));
  const user = createUser();
  const allow = [server.address, authorizationServer.address];
  const config = server.config({ oauthRefreshCoordination: withLeases });
  const parameters = { mongo, redis: redis.url, withLock, withLeases, ownFlows, flowDelayMs, config, allow };
  const workers = Array.from({ length: processes }, () => keep(startProcess('refresh.js', parameters)));

  async function authorize() {
    const services = { flowManager, ...store.services };
    const host = createHost({ servers: { srv: server.config() }, allow, services });
    const runtime = createMCPRuntime(host.services);
    const { oauthUrl } = await runtime.reinitMCPServer({ user, serverName: 'srv' });
    await completeAuthorization({ runtime, services }, await authorizationServer.signIn(oauthUrl));
    await runtime.close();
  }

  let isAuthorized = false;
  return {
    async round({ afterClaim = false } = {}) {
      if (!isAuthorized) await authorize();
      await store.expire(user.id);
      const before = authorizationServer.refreshes().length;
      const [first, ...others] = workers;
      let hasAnswered = false;
      const answer = first.ask({ users: [user], calls }).finally(() => {
        hasAnswered = true;
      });
      const hasClaim = async () =>
        (await flowManager.getFlowState(`${user.id}:srv`, 'mcp_get_tokens'))?.status === 'PENDING';
      if (afterClaim) await until('its claim', async () => hasAnswered || (await hasClaim()), 60_000);
      const answers = await Promise.all([answer, ...others.map((worker) => worker.ask({ users: [user], calls }))]);
      const refreshes = authorizationServer.refreshes().length - before;
      const failures = answers.flatMap((answer) => answer.failures);
      isAuthorized = failures.length === 0;
      return { refreshes, failures, log: answers.map(({ log }) => log).join('\n') };
    },
    async close() {
      for (const thing of open.reverse()) await thing.close();
    },
  };
}

module.exports = { startRace };
