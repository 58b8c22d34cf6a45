/** What `librechat-mcp-native/redis` gives keeps the contract, whatever the client; two clients are two processes. */

const { redisServices } = require('../redis');
const { brokenRules } = require('./support/contract');
const { useFixtures } = require('./support/fixtures');
const { startRedis } = require('./support/redis');
const { CLUSTER, STANDALONE } = require('./support/redis-clients');
const { startRedisCluster } = require('./support/redis-cluster');

const fixtures = useFixtures();

async function startStandalone() {
  const redis = await startRedis();
  return { ...redis, ports: [redis.port] };
}

test.each([
  ...Object.entries(STANDALONE).map(([name, connect]) => [name, connect, startStandalone]),
  ...Object.entries(CLUSTER).map(([name, connect]) => [name, connect, startRedisCluster]),
])('%s', async (_, connect, start) => {
  const { ports } = fixtures.keep(await start());
  const services = async () => redisServices(fixtures.keep(await connect(ports)).client);
  expect(await brokenRules({ ...(await services()), anotherProcess: await services() })).toEqual([]);
});
