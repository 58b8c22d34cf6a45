/** Calls that come at a rate, and the highest rate that is held. */

const { setTimeout: delay } = require('node:timers/promises');
const { percentile } = require('./measure');

/** What has not been answered so long after the last call is not waited for. */
const PATIENCE_MS = 10_000;

/**
 * Starts `call()` `rate` times a second for `ms`, each when its time has come, whether or not those before it are answered
 * (an open loop). Starts no more when `bound` of them wait for their answers, so that a program that cannot keep up is
 * left in time. Rejects with what a call rejects with.
 *
 * Resolves to `latencies` in ms, which count from the time at which a call was due: what the caller itself was too busy
 * to start in time counts as well. One without an answer counts with the time that was waited for it. `perSecond` is how
 * many answers came within `ms`, and `overrun` whether the bound was met.
 */
async function paced(call, { rate, ms, bound = Number.POSITIVE_INFINITY, patienceMs = PATIENCE_MS }) {
  const count = Math.round((rate * ms) / 1000);
  const began = performance.now();
  const due = (index) => began + (index * 1000) / rate;
  const answered = [];
  const calls = [];
  let [waiting, failure] = [0, undefined];
  const start = async (index) => {
    waiting += 1;
    try {
      await call();
      answered[index] = performance.now();
    } catch (error) {
      failure ??= error;
    }
    waiting -= 1;
  };
  while (calls.length < count && waiting < bound && !failure) {
    const early = due(calls.length) - performance.now();
    if (early > 0) await delay(early);
    else calls.push(start(calls.length));
  }
  await within(patienceMs, Promise.all(calls));
  if (failure) throw failure;
  const end = performance.now();
  return {
    latencies: calls.map((_, index) => (answered[index] ?? end) - due(index)),
    perSecond: (answered.filter((time) => time <= began + ms).length / ms) * 1000,
    overrun: calls.length < count,
  };
}

/** Waits for it at most so long. */
async function within(ms, promise) {
  const waiting = new AbortController();
  const ended = delay(ms, undefined, { signal: waiting.signal }).catch(() => {});
  await Promise.race([promise, ended]);
  waiting.abort();
}

/**
 * Whether 99 of 100 calls are answered within `limitMs` of the time at which they were due, where `rate` of them come each
 * second for `ms`.
 */
async function isHeld(call, { rate, ms, limitMs }) {
  // Of so many that wait, all but those of the last `limitMs` are late, and they are more than one in a hundred.
  const bound = Math.ceil((rate * (limitMs + ms / 100)) / 1000) + 1;
  const { latencies, overrun } = await paced(call, { rate, ms, bound });
  return !overrun && percentile(latencies, 0.99) < limitMs;
}

/**
 * The highest rate that `holds`, which each has two chances to: doubled from `from` on, `doublings` times at most, until
 * one does not, and then sought between the two in `halvings` steps. 0 when none was found.
 */
async function highest(holds, { from, doublings, halvings }) {
  const doesHold = async (rate) => (await holds(rate)) || holds(rate);
  let [held, next] = [0, from];
  for (let step = 0; step < doublings && (await doesHold(next)); step += 1) [held, next] = [next, 2 * next];
  for (let step = 0; step < halvings; step += 1) {
    const middle = (held + next) / 2;
    if (await doesHold(middle)) held = middle;
    else next = middle;
  }
  return held;
}

module.exports = { highest, isHeld, paced };
