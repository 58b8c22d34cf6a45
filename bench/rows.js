/**
 * The rows of the table. Each measures addon and peer in turn, `rounds` times, and answers with the values of each
 * round by name; a row's number is the median over the rounds.
 */

const { existsSync, readFileSync, statSync } = require('node:fs');
const { join } = require('node:path');
const { execFileSync } = require('node:child_process');
const { ROOT, releaseAddonPath } = require('../scripts/addon-path');
const { KIB, median } = require('./support/measure');
const { inChild, inScript, runPlain } = require('./support/processes');

const MIB = KIB * KIB;

const FULL = {
  rounds: 5,
  reinit: { count: 400 },
  burst: { count: 500 },
  idle: { count: 2000 },
  calls: { count: 5000, users: 50 },
  list: { count: 30, tools: 1000 },
  large: { bytes: 10 * MIB },
  growth: { connections: [10, 100, 1000, 5000], tools: [10, 100, 1000, 10_000] },
  oboCached: { milliseconds: 400 },
  oboMisses: { count: 1000 },
  plain: 1000,
  requires: 11,
};

const SHORT = {
  rounds: 1,
  reinit: { count: 5 },
  burst: { count: 20 },
  idle: { count: 20, warmUp: 5, restMs: 100 },
  calls: { count: 100, users: 5 },
  list: { count: 2, tools: 50 },
  large: { bytes: MIB },
  growth: { connections: [5, 10], tools: [10, 20] },
  oboCached: { milliseconds: 20 },
  oboMisses: { count: 50 },
  plain: 20,
  requires: 1,
};

const atMost = (limit) => ({ text: `≤ ${limit}`, holds: (number) => number <= limit });
const atLeast = (limit) => ({ text: `≥ ${limit.toLocaleString('en')}`, holds: (number) => number >= limit });

/** One line of the table. `judged` is the number that the floor is for: `value`, or `ratio`. */
function row(name, { value, unit, peer, floor, judged = 'ratio', inverse = false }) {
  const ratio = peer === undefined ? undefined : inverse ? peer / value : value / peer;
  const number = judged === 'ratio' ? ratio : value;
  return { name, value, unit, peer, ratio, floor: floor.text, reached: number !== undefined && floor.holds(number) };
}

/** Addon and SDK in turn. Answers with the medians of each. */
async function inTurn({ rounds }, work, task) {
  const results = { addon: [], sdk: [] };
  for (let round = 0; round < rounds; round += 1) {
    for (const client of ['addon', 'sdk']) results[client].push(await inChild(client, work, task));
  }
  return { addon: medians(results.addon), sdk: medians(results.sdk) };
}

function medians(results) {
  const names = Object.keys(results[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, median(results.map((result) => result[name]))]));
}

/** How much more one thing may take where there are very many than where there are a thousand. */
const FLAT = atMost(1.25);

const SHOWN = { text: 'none', holds: () => true };

/** For lists that are longer than servers may send. */
const NO_BUDGETS = {
  MCP_TOOLS_LIST_MAX_TOOLS: '100000',
  MCP_TOOLS_LIST_MAX_BYTES: String(100 * MIB),
  MCP_STREAMABLE_HTTP_MAX_RESPONSE_BYTES: '0',
};

/**
 * A row for each size, from small to large. The largest is held against the one before; what a few take is too close to
 * the noise of a whole process.
 */
function series(sizes, name, { values, unit }) {
  const last = sizes.length - 1;
  return sizes.map((size, index) => {
    if (index < last) return row(name(size), { value: values[index], unit, floor: SHOWN, judged: 'value' });
    return row(name(size), { value: values[last], unit, peer: values[last - 1], floor: FLAT });
  });
}

