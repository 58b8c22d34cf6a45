/**
 * Mixed work on real servers for a long time, with all features in use; ends with a non-zero exit code where memory, file
 * descriptors, threads, child processes, handles, connections or keys in Redis grow, where `runtime.close()` leaves something
 * behind, where an operation ends as it must not, or where the audit has more or less than one record of a call.
 *
 *     npm run soak                            ten minutes; writes docs/soak.md
 *     npm run soak -- 3600                    an hour; writes docs/soak.md as well
 *     npm run soak -- 20                      as many seconds; docs/soak.md stays as it is
 *     npm run soak -- 20 4711                 with a seed of its own
 *     npm run soak -- --faults                a thousand sessions under random faults, for five minutes; also with seconds
 *                                             and a seed
 *     MCP_TEST_ADDON=PATH npm run soak        another addon than that of `npm run build:test`
 *
 * Runs of less than two minutes do not judge memory, which is still warming up then, nor how many keys a round leaves behind,
 * of which there are too few.
 */

const { spawn } = require('node:child_process');
const { readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { delay } = require('../../__test__/support/wait');
const { underFaults } = require('./faults/run');
const { MEASURES, MEMORY, judge, judgeEnd, sample, settled } = require('./measure');
const { startSharedRedis } = require('./redis');
const { report, reportOfFaults } = require('./report');
const { startServers } = require('./servers');
const { createWork } = require('./work');

const DOCUMENT = join(__dirname, '..', '..', 'docs', 'soak.md');
const FULL_SECONDS = 600;
const LONG_SECONDS = 120;
/** Rounds begin at equal distances, so that as many sockets of earlier ones are idle in each; a busy machine has time for all. */
const LONGEST_ROUND_MS = 15_000;
const SHORTEST_ROUND_MS = 2000;
const OPERATIONS_PER_SECOND = 30;
/** For a first, a second and a last tenth. */
const FEWEST_ROUNDS = 3;
const NOT_IN_SHORT = [...MEMORY, 'keys in Redis'];
/**
 * glibc keeps freed memory in an arena for each thread that allocates: resident memory then creeps towards the sum of
 * what each thread once had at its busiest. With one arena, which gives back what is free, it is what is in use.
 */
const ONE_ARENA = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '65536' };
/** For the sockets of the first runtime. */
const PAUSE_MS = 3000;

const FAULTS_SECONDS = 300;
/** A login whose end Redis has not heard of is given up before it counts as one that hangs. */
const LOGIN_MS = 60_000;

const lasting = (seconds) => (seconds % 60 === 0 ? `${seconds / 60} minutes` : `${seconds} seconds`);

const introduction = ({ seconds }) => `# Soak test

\`npm run soak\` does mixed work on real servers for ${lasting(seconds)} (\`bench/soak/\`): Streamable HTTP, SSE, WebSocket, stdio,
a server of MCP 2026-07-28, one behind OAuth whose tokens live for seconds, one that this program has a client of its own at,
and one that gets tokens on behalf of users. Two hosts and an embedded runtime do it in one process and share a Redis: tokens,
flows, locks, leases, sessions, breakers, limits, approvals, exchanged tokens. All that operators and hosts decide is on: tools
that are denied, that wait for approval, or are over a limit; hooks that refuse and rewrite; results that are kept and read in
parts; the audit; metrics, spans, events and log lines.

Users come, connect, call tools, answer what servers ask, go on with tasks in another process, subscribe, abort, time out,
authorize and leave. The servers are killed and started again in every round, the embedded runtime's file changes in every
second one, and Redis is gone for a second in every sixth. When all users of a round have left, garbage is collected and the
process is measured. Flat means that the median of the last tenth of the rounds is not above that of the second tenth, the
first one being for warming up, by more than a measure allows. The script writes this file.

Keys in Redis are those that one round leaves behind: it is emptied before each, and all keys but those of approvals must have
an end ([redis.md](redis.md#the-keys)). Of each tool call the audit must have one record and the events one message, with the
outcome that the caller saw, and each hook must have been asked once; anything else fails the run.

glibc's allocator runs with one arena that gives back what is free (\`MALLOC_ARENA_MAX=1\`,
\`MALLOC_TRIM_THRESHOLD_=65536\`), so that resident memory is what is in use. With its defaults, one arena per thread,
resident memory is higher and settles later; where that matters, the same variables help.

`;

const FAULTS_HEADING = '\n## Under random faults\n';

