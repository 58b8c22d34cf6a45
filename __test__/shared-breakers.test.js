/** Two runtimes, as of two pods, over one `limits`: what one finds out about a server that is down, both know. */

const { useEnvironment } = require('./support/environment');
const faults = require('./support/faults');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { MemoryLimits } = require('./support/memory-services');
const { closedAddress } = require('./support/mcp-server');
const { never } = require('./support/wait');

// Longer than any test takes.
const PAUSE_MS = 300_000;
// Connections are looked at before each use.
useEnvironment({ MCP_CB_BASE_BACKOFF_MS: String(PAUSE_MS), MCP_CONNECTION_CHECK_TTL: '0' });

const fixtures = useFixtures();
const OPEN = { code: 'MCP_CIRCUIT_OPEN' };

/** Limits in memory that remember what they were asked. */
class Limits extends MemoryLimits {
  asked = [];

  count(key, windowMs) {
    this.asked.push(['count', key, windowMs]);
    return super.count(key, windowMs);
  }

  block(key, ms) {
    this.asked.push(['block', key, ms]);
    return super.block(key, ms);
  }

  blockedFor(key) {
    this.asked.push(['blockedFor', key]);
    return super.blockedFor(key);
  }

  clear(key) {
    this.asked.push(['clear', key]);
    return super.clear(key);
  }
}

const key = (kept, user) => JSON.stringify([kept, user?.id ?? '', 'srv']);

/** A runtime that connects users to `server` as `srv`, or with `shared` all of them at once. */
function pod(server, limits, { shared = false } = {}) {
  const host = fixtures.runtime({
    servers: { srv: server.config({ startup: shared }) },
    allow: [server],
    services: { limits },
  });
  const { runtime, logger } = host;
  return {
    runtime,
    connect: (user, extra) => runtime.manager.getConnection({ user, serverName: 'srv', ...extra }),
    health: () => runtime.health().servers.srv,
    warnings: () => logger.messages('warn').filter((message) => message.startsWith('[MCP] limits ')),
  };
}

/** A server that answers with a page of HTML, and two pods that use it. */
async function twoPods({ shared } = {}) {
  const server = await fixtures.server({ fault: faults.html() });
  const limits = new Limits();
  const [one, other] = [pod(server, limits, { shared }), pod(server, () => limits, { shared })];
  return { server, limits, one, other, user: createUser() };
}

const FAULT = { code: 'MCP_INVALID_RESPONSE' };

/** Attempts until the breaker has enough of them. */
async function fail({ connect }, user) {
  for (let attempt = 0; attempt < 3; attempt += 1) await expect(connect(user)).rejects.toMatchObject(FAULT);
}

test('a server that is down is left alone by all pods', async () => {
  const down = await closedAddress();
  const limits = new Limits();
  const [one, other] = [pod(down, limits), pod(down, limits)];
  const [user, another] = [createUser(), createUser()];
  await expect(one.connect(user)).rejects.toMatchObject({ code: 'MCP_CONNECTION_FAILED' });
  expect(other.health()).toBeUndefined();

  const server = await fixtures.server({ port: Number(down.address.split(':')[1]) });
  const message = `[MCP][User: ${user.id}][srv] Circuit breaker is open, connection attempt blocked`;
  await expect(other.connect(user)).rejects.toMatchObject({ ...OPEN, message });
  expect(server.requests).toEqual([]);
  expect(other.health()).toMatchObject({ blocked: 1 });
  expect(other.health().retryAfterMs).toBeGreaterThan(0);
  expect(other.runtime.stats().breakers.open).toBe(1);

  await other.connect(another);
  await limits.clear(key('breaker', user));
  await other.connect(user);
  expect(other.health().blocked).toBe(0);
  await one.connect(user);
});

test('failures of all pods count together, each user’s for that user', async () => {
  const { server, limits, one, other, user } = await twoPods();
  for (const { connect } of [one, other, one]) await expect(connect(user)).rejects.toMatchObject(FAULT);
  for (const { connect } of [one, other]) await expect(connect(user)).rejects.toMatchObject(OPEN);
  const failed = [
    ['blockedFor', key('breaker', user)],
    ['count', key('breaker-failures', user), 120_000],
  ];
  expect(limits.asked).toEqual([
    ...failed,
    ...failed,
    ...failed,
    ['block', key('breaker', user), PAUSE_MS],
    ['blockedFor', key('breaker', user)],
    ['blockedFor', key('breaker', user)],
  ]);
  server.fault = undefined;
  await other.connect(createUser());
});

