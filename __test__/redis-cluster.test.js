/** A slot that moves to another node of a cluster while what is in it is in use. */

const { redisServices } = require('../redis');
const { useFixtures } = require('./support/fixtures');
const { CLUSTER } = require('./support/redis-clients');
const { startRedisCluster } = require('./support/redis-cluster');
const { until } = require('./support/wait');

const fixtures = useFixtures();

const LOCK = 'mcp_get_tokens:user:srv';
const FLOW = ['user:srv', 'mcp_oauth'];
const LEASE = JSON.stringify(['', 'user', 'srv']);
const SESSION = JSON.stringify(['session', 'user', 'srv', 'digest']);
const BREAKER = JSON.stringify(['breaker', 'user', 'srv']);
const LONG_MS = 600_000;
const NOT_NOW = { waitMs: 0, leaseMs: LONG_MS };

test.each(Object.entries(CLUSTER))('with %s', async (_, connect) => {
  const cluster = fixtures.keep(await startRedisCluster());
  const services = async () => redisServices(fixtures.keep(await connect(cluster.ports)).client);
  const [here, there] = [await services(), await services()];
  const { slot, node: from } = await cluster.ownerOf('{user:srv}');
  const to = cluster.nodes.find((node) => node !== from);
  const keys = async (node) => (await node.call('KEYS', 'librechat-mcp:*')).sort();

  const release = await here.lock.acquire(LOCK, LONG_MS);
  const lease = await here.flowManager.acquireLease(LEASE, NOT_NOW);
  await here.flowManager.initFlow(...FLOW, { state: 's' });
  await here.sharedSessions.set(SESSION, 'first', LONG_MS);
  await here.limits.count(BREAKER, LONG_MS);
  await here.limits.block(BREAKER, LONG_MS);
  // All that is of this user and server is in one slot.
  const all = await keys(from);
  expect(all.map((key) => key.split(':{')[0])).toEqual(
    ['block', 'count', 'fence', 'flow:mcp_oauth', 'lease', 'lock', 'session'].map((kind) => `librechat-mcp:${kind}`),
  );

  await cluster.beginMove(slot, from, to);
  await there.flowManager.initFlow(...FLOW, { state: 's' });
  // A lock and its fence are on two nodes for a moment, and whoever asks waits until they are not.
  const fence = all.filter((key) => key.includes(':fence:'));
  await cluster.moveKeys(fence, from, to);
  const refused = there.lock.acquire(LOCK, LONG_MS);
  const isAsking = async () => (await from.call('INFO', 'errorstats')).includes('errorstat_TRYAGAIN');
  await until('its first try', isAsking);
  await cluster.moveKeys(all, from, to);
  expect(await refused).toBeNull();

  // The keys are there, the slot is not: clients are sent on.
  expect(await here.lock.acquire(LOCK, LONG_MS)).toBeNull();
  expect(await there.flowManager.acquireLease(LEASE, NOT_NOW)).toBeNull();
  expect(await there.sharedSessions.compareAndSet(SESSION, 'first', 'second', LONG_MS)).toBe(true);
  expect(await here.sharedSessions.delete(SESSION, 'first')).toBe(false);
  expect(await there.limits.count(BREAKER, LONG_MS)).toBe(2);
  expect(await here.limits.blockedFor(BREAKER)).toBeGreaterThan(0);
  const flow = await there.flowManager.getFlowState(...FLOW);
  expect(flow).toMatchObject({ status: 'PENDING', metadata: { state: 's' } });
  expect(await here.flowManager.completeFlowIfCurrent(...FLOW, flow.createdAt, 's', { of: 'user' })).toBe('updated');

  await cluster.endMove(slot, to);
  expect(await keys(from)).toEqual([]);
  expect(await keys(to)).toEqual(all);
  expect(await there.flowManager.getFlowState(...FLOW)).toMatchObject({ status: 'COMPLETED', result: { of: 'user' } });
  expect(await here.sharedSessions.get(SESSION)).toBe('second');
  await here.limits.clear(BREAKER);
  expect(await there.limits.blockedFor(BREAKER)).toBe(0);
  expect(await there.limits.count(BREAKER, LONG_MS)).toBe(1);
  await release();
  await lease.release();
  expect(await there.lock.acquire(LOCK, LONG_MS)).not.toBeNull();
  expect(await there.flowManager.acquireLease(LEASE, NOT_NOW)).toMatchObject({ generation: 0 });
});
