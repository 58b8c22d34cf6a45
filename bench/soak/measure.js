const { readdirSync, readFileSync } = require('node:fs');
const v8 = require('node:v8');
const { runInNewContext } = require('node:vm');
const { delay } = require('../../__test__/support/wait');

v8.setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

const MIB = 1024 * 1024;
/** For what ends on its own a little later, such as idle threads and sockets of this process's own requests. */
const SETTLE_MS = 30_000;

/** What is measured; `allowed` is how much more than at the start counts as flat. Linux has all of them. */
const MEASURES = {
  'resident memory': { unit: 'MiB', allowed: (before) => before * 0.1 + 8 },
  'JavaScript heap': { unit: 'MiB', allowed: (before) => before * 0.1 + 2 },
  'memory outside the heap': { unit: 'MiB', allowed: () => 2 },
  'file descriptors': { unit: '', allowed: () => 8 },
  threads: { unit: '', allowed: () => 4 },
  'child processes': { unit: '', allowed: () => 0 },
  'active resources of Node': { unit: '', allowed: () => 4 },
  connections: { unit: '', allowed: () => 0 },
  'users known': { unit: '', allowed: () => 0 },
  'calls that run or wait': { unit: '', allowed: () => 0 },
  'keys in Redis': { unit: '', allowed: (before) => before * 0.25 + 20 },
};

const MEMORY = ['resident memory', 'JavaScript heap', 'memory outside the heap'];

/** Those that have to be where they were when everything is closed. */
const ENDS = ['file descriptors', 'threads', 'child processes', 'active resources of Node'];

const entries = (directory) => {
  try {
    return readdirSync(directory);
  } catch {
    return undefined;
  }
};

const childrenOf = (tasks) =>
  tasks
    ?.flatMap((task) => readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' '))
    .filter((pid) => pid.trim()).length;

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

/** The state of this process and of its runtimes now, garbage collected; what is not told is absent. */
function sample(...runtimes) {
  collectGarbage();
  const memory = process.memoryUsage();
  const tasks = entries('/proc/self/task');
  const stats = runtimes.map(({ manager }) => manager.getConnectionStats());
  const queues = runtimes.flatMap((runtime) => Object.values(runtime.stats().queues));
  return {
    'resident memory': memory.rss / MIB,
    'JavaScript heap': memory.heapUsed / MIB,
    'memory outside the heap': memory.external / MIB,
    'file descriptors': entries('/proc/self/fd')?.length,
    threads: tasks?.length,
    'child processes': childrenOf(tasks),
    'active resources of Node': process.getActiveResourcesInfo().length,
    connections: sum(stats.map(({ totalConnections, appConnectionCount }) => totalConnections + appConnectionCount)),
    'users known': sum(stats.map(({ trackedUsers, activityEntries }) => Math.max(trackedUsers, activityEntries))),
    'calls that run or wait': sum(queues.map(({ running, waiting }) => running + waiting)),
  };
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Compares the second tenth of the samples, after warming up, with the last one, each by its median.
 * @param measures which; all unless given
 */
function judge(samples, measures = Object.keys(MEASURES)) {
  const tenth = Math.max(1, Math.floor(samples.length / 10));
  const [early, late] = [samples.slice(tenth, 2 * tenth), samples.slice(-tenth)];
  return measures
    .filter((name) => samples.every((entry) => entry[name] !== undefined))
    .map((name) => {
      const [before, after] = [early, late].map((part) => median(part.map((entry) => entry[name])));
      const allowed = before + MEASURES[name].allowed(before);
      return { name, unit: MEASURES[name].unit, before, after, allowed, flat: after <= allowed };
    });
}

/** Compares what is left when everything is closed with what was there before. */
function judgeEnd(before, after) {
  return ENDS.filter((name) => before[name] !== undefined).map((name) => ({
    name,
    before: before[name],
    after: after[name],
    flat: after[name] <= before[name],
  }));
}

/** Compares two states, both with nothing under way. */
function judgeStates(before, after, measures = Object.keys(MEASURES)) {
  return measures
    .filter((name) => before[name] !== undefined)
    .map((name) => {
      const allowed = before[name] + MEASURES[name].allowed(before[name]);
      const { unit } = MEASURES[name];
      return { name, unit, before: before[name], after: after[name], allowed, flat: after[name] <= allowed };
    });
}

/** The state once all verdicts on it are flat, or after a while. */
async function settled(verdictsOn, ...runtimes) {
  const deadline = Date.now() + SETTLE_MS;
  let state = sample(...runtimes);
  while (verdictsOn(state).some(({ flat }) => !flat) && Date.now() < deadline) {
    await delay(250);
    state = sample(...runtimes);
  }
  return state;
}

/** The medians of all tenths, or of all samples where there are fewer. */
function course(samples, name) {
  const tenth = Math.max(1, Math.floor(samples.length / 10));
  const parts = [];
  for (let start = 0; start < samples.length; start += tenth) parts.push(samples.slice(start, start + tenth));
  return parts.map((part) => median(part.map((entry) => entry[name])));
}

module.exports = { MEASURES, MEMORY, course, judge, judgeEnd, judgeStates, sample, settled };