test('connecting asks once, and ends failures that the pod knows of', async () => {
  const { server, limits, one, user } = await twoPods();
  await expect(one.connect(user)).rejects.toMatchObject(FAULT);
  server.fault = undefined;
  limits.asked = [];
  await one.connect(user);
  const cleared = ['breaker-failures', 'breaker'].map((kept) => ['clear', key(kept, user)]);
  expect(limits.asked).toEqual([['blockedFor', key('breaker', user)], ...cleared]);
  limits.asked = [];
  const another = createUser();
  await one.connect(another);
  expect(limits.asked).toEqual([['blockedFor', key('breaker', another)]]);
});

test('a connection that is made again counts for all pods', async () => {
  const { server, limits, one, other, user } = await twoPods();
  server.fault = faults.on('ping', faults.html());
  await one.connect(user);
  limits.asked = [];
  await one.connect(user);
  expect(limits.asked).toEqual([
    ['count', key('breaker-cycles', user), 45_000],
    ['blockedFor', key('breaker', user)],
  ]);
  // It was not the first.
  for (let cycle = 0; cycle < 5; cycle += 1) await limits.count(key('breaker-cycles', user), 45_000);
  await expect(one.connect(user)).rejects.toMatchObject(OPEN);
  await expect(other.connect(user)).rejects.toMatchObject(OPEN);
});

test.each([
  ['of a user', { shared: false }],
  ['of all', { shared: true }],
])('clearCooldown lets all pods try again: %s', async (_, { shared }) => {
  const { server, one, other, user } = await twoPods({ shared });
  await fail(one, user);
  for (const { connect } of [one, other]) await expect(connect(user)).rejects.toMatchObject(OPEN);
  server.fault = undefined;
  other.runtime.MCPConnection.clearCooldown('srv', shared ? undefined : user.id);
  await other.connect(user);
  await one.connect(user);
});

test('forceNew goes past the block of another pod, and ends it', async () => {
  const { server, one, other, user } = await twoPods();
  await fail(one, user);
  server.fault = undefined;
  await other.connect(user, { forceNew: true });
  await one.connect(user);
});

test.each([
  [
    'throws',
    () => {
      throw new Error('out of order');
    },
    'limits.blockedFor failed: out of order',
  ],
  ['rejects', async () => Promise.reject(new Error('out of order')), 'limits.blockedFor failed: out of order'],
  ['hangs', never, 'no answer within 2 s'],
  [
    'answers a text',
    async () => 'soon',
    'limits.blockedFor failed: limits.blockedFor must resolve to a number of milliseconds',
  ],
  [
    'answers NaN',
    async () => Number.NaN,
    'limits.blockedFor failed: limits.blockedFor must resolve to a number of milliseconds',
  ],
  [
    'answers a negative number',
    async () => -1,
    'limits.blockedFor failed: limits.blockedFor must resolve to a number of milliseconds',
  ],
])('with a store that %s each pod is on its own, and says so once', async (_, answer, problem) => {
  const server = await fixtures.server({ fault: faults.html() });
  const fails = async () => Promise.reject(new Error('out of order'));
  const limits = { count: answer, block: fails, blockedFor: answer, clear: fails };
  const [one, other] = [pod(server, limits), pod(server, limits)];
  const user = createUser();
  await fail(one, user);
  await expect(one.connect(user)).rejects.toMatchObject(OPEN);
  server.fault = undefined;
  await other.connect(user);
  one.runtime.MCPConnection.clearCooldown('srv', user.id);
  await one.connect(user);
  const warning = '[MCP] limits failed to read, going on without it: ';
  for (const { warnings } of [one, other]) {
    expect(warnings()).toEqual([expect.stringContaining(warning)]);
    expect(warnings()[0]).toContain(problem);
  }
});

test('a store cannot block for longer than the longest pause', async () => {
  const { limits, one, user } = await twoPods();
  limits.blockedFor = async () => 1e300;
  await expect(one.connect(user)).rejects.toMatchObject(OPEN);
  const { retryAfterMs } = one.health();
  expect(retryAfterMs).toBeGreaterThan(0);
  expect(retryAfterMs).toBeLessThanOrEqual(300_000);
});

test('a count that is none leaves the pod’s own', async () => {
  const { limits, one, user } = await twoPods();
  limits.count = async () => 1e300;
  await fail(one, user);
  await expect(one.connect(user)).rejects.toMatchObject(OPEN);
  expect(one.warnings()).toEqual([expect.stringContaining('limits.count must resolve to a number of events')]);
});
