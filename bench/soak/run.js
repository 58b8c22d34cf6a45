/**
 * Mixed work on real servers for a long time; ends with a non-zero exit code where memory, file descriptors, threads,
 * child processes, handles or connections grow, where `runtime.close()` leaves something behind, or where an
 * operation ends as it must not.
 *
 *     npm run soak                            ten minutes; writes docs/soak.md
 *     npm run soak -- 20                      as many seconds; docs/soak.md stays as it is
 *     npm run soak -- 20 4711                 with a seed of its own
 *     MCP_TEST_ADDON=PATH npm run soak        another addon than that of `npm run build:test`
 *
 * Runs of less than two minutes do not judge memory, which is still warming up then.
 */

const { spawn } = require('node:child_process');
const { writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { createAuthorization } = require('../../__test__/conformance/authorization');
const { createMCPRuntime } = require('../../__test__/support/addon');
const { delay } = require('../../__test__/support/wait');
const { MEASURES, judge, judgeEnd, sample } = require('./measure');
const { report } = require('./report');
const { startServers } = require('./servers');
const { createWork } = require('./work');

const DOCUMENT = join(__dirname, '..', '..', 'docs', 'soak.md');
const FULL_SECONDS = 600;
const MEMORY_SECONDS = 120;
const MEMORY = ['resident memory', 'JavaScript heap', 'memory outside the heap'];
const LONGEST_ROUND_MS = 10_000;
const SHORTEST_ROUND_MS = 2000;
/** For a first, a second and a last tenth. */
const FEWEST_ROUNDS = 3;
/**
 * glibc keeps freed memory in an arena for each thread that allocates: resident memory then creeps towards the sum of
 * what each thread once had at its busiest. With one arena, which gives back what is free, it is what is in use.
 */
const ONE_ARENA = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '65536' };
/** For what ends on its own a little later, such as idle threads and sockets of this process's own requests. */
const SETTLE_MS = 30_000;

const INTRODUCTION = `# Soak test

\`npm run soak\` does mixed work on real servers for ten minutes (\`bench/soak/\`): Streamable HTTP, SSE, WebSocket, stdio
and a server behind OAuth whose tokens live for seconds. Users come, connect, call tools, abort, time out, authorize and
leave; the servers are killed and started again in every round. When all users of a round have left, garbage is collected
and the process is measured. Flat means that the median of the last tenth of the rounds is not above that of the second
tenth, the first one being for warming up, by more than a measure allows. The script writes this file.

glibc's allocator runs with one arena that gives back what is free (\`MALLOC_ARENA_MAX=1\`,
\`MALLOC_TRIM_THRESHOLD_=65536\`), so that resident memory is what is in use. With its defaults, one arena per thread,
resident memory is higher and settles later; where that matters, the same variables help.

`;

/** Host services in memory that keep nothing of what they are asked. */
function createServices({ configs, allowedAddresses }, authorization) {
  return {
    ...authorization.services,
    registry: {
      getServerConfig: async (name) => configs[name],
      getAllServerConfigs: async () => configs,
      reinspectServer: async (name) => {
        throw new Error(`${name} has not failed its inspection`);
      },
      shouldEnableSSRFProtection: () => true,
      getAllowedDomains: () => null,
      getAllowedAddresses: () => allowedAddresses,
    },
  };
}

/** The state once all verdicts on it are flat, or after a while. */
async function settled(verdictsOn, manager) {
  const deadline = Date.now() + SETTLE_MS;
  let state = sample(manager);
  while (verdictsOn(state).some(({ flat }) => !flat) && Date.now() < deadline) {
    await delay(250);
    state = sample(manager);
  }
  return state;
}

async function soak(seconds, seed, servers) {
  const authorization = createAuthorization();
  const services = createServices(servers, authorization);
  const start = () => createWork({ runtime: createMCPRuntime(services), services, authorization, servers }, seed);
  const roundMs = Math.max(SHORTEST_ROUND_MS, Math.min(LONGEST_ROUND_MS, (seconds * 1000) / 60));

  // What belongs to the process, such as threads, is there after the first round of another runtime.
  const warmUp = start();
  await warmUp.round(SHORTEST_ROUND_MS);
  await warmUp.runtime.close();
  await delay(SETTLE_MS / 10);
  const before = sample();

  const work = start();
  const samples = [];
  const ends = performance.now() + seconds * 1000;
  while (performance.now() < ends || samples.length < FEWEST_ROUNDS) {
    await work.round(roundMs);
    samples.push(sample(work.runtime.manager));
    if (process.stdout.isTTY) process.stdout.write(`\r${samples.length} rounds`);
  }
  const isShort = seconds < MEMORY_SECONDS;
  const measures = Object.keys(MEASURES).filter((name) => !isShort || !MEMORY.includes(name));
  // A tenth of a short run is one sample, when the last round's sockets may still be idle.
  const verdictsOn = (last) => judge([...samples.slice(0, -1), last], measures);
  if (isShort) samples[samples.length - 1] = await settled(verdictsOn, work.runtime.manager);
  const stats = work.runtime.stats();
  await work.runtime.close();
  const after = await settled((state) => judgeEnd(before, state));

  return {
    samples,
    rounds: samples.length,
    verdicts: judge(samples, measures),
    endVerdicts: judgeEnd(before, after),
    counts: work.counts,
    stats,
    unexpected: [...warmUp.unexpected, ...work.unexpected],
  };
}

async function main([seconds = String(FULL_SECONDS), seed = '1']) {
  const servers = await startServers();
  try {
    const result = await soak(Number(seconds), Number(seed), servers);
    const addon = process.env.MCP_TEST_ADDON ? 'given' : 'unoptimized';
    const text = report({ ...result, seconds, seed, addon });
    console.log(text);
    for (const line of new Set(result.unexpected.slice(0, 20))) console.error(line);
    if (Number(seconds) >= FULL_SECONDS) writeFileSync(DOCUMENT, INTRODUCTION + text);
    const flat = [...result.verdicts, ...result.endVerdicts].every((verdict) => verdict.flat);
    if (!flat || result.unexpected.length > 0) process.exitCode = 1;
  } finally {
    await servers.close();
  }
}

const args = process.argv.slice(2);
if (process.env.MALLOC_ARENA_MAX) {
  main(args);
} else {
  // The C library reads them when a process starts.
  const env = { ...process.env, ...ONE_ARENA };
  const child = spawn(process.execPath, [__filename, ...args], { env, stdio: 'inherit' });
  process.on('SIGTERM', () => child.kill());
  child.on('close', (code) => {
    process.exitCode = code ?? 1;
  });
}
