/**
 * How long the calls of others take beside the slow calls of one user, for docs/governance.md: in places by arrival, in the places
 * of `limits`, and without that user.
 *
 *   node bench/fairness.js
 *
 * The addon is the one of `npm run build`; the server is that of the bench, unoptimized.
 */

const { setTimeout: delay } = require('node:timers/promises');
const { createClient } = require('./clients/addon');
const { each, median, percentile, users } = require('./support/measure');
const { buildNative, startServer } = require('./support/processes');

const PLACES = 8;
const SLOW = { calls: 200, delay: 500 };
/** Their calls come one after the other, evenly over `withinMs`. */
const FAST = { users: 50, calls: 1000, delay: 5, withinMs: 10_000 };
const ROUNDS = 3;

/** Runs so many works at a time, in the order in which they came. */
function placesByArrival(count) {
  let free = count;
  const waiting = [];
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
}

/** What the fast calls took in ms, and all slow ones together. */
async function measured(url, { limits, place = (work) => work(), slow = SLOW.calls }) {
  const client = createClient({ url, config: limits && { limits } });
  const [patient, ...others] = users(FAST.users + 1);
  await each([patient, ...others], 8, (user) => client.reinit(user));
  const call = (user, ms) => place(() => client.call(user, { text: 'hi', delay: ms }));
  const timed = async (work) => {
    const started = performance.now();
    await work();
    return performance.now() - started;
  };
  const slowCalls = timed(() => Promise.all(Array.from({ length: slow }, () => call(patient, SLOW.delay))));
  const fast = await Promise.all(
    Array.from({ length: FAST.calls }, async (_, index) => {
      await delay((index * FAST.withinMs) / FAST.calls);
      return timed(() => call(others[index % others.length], FAST.delay));
    }),
  );
  const slowMs = await slowCalls;
  await client.close();
  return { p50: percentile(fast, 0.5), p99: percentile(fast, 0.99), slowMs };
}

async function main() {
  const server = await startServer(buildNative({ release: false }).server);
  const limits = { concurrency: PLACES, queue: SLOW.calls + FAST.calls };
  const kinds = {
    'by arrival': { place: placesByArrival(PLACES) },
    limits: { limits },
    'the others alone': { limits, slow: 0 },
  };
  console.log('| | p50 | p99 | all slow calls |\n| --- | --- | --- | --- |');
  try {
    for (const [name, kind] of Object.entries(kinds)) {
      const rounds = [];
      for (let round = 0; round < ROUNDS; round += 1) rounds.push(await measured(server.url(), kind));
      const keys = kind.slow === 0 ? ['p50', 'p99'] : ['p50', 'p99', 'slowMs'];
      const figures = keys.map((key) => `${Math.round(median(rounds.map((it) => it[key])))} ms |`);
      console.log(`| ${name} | ${figures.join(' ')}${kind.slow === 0 ? ' |' : ''}`);
    }
  } finally {
    server.stop();
  }
}

main();
