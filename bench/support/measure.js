const { readdirSync, readFileSync, writeFileSync } = require('node:fs');
const { monitorEventLoopDelay } = require('node:perf_hooks');
const { setTimeout: delay } = require('node:timers/promises');

const KIB = 1024;

/** `count` users, as LibreChat passes them. */
function users(count, start = 0) {
  return Array.from({ length: count }, (_, index) => {
    const id = (start + index + 1).toString(16).padStart(24, '0');
    return { id, name: `User ${id}`, email: `${id}@example.org`, role: 'USER', provider: 'openid' };
  });
}

const ascending = (numbers) => numbers.toSorted((a, b) => a - b);

/** The number that `share` of them do not exceed. */
const percentile = (numbers, share) => ascending(numbers)[Math.ceil(numbers.length * share) - 1];

function median(numbers) {
  const sorted = ascending(numbers);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * What `work` took, in ms: CPU of this process, all threads, wall time, and on Linux the CPU of JavaScript's thread and
 * of the addon's. Node's other threads, which compile and collect garbage, are in the first only.
 */
async function timed(work) {
  const threads = threadsCpu();
  const cpu = process.cpuUsage();
  const started = performance.now();
  await work();
  const wallMs = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  return { cpuMs: (user + system) / 1000, wallMs, ...since(threads) };
}

/** What the addon calls its threads. */
const OURS = /^(librechat-mcp|mcp-)/;

/** The CPU in ms that each thread has had, by id (proc(5), schedstat); `undefined` on other systems than Linux. */
function threadsCpu() {
  try {
    return new Map(readdirSync('/proc/self/task').map((id) => [Number(id), threadCpu(id)]));
  } catch {
    return undefined;
  }
}

function threadCpu(id) {
  const read = (file) => readFileSync(`/proc/self/task/${id}/${file}`, 'utf8');
  try {
    return { ms: Number(read('schedstat').split(' ')[0]) / 1e6, isOurs: OURS.test(read('comm')) };
  } catch {
    // It has ended since.
    return { ms: 0, isOurs: false };
  }
}

function since(before) {
  const after = before && threadsCpu();
  if (!after) return {};
  const spent = (id) => after.get(id).ms - (before.get(id)?.ms ?? 0);
  const ours = [...after.keys()].filter((id) => after.get(id).isOurs);
  return { jsMs: spent(process.pid), oursMs: ours.reduce((sum, id) => sum + spent(id), 0) };
}

/** The longest time in ms that the event loop was held while `work` ran. */
async function longestDelay(work) {
  const resolution = 1;
  const histogram = monitorEventLoopDelay({ resolution });
  histogram.enable();
  await delay(20);
  histogram.reset();
  await work();
  await delay(5);
  histogram.disable();
  // It records the time between two runs of a timer, the timer's own period included.
  return Math.max(0, histogram.max / 1e6 - resolution);
}

/** Runs `task(item)` for all items, at most `limit` at a time. */
async function each(items, limit, task) {
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) await task(item);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
}

/** Resident bytes after a full collection of garbage and a moment for what runs beside JavaScript. */
async function resident() {
  for (let round = 0; round < 3; round += 1) {
    globalThis.gc();
    await delay(100);
  }
  return process.memoryUsage.rss();
}

/** By how many bytes memory grew at most while `work` ran; Linux only, `undefined` elsewhere. */
async function peakGrowth(work) {
  const before = await resident();
  try {
    // Starts the kernel's high-water mark again (proc(5), clear_refs).
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    return undefined;
  }
  await work();
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)[1]) * KIB - before;
}

module.exports = { KIB, delay, each, longestDelay, median, peakGrowth, percentile, resident, timed, users };
