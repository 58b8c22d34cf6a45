/** Many users at once. */

const { monitorEventLoopDelay } = require('node:perf_hooks');
const faults = require('./support/faults');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { connected } = require('./support/results');
const { noOpenSockets, until } = require('./support/wait');

const USERS = 200;
const fixtures = useFixtures();

test(`${USERS} users of one server at once: all succeed, nothing is open after close()`, async () => {
  const server = await fixtures.server();
  const config = server.config({
    headers: { 'X-Key': '{{KEY}}' },
    customUserVars: { KEY: { title: 'Key', description: '' } },
  });
  const { runtime } = fixtures.runtime({ servers: { srv: config }, allow: [server] });
  const call = (_, index) =>
    runtime.reinitMCPServer({
      user: createUser(),
      serverName: 'srv',
      userMCPAuthMap: { mcp_srv: { KEY: `key-${index}` } },
    });

  const eventLoop = monitorEventLoopDelay({ resolution: 5 });
  eventLoop.enable();
  const started = performance.now();
  const results = await Promise.all(Array.from({ length: USERS }, call));
  const ms = Math.round(performance.now() - started);
  eventLoop.disable();
  // The small server runs on this event loop too, so the delay is a figure to watch, not one to assert.
  process.stdout.write(`${USERS} users in ${ms} ms, event loop delay at most ${Math.round(eventLoop.max / 1e6)} ms\n`);

  expect(results).toEqual(Array(USERS).fill(connected('srv')));
  const keys = server.received('initialize').map((request) => request.headers['x-key']);
  expect(new Set(keys).size).toBe(USERS);
  expect(server.sessions.size).toBe(USERS);

  await runtime.close();
  await until('the end of the sessions', () => server.sessions.size === 0);
  await noOpenSockets(server);
});

test('forceNew by one user twenty times at once: all succeed, one session is left', async () => {
  const server = await fixtures.server();
  const { runtime } = fixtures.runtime({ servers: { srv: server.config({ startup: false }) }, allow: [server] });
  const params = { user: createUser(), serverName: 'srv', forceNew: true };
  const results = await Promise.all(Array.from({ length: 20 }, () => runtime.reinitMCPServer(params)));
  expect(results.filter((result) => !result.success)).toEqual([]);
  await until('the end of the replaced sessions', () => server.sessions.size <= 1);
  expect(server.sessions.size).toBe(1);
});

test('users of a server that does not answer hold up nobody', async () => {
  const [slow, quick] = [await fixtures.server(), await fixtures.server()];
  slow.fault = faults.on('initialize', faults.hang());
  const servers = { slow: slow.config({ startup: false }), quick: quick.config({ startup: false }) };
  const { runtime } = fixtures.runtime({ servers, allow: [slow, quick] });
  const calls = (count, serverName) =>
    Array.from({ length: count }, () =>
      runtime.reinitMCPServer({ user: createUser(), serverName, connectionTimeout: 60_000 }),
    );
  let ended = 0;
  const waiting = calls(100, 'slow').map((call) =>
    call.finally(() => {
      ended += 1;
    }),
  );
  expect(await Promise.all(calls(10, 'quick'))).toEqual(Array(10).fill(connected('quick')));
  await until('a request of each', () => slow.received('initialize').length >= waiting.length);
  expect(ended).toBe(0);

  await runtime.close();
  const codes = (await Promise.all(waiting)).map((result) => result.error.code);
  expect(codes).toEqual(Array(waiting.length).fill('MCP_CLOSED'));
});
