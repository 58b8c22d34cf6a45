/** How much of each work is done: for the table, and only to see whether everything works. */

const { KIB } = require('./support/measure');

const MIB = KIB * KIB;

const FULL = {
  rounds: 5,
  reinit: { count: 400 },
  burst: { count: 500 },
  idle: { count: 2000 },
  calls: { count: 5000, users: 50 },
  slow: { count: 1000, users: 50, rounds: 5, slow: 16, slowMs: 5000 },
  list: { count: 30, tools: 1000 },
  large: { bytes: 10 * MIB },
  largeCpu: { bytes: 10 * MIB, count: 10 },
  load: {
    users: [50, 500, 5000],
    // Half of what the fastest peer can do with all of a core: it takes 1.2 ms of CPU for a call.
    rate: 400,
    warmUpMs: 1000,
    ms: 4000,
    step: { ms: 1500, limitMs: 100 },
    search: { doublings: 8, halvings: 3 },
  },
  growth: { connections: [10, 100, 1000, 5000, 20_000], tools: [10, 100, 1000, 10_000] },
  oboCached: { milliseconds: 400 },
  oboMisses: { count: 1000 },
  native: { reinit: 1000, calls: 20_000 },
  requires: 11,
};

const SHORT = {
  rounds: 1,
  reinit: { count: 5 },
  burst: { count: 20 },
  idle: { count: 20, warmUp: 5, restMs: 100 },
  calls: { count: 100, users: 5 },
  slow: { count: 20, users: 5, rounds: 1, slow: 4, slowMs: 1500 },
  list: { count: 2, tools: 50 },
  large: { bytes: MIB },
  largeCpu: { bytes: MIB, count: 1 },
  load: {
    users: [2, 5],
    rate: 100,
    warmUpMs: 50,
    ms: 100,
    step: { ms: 100, limitMs: 100 },
    search: { doublings: 2, halvings: 1 },
  },
  growth: { connections: [5, 10], tools: [10, 20] },
  oboCached: { milliseconds: 20 },
  oboMisses: { count: 50 },
  native: { reinit: 20, calls: 20 },
  requires: 1,
};

module.exports = { FULL, MIB, SHORT };