const introductionOfFaults = ({ sessions, seconds }) => `
\`npm run soak -- --faults\` (\`bench/soak/faults/\`) has ${sessions} sessions of as many users call tools for ${lasting(seconds)} on
servers with which something goes wrong in about half of all calls: late, cut, foreign, broken and repeated answers,
floods, sessions that are lost in every way that servers have of saying so, kept connections that close in silence,
bodies in every content coding. What
goes wrong with a call follows from the seed and the call's text. The run ends with a non-zero exit code unless every call
ended with its own answer or a named error and within its time, no call that was worked on came to a server twice, every
session worked when the faults were over, and memory was then that of the start.

`;

async function soak(seconds, seed, world) {
  const roundMs = Math.max(SHORTEST_ROUND_MS, Math.min(LONGEST_ROUND_MS, (seconds * 1000) / 60));

  // What belongs to the process, such as threads, is there after the first round of other runtimes.
  const warmUp = await createWork(world, seed);
  const operationsIn = (ms) => (ms / 1000) * OPERATIONS_PER_SECOND;
  await warmUp.round(operationsIn(SHORTEST_ROUND_MS));
  await warmUp.close();
  await delay(PAUSE_MS);
  const before = sample();

  const work = await createWork(world, seed);
  const samples = [];
  const ends = performance.now() + seconds * 1000;
  while (performance.now() < ends || samples.length < FEWEST_ROUNDS) {
    const next = performance.now() + roundMs;
    const keys = await work.round(operationsIn(roundMs));
    await delay(next - performance.now());
    samples.push({ ...sample(...work.runtimes), 'keys in Redis': keys });
    if (process.stdout.isTTY) process.stdout.write(`\r${samples.length} rounds`);
  }
  const isShort = seconds < LONG_SECONDS;
  const measures = Object.keys(MEASURES).filter((name) => !isShort || !NOT_IN_SHORT.includes(name));
  // A tenth of a short run is one sample, when the last round's sockets may still be idle.
  const last = samples.pop();
  const withLast = (state) => [...samples, { ...last, ...state }];
  const verdictsOn = (state) => judge(withLast(state), measures);
  const all = withLast(isShort ? await settled(verdictsOn, ...work.runtimes) : {});
  const stats = work.runtimes.map((runtime) => runtime.stats());
  await work.close();
  const after = await settled((state) => judgeEnd(before, state));

  return {
    samples: all,
    rounds: all.length,
    verdicts: judge(all, measures),
    endVerdicts: judgeEnd(before, after),
    counts: work.counts,
    stats,
    told: work.told(),
    unexpected: [...warmUp.unexpected, ...work.unexpected],
  };
}

async function withServers(work) {
  const servers = await startServers();
  try {
    return await work(servers);
  } finally {
    await servers.close();
  }
}

/** Puts the text of one kind of run in its place in the document. */
function write(text, isOfFaults) {
  const [mixed, faults = ''] = readFileSync(DOCUMENT, 'utf8').split(FAULTS_HEADING);
  writeFileSync(DOCUMENT, isOfFaults ? mixed + FAULTS_HEADING + text : text + (faults && FAULTS_HEADING + faults));
}

const KINDS = {
  mixed: {
    full: FULL_SECONDS,
    async run(seconds, seed) {
      process.env.MCP_OAUTH_HANDLING_TIMEOUT = String(LOGIN_MS);
      const redis = await startSharedRedis();
      // The servers end with their parent, Redis does not.
      process.once('SIGTERM', () => redis.close().finally(() => process.exit(1)));
      try {
        return await withServers((servers) => soak(seconds, seed, { servers, redis }));
      } finally {
        await redis.close();
      }
    },
    report: (result) => introduction(result) + report(result),
  },
  faults: {
    full: FAULTS_SECONDS,
    run: (seconds, seed, sessions) => underFaults(seconds, seed, sessions, seconds >= LONG_SECONDS),
    report: (result) => introductionOfFaults(result) + reportOfFaults(result),
  },
};

async function main(args) {
  const isOfFaults = args[0] === '--faults';
  const kind = KINDS[isOfFaults ? 'faults' : 'mixed'];
  const [seconds = kind.full, seed = 1, sessions] = args.slice(isOfFaults ? 1 : 0).map(Number);
  const result = await kind.run(seconds, seed, sessions);
  const addon = process.env.MCP_TEST_ADDON ? 'given' : 'unoptimized';
  const text = kind.report({ ...result, seconds, seed, addon });
  console.log(text);
  for (const line of new Set(result.unexpected.slice(0, 20))) console.error(line);
  if (seconds >= kind.full) write(text, isOfFaults);
  const flat = [...result.verdicts, ...result.endVerdicts].every((verdict) => verdict.flat);
  if (!flat || result.unexpected.length > 0) process.exitCode = 1;
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
