const { randomUUID } = require('node:crypto');
const { setTimeout: delay } = require('node:timers/promises');

/** For what has to happen soon, on a machine that is busy with other things. */
const SOON_MS = 10_000;
/** A life that ends during a test, and one that does not. */
const SHORT_MS = 200;
const LONG_MS = 60_000;
const POLL_MS = 20;

/** Thrown by a test whose rule an implementation has broken. */
class BrokenRuleError extends Error {
  name = 'BrokenRuleError';

  /** @param {string} rule @param {string} [seen] */
  constructor(rule, seen) {
    super(seen ? `${rule}: ${seen}` : rule);
    this.rule = rule;
  }
}

/** What was seen, in short. */
const shown = (value) =>
  (typeof value === 'function' ? 'a function' : (JSON.stringify(value) ?? 'undefined')).slice(0, 200);

function check(rule, condition, seen) {
  if (!condition) throw new BrokenRuleError(rule, seen);
}

/** Compares what JSON makes of both. */
function checkSame(rule, seen, expected) {
  const canonical = (value) => JSON.stringify(sorted(value));
  check(rule, canonical(seen) === canonical(expected), `${shown(seen)} instead of ${shown(expected)}`);
}

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
}

/** Fails, with the same rule, when the work does not end soon or throws. */
async function soon(rule, work) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new BrokenRuleError(rule, `not within ${SOON_MS} ms`)), SOON_MS);
  });
  try {
    return await Promise.race([work, limit]);
  } catch (error) {
    throw error instanceof BrokenRuleError ? error : new BrokenRuleError(rule, `it threw ${error}`);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again until there is something. */
async function eventually(rule, ask) {
  const end = Date.now() + SOON_MS;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    check(rule, Date.now() < end, `not within ${SOON_MS} ms`);
    await delay(POLL_MS);
  }
}

/** A name that nobody else uses. */
const fresh = (name) => `${name}-${randomUUID()}`;
const atOnce = (count, work) => Promise.all(Array.from({ length: count }, (_, index) => work(index)));

module.exports = { LONG_MS, SHORT_MS, SOON_MS, atOnce, check, checkSame, delay, eventually, fresh, soon };
