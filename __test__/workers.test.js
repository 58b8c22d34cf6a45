/** The addon in worker threads: loaded, used and torn down with a connection open, again and again. */

const { once } = require('node:events');
const { readdirSync } = require('node:fs');
const { join } = require('node:path');
const { Worker } = require('node:worker_threads');
const { hang } = require('./support/faults');
const { useFixtures } = require('./support/fixtures');
const { noOpenSockets, processGone, until } = require('./support/wait');

const ROUNDS = 50;
const fixtures = useFixtures();

/** One worker: reinitializes, then is terminated while its connection is open. */
async function round(workerData) {
  const worker = new Worker(join(__dirname, 'scripts', 'worker.js'), { workerData });
  try {
    const [report] = await once(worker, 'message');
    return report;
  } finally {
    await worker.terminate();
  }
}

test(`${ROUNDS} workers over HTTP: all connect, no socket is left`, async () => {
  const server = await fixtures.server();
  for (let n = 0; n < ROUNDS; n++) {
    expect(await round({ config: server.config(), allow: [server.address] })).toEqual({ success: true, tools: 2 });
  }
  expect(server.received('initialize')).toHaveLength(ROUNDS);
  await noOpenSockets(server);
}, 300_000);

test(`${ROUNDS} workers over stdio: all connect, no child process is left`, async () => {
  const stdio = fixtures.stdio();
  for (let n = 0; n < ROUNDS; n++) {
    expect(await round({ config: stdio.config() })).toEqual({ success: true, tools: 2 });
  }
  expect(stdio.pids()).toHaveLength(ROUNDS);
  for (const pid of stdio.pids()) await processGone(pid);
}, 300_000);

test('four workers at once', async () => {
  const server = await fixtures.server();
  const workerData = { config: server.config(), allow: [server.address] };
  const reports = await Promise.all(Array.from({ length: 4 }, () => round(workerData)));
  expect(reports).toEqual(Array(4).fill({ success: true, tools: 2 }));
  await noOpenSockets(server);
});

describe('terminated while', () => {
  const WORKERS = 20;
  /** Less than any bound on a callback or a connection: what waits for one of those is still there then. */
  const LIMIT_MS = 8_000;
  const descriptors = () => readdirSync('/proc/self/fd').length;
  /** States that the server sees, by the method that it does not answer. */
  const UNANSWERED = {
    'the session begins': 'initialize',
    'tools are listed': 'tools/list',
    'a tool runs': 'tools/call',
  };

  async function terminateIn(state, server) {
    const config = { ...server.config(), requiresOAuth: state === 'the token store is asked' };
    const workerData = { config, allow: [server.address], state };
    const worker = new Worker(join(__dirname, 'scripts', 'busy-worker.js'), { workerData });
    const method = UNANSWERED[state];
    const before = server.received(method).length;
    if (method) await until(state, () => server.received(method).length > before);
    else await once(worker, 'message');
    await worker.terminate();
  }

  test.each([
    'the registry is asked',
    'the token store is asked',
    'the tools are published',
    'many calls begin',
    ...Object.keys(UNANSWERED),
  ])(
    '%s: no socket and no descriptor is left',
    async (state) => {
      const server = await fixtures.server();
      const silence = hang();
      server.fault = (exchange) => state in UNANSWERED && exchange.message?.method === UNANSWERED[state] && silence();
      await terminateIn(state, server);
      const before = descriptors();
      for (let count = 0; count < WORKERS; count++) await terminateIn(state, server);
      await noOpenSockets(server, LIMIT_MS);
      await until(`end of the descriptors of ${WORKERS} workers`, () => descriptors() <= before, LIMIT_MS);
    },
    300_000,
  );
});
