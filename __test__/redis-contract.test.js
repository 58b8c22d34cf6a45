/** What `librechat-mcp-native/redis` gives keeps the contract, whatever the client; two clients are two processes. */

const { createClient } = require('redis');
const { redisServices } = require('../redis');
const { brokenRules } = require('./support/contract');
const { useFixtures } = require('./support/fixtures');
const { blocksOf } = require('./support/pages');
const { startRedis } = require('./support/redis');
const { CLUSTER, STANDALONE, openAdmin } = require('./support/redis-clients');
const { startRedisCluster } = require('./support/redis-cluster');

const fixtures = useFixtures();

async function startStandalone() {
  const redis = await startRedis();
  return { ...redis, ports: [redis.port] };
}

test('a user with the rights that the page names', async () => {
  const redis = fixtures.keep(await startRedis());
  const [rights] = blocksOf('docs/redis.md', 'text');
  const admin = openAdmin(redis.port);
  fixtures.keep({ close: async () => admin.disconnect() });
  await admin.call(
    'ACL',
    'SETUSER',
    'mcp',
    'on',
    '>password',
    ...rights.trim().split(/\s+/),
    '+info',
    '+client',
    '+cluster',
  );
  const client = createClient({ url: redis.url, username: 'mcp', password: 'password' });
  fixtures.keep({ close: async () => client.destroy() });
  await client.connect();
  await expect(client.get('other')).rejects.toThrow('NOPERM');
  expect(await brokenRules(redisServices(client))).toEqual([]);
});

test.each([
  ...Object.entries(STANDALONE).map(([name, connect]) => [name, connect, startStandalone]),
  ...Object.entries(CLUSTER).map(([name, connect]) => [name, connect, startRedisCluster]),
])('%s', async (_, connect, start) => {
  const { ports } = fixtures.keep(await start());
  const services = async () => redisServices(fixtures.keep(await connect(ports)).client);
  expect(await brokenRules({ ...(await services()), anotherProcess: await services() })).toEqual([]);
});
