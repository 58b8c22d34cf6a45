const { readFileSync } = require('node:fs');

const delay = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const unsettled = [];

/** A promise that nobody settles, and that is no garbage: of one that is, the addon says that it can never settle. */
function never() {
  unsettled.push(new Promise(() => {}));
  return unsettled.at(-1);
}

/** For what takes milliseconds, on a machine that is busy with other things. */
const LIMIT_MS = 15_000;

/** Waits until `condition()` holds; says what was awaited when it does not within `limitMs`. */
async function until(what, condition, limitMs = LIMIT_MS) {
  const deadline = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${limitMs} ms`);
    await delay(10);
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const processGone = (pid, limitMs) => until(`end of process ${pid}`, () => !isAlive(pid), limitMs);

/** SIGSTOP is carried out a moment after it was sent. */
const processStopped = (pid) =>
  until(`stop of process ${pid}`, () => readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') T '));

const noOpenSockets = (server, limitMs) =>
  until(`zero open sockets at ${server.url}`, () => server.openSockets() === 0, limitMs);

/** Idle sockets of a connection pool may stay until `close()`; requests may not. */
const nothingInFlight = (server, limitMs) =>
  until(`end of the requests at ${server.url}`, () => server.inFlight() === 0, limitMs);

/** Resolves to { value, ms } of the promise; rejects when it did not settle within `limitMs`. */
async function settlesWithin(limitMs, promise) {
  const started = performance.now();
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not settled within ${limitMs} ms`)), limitMs);
  });
  try {
    const value = await Promise.race([promise, limit]);
    return { value, ms: Math.round(performance.now() - started) };
  } finally {
    clearTimeout(timer);
  }
}

module.exports = {
  delay,
  isAlive,
  never,
  noOpenSockets,
  nothingInFlight,
  processGone,
  processStopped,
  settlesWithin,
  until,
};
