/** The addon in worker threads: loaded, used and torn down with a connection open, again and again. */

const { once } = require('node:events');
const { join } = require('node:path');
const { Worker } = require('node:worker_threads');
const { useFixtures } = require('./support/fixtures');
const { noOpenSockets, processGone } = require('./support/wait');

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
