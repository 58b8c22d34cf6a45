/**
 * A thousand sessions under random faults: every call ends with its own answer or a named error, within its time; none
 * that may have run is repeated; when the faults are over every session works; and memory at the end is that of the
 * start.
 */

const { createMCPRuntime } = require('../../../__test__/support/addon');
const { delay } = require('../../../__test__/support/wait');
const { MEASURES, MEMORY, course, judgeEnd, judgeStates, sample, settled } = require('../measure');
const { createServices } = require('../services');
const { createWork, startServers } = require('./work');

const SESSIONS = 1000;
const WARM_UP_SECONDS = 15;
const SAMPLE_MS = 5000;

/** So that sessions meet faults, and are checked, more often than a host's would. */
const SETTINGS = {
  MCP_CB_MAX_CYCLES: '1000000',
  MCP_CB_MAX_FAILED_ROUNDS: '1000000',
  MCP_CONNECTION_CHECK_TTL: '5000',
};

/** What is measured, every so often until `stop()`. */
function measuring(runtime) {
  const samples = [];
  const timer = setInterval(() => samples.push(sample(runtime)), SAMPLE_MS);
  return { samples, stop: () => clearInterval(timer) };
}

/**
 * @param number       how many, about
 * @param judgesMemory  whether memory has to be flat, too
 */
async function underFaults(seconds, seed, number = SESSIONS, judgesMemory = true) {
  Object.assign(process.env, SETTINGS);
  const servers = await startServers(seed);
  try {
    const services = createServices(servers);
    const start = () => createWork(createMCPRuntime(services), seed);
    const warmUpMs = Math.min(WARM_UP_SECONDS, seconds) * 1000;

    // What belongs to the process, such as threads, is there after the first round of another runtime.
    const warmUp = start();
    await warmUp.round(number, warmUpMs);
    await warmUp.runtime.close();
    await delay(SAMPLE_MS);
    const atFirst = sample();

    const work = start();
    const { runtime } = work;
    await work.leave(await work.round(number, warmUpMs));
    await delay(SAMPLE_MS);
    const before = sample(runtime);
    const { samples, stop } = measuring(runtime);
    const sessions = await work.round(number, seconds * 1000);
    stop();
    servers.calm();
    await work.withEach(sessions, (session) => session.calmCall());
    await work.leave(sessions);
    const measures = Object.keys(MEASURES).filter((name) => judgesMemory || !MEMORY.includes(name));
    const after = await settled((state) => judgeStates(before, state, measures), runtime);
    const stats = runtime.stats();
    await runtime.close();
    const closed = await settled((state) => judgeEnd(atFirst, state));
    return {
      sessions: sessions.length,
      counts: work.counts,
      longest: work.longest(),
      stats: [stats],
      memory: samples.length > 0 ? course(samples, 'resident memory') : [],
      verdicts: judgeStates(before, after, measures),
      endVerdicts: judgeEnd(atFirst, closed),
      unexpected: [...warmUp.unexpected, ...work.unexpected, ...servers.twice.map((call) => `${call} was made twice`)],
    };
  } finally {
    await servers.close();
  }
}

module.exports = { underFaults };