const groups = {
  async reinit({ server, programs, sizes }) {
    const url = server.url({ tools: 30 });
    const task = { options: { url, keep: false }, parameters: sizes.reinit };
    const plain = [];
    const results = { addon: [], sdk: [] };
    for (let round = 0; round < sizes.rounds; round += 1) {
      for (const client of ['addon', 'sdk']) results[client].push(await inChild(client, 'reinit', task));
      plain.push(await runPlain(programs.plain, url, 'reinit', sizes.plain));
    }
    const [addon, sdk, rust] = [medians(results.addon), medians(results.sdk), medians(plain)];
    return [
      row('reinit: CPU', { value: addon.cpuMs, unit: 'ms', peer: sdk.cpuMs, floor: atMost(0.15) }),
      row('reinit: median latency', { value: addon.latencyMs, unit: 'ms', peer: sdk.latencyMs, floor: atMost(0.3) }),
      row('reinit: CPU, against plain Rust', {
        value: addon.cpuMs,
        unit: 'ms',
        peer: rust.cpuMs,
        floor: atMost(1.5),
      }),
    ];
  },

  async burst({ server, sizes }) {
    const task = { options: { url: server.url({ tools: 30 }), keep: false }, parameters: sizes.burst };
    const { addon, sdk } = await inTurn(sizes, 'burst', task);
    const { count } = sizes.burst;
    return [
      row(`${count} users reinit at once: wall time`, {
        value: addon.wallMs,
        unit: 'ms',
        peer: sdk.wallMs,
        floor: atMost(0.2),
      }),
      row(`${count} users reinit at once: CPU of each`, {
        value: addon.cpuMs / count,
        unit: 'ms',
        peer: sdk.cpuMs / count,
        floor: SHOWN,
        judged: 'value',
      }),
      row(`${count} users reinit at once: longest event-loop delay`, {
        value: addon.delayMs,
        unit: 'ms',
        peer: sdk.delayMs,
        floor: atMost(10),
        judged: 'value',
      }),
    ];
  },

  async idle({ server, sizes }) {
    const task = (stream) => ({
      options: { url: server.url({ tools: 30, stream }) },
      parameters: sizes.idle,
    });
    const without = await inTurn(sizes, 'idle', task('no'));
    const withStream = await inTurn(sizes, 'idle', task('yes'));
    const { count } = sizes.idle;
    const memory = ({ addon, sdk }, floor, judged) => ({
      value: addon.bytes / KIB,
      unit: 'KiB',
      peer: sdk.bytes / KIB,
      floor,
      judged,
    });
    return [
      row(`${count} idle connections: memory of each, against the peer`, memory(without, atMost(0.3))),
      row(`${count} idle connections: memory of each`, memory(without, atMost(30), 'value')),
      row(`${count} idle connections with a GET stream: memory of each`, memory(withStream, atMost(0.5))),
    ];
  },

  async calls({ server, sizes }) {
    const task = { options: { url: server.url({ tools: 30 }) }, parameters: sizes.calls };
    const { addon, sdk } = await inTurn(sizes, 'calls', task);
    return [
      row('callTool: calls per CPU second', {
        value: addon.perCpuSecond,
        unit: '/s',
        peer: sdk.perCpuSecond,
        floor: atLeast(4),
      }),
    ];
  },

  async list({ server, sizes }) {
    const { tools } = sizes.list;
    const url = server.url({ tools, depth: 6 });
    const task = { options: { url }, parameters: sizes.list };
    const { addon, sdk } = await inTurn(sizes, 'list', task);
    const reading = await inTurn(sizes, 'list', { ...task, parameters: { ...sizes.list, read: true } });
    const name = `tools/list of ${tools} tools with deep schemas: event-loop time`;
    return [
      row(name, { value: addon.loopMs, unit: 'ms', peer: sdk.loopMs, floor: atMost(0.4) }),
      row(`${name} when every schema is looked at`, {
        value: reading.addon.loopMs,
        unit: 'ms',
        peer: reading.sdk.loopMs,
        floor: SHOWN,
      }),
    ];
  },

  async large({ server, sizes }) {
    const task = { options: { url: server.url() }, parameters: sizes.large };
    const { addon, sdk } = await inTurn(sizes, 'large', task);
    return [
      row(`text result of ${sizes.large.bytes / MIB} MiB: peak extra memory`, {
        value: addon.payloads,
        unit: 'payloads',
        peer: sdk.payloads,
        floor: atMost(3),
        judged: 'value',
      }),
    ];
  },

  async obo({ server, sizes, short }) {
    const options = (query) => ({
      url: server.url(),
      services: {
        openIdConfig: {
          issuer: server.origin,
          tokenEndpoint: `${server.origin}/token?${query}`,
          clientId: 'client',
          clientSecret: 'secret',
        },
      },
    });
    const rows = short ? [] : [lookups()];
    const cached = [];
    for (let round = 0; round < sizes.rounds; round += 1) {
      cached.push(await inChild('addon', 'oboCached', { options: options('delay=0'), parameters: sizes.oboCached }));
    }
    const { perSecond, nothingPerSecond } = medians(cached);
    rows.push(
      row('OBO, cached: calls from JS, against an async no-op of the addon', {
        value: perSecond,
        unit: '/s',
        peer: nothingPerSecond,
        floor: atLeast(0.5),
      }),
    );
    const before = (await server.stats()).tokens;
    const { distinct } = await inChild('addon', 'oboMisses', {
      options: options('delay=100'),
      parameters: sizes.oboMisses,
    });
    const requests = (await server.stats()).tokens - before;
    if (distinct !== 1) throw new Error(`${distinct} different tokens for one key`);
    rows.push(
      row(`OBO, ${sizes.oboMisses.count} concurrent misses of one key: requests`, {
        value: requests,
        unit: '',
        floor: { text: 'exactly 1', holds: (number) => number === 1 },
        judged: 'value',
      }),
    );
    return rows;
  },

  /** What one connection and one tool take, as there are more of them. */
  async growth({ server, sizes }) {
    const { connections, tools } = sizes.growth;
    const idle = [];
    for (const count of connections) {
      const task = { options: { url: server.url({ tools: 30, stream: 'no' }) }, parameters: { ...sizes.idle, count } };
      idle.push(await inChild('addon', 'idle', task));
    }
    const lists = [];
    for (const count of tools) {
      const task = { options: { url: server.url({ tools: count }) }, parameters: { ...sizes.list, tools: count } };
      lists.push(await inChild('addon', 'list', { ...task, environment: NO_BUDGETS }));
    }
    return [
      ...series(connections, (count) => `growth, ${count} idle connections: memory of each`, {
        values: idle.map(({ bytes }) => bytes / KIB),
        unit: 'KiB',
      }),
      ...series(connections, (count) => `growth, ${count} connections: CPU to make each`, {
        values: idle.map(({ cpuMs }) => cpuMs),
        unit: 'ms',
      }),
      ...series(tools, (count) => `growth, tools/list of ${count} tools: CPU of each`, {
        values: lists.map(({ cpuMs }, index) => (cpuMs * 1000) / tools[index]),
        unit: 'µs',
      }),
    ];
  },

  async footprint({ sizes }) {
    const loaded = [];
    for (let round = 0; round < sizes.requires; round += 1) {
      loaded.push(
        await inScript(`
          gc();
          const before = process.memoryUsage.rss();
          const started = performance.now();
          require('.');
          const ms = performance.now() - started;
          gc();
          console.log(JSON.stringify({ ms, bytes: process.memoryUsage.rss() - before }));
        `),
      );
    }
    const { ms, bytes } = medians(loaded);
    const size = statSync(process.env.NAPI_RS_NATIVE_LIBRARY_PATH ?? releaseAddonPath()).size;
    const alone = (value, unit, floor) => ({ value, unit, floor, judged: 'value' });
    return [
      row('require(): time', alone(ms, 'ms', atMost(8))),
      row('require(): resident memory', alone(bytes / MIB, 'MiB', atMost(6))),
      row('binary, stripped', alone(size / MIB, 'MiB', atMost(8))),
    ];
  },
};

/** The micro-benchmark of a cached token, run by criterion. */
function lookups() {
  const options = { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' };
  execFileSync('cargo', ['bench', '--locked', '--no-default-features', '--bench', 'micro', '--', 'obo'], options);
  const metadata = JSON.parse(
    execFileSync('cargo', ['metadata', '--locked', '--no-deps', '--format-version', '1'], options),
  );
  const file = join(metadata.target_directory, 'criterion', 'obo_cached', 'new', 'estimates.json');
  if (!existsSync(file)) throw new Error(`criterion wrote no ${file}`);
  const nanoseconds = JSON.parse(readFileSync(file, 'utf8')).median.point_estimate;
  const floor = atLeast(200_000);
  return row('OBO, cached: lookups in Rust', { value: 1e9 / nanoseconds, unit: '/s', floor, judged: 'value' });
}

module.exports = { FULL, SHORT, groups };
