/**
 * The rows of the table. Each measures addon and peers in turn, several times, and answers with lines; a line's number is
 * the median over the rounds.
 */

const { existsSync, readFileSync, statSync } = require('node:fs');
const { join } = require('node:path');
const { execFileSync } = require('node:child_process');
const { ROOT, releaseAddonPath } = require('../scripts/addon-path');
const { MIB } = require('./sizes');
const { KIB } = require('./support/measure');
const { inChild, inScript, runNative } = require('./support/processes');
const { SHOWN, atLeast, atMost, beside, exactly, inTurn, medians, row, series } = require('./support/row');

/** For lists that are longer than servers may send. */
const NO_BUDGETS = {
  MCP_TOOLS_LIST_MAX_TOOLS: '100000',
  MCP_TOOLS_LIST_MAX_BYTES: String(100 * MIB),
  MCP_STREAMABLE_HTTP_MAX_RESPONSE_BYTES: '0',
};

/** How the CPU of a work divides into threads, beside what the wire alone takes. */
function threads(name, { addon, bare, unit, scale }) {
  return [
    row(`${name}: CPU of the addon’s threads, against the wire alone`, {
      value: addon.oursMs / scale,
      unit,
      peer: bare.cpuMs / scale,
      of: 'bare',
      floor: atMost(3),
    }),
    row(`${name}: CPU of JavaScript’s thread`, { value: addon.jsMs / scale, unit, floor: SHOWN, judged: 'value' }),
  ];
}

const groups = {
  async reinit({ server, programs, sizes }) {
    const url = server.url({ tools: 30 });
    const task = { options: { url, keep: false }, parameters: sizes.reinit };
    const [plain, bare] = [[], []];
    const measured = await inTurn(sizes.rounds, 'reinit', task, async () => {
      plain.push(await runNative(programs.plain, url, 'reinit', sizes.native.reinit));
      bare.push(await runNative(programs.bare, url, 'reinit', sizes.native.reinit));
    });
    const { addon } = measured;
    return [
      beside('reinit: CPU', measured, 'cpuMs', { unit: 'ms', floor: atMost(0.09) }),
      beside('reinit: median latency', measured, 'latencyMs', { unit: 'ms', floor: atMost(0.2) }),
      ...threads('reinit', { addon, bare: medians(bare), unit: 'ms', scale: 1 }),
      row('reinit: CPU, against plain Rust', {
        value: addon.cpuMs,
        unit: 'ms',
        peer: medians(plain).cpuMs,
        of: 'rmcp',
        floor: atMost(1.5),
      }),
    ];
  },

  async burst({ server, sizes }) {
    const task = { options: { url: server.url({ tools: 30 }), keep: false }, parameters: sizes.burst };
    const measured = await inTurn(sizes.rounds, 'burst', task);
    const { count } = sizes.burst;
    const name = `${count} users reinit at once`;
    return [
      beside(`${name}: wall time`, measured, 'wallMs', { unit: 'ms', floor: atMost(0.12) }),
      beside(`${name}: CPU of each`, measured, 'cpuMs', { scale: count, unit: 'ms', floor: SHOWN }),
      beside(`${name}: longest event-loop delay`, measured, 'delayMs', {
        unit: 'ms',
        floor: atMost(8),
        judged: 'value',
      }),
    ];
  },

  async idle({ server, sizes }) {
    const measure = (stream) =>
      inTurn(1, 'idle', { options: { url: server.url({ tools: 30, stream }) }, parameters: sizes.idle });
    const without = await measure('no');
    const withStream = await measure('yes');
    const memory = (name, measured, floor, judged) =>
      beside(name, measured, 'bytes', { scale: KIB, unit: 'KiB', floor, judged });
    const name = `${sizes.idle.count} idle connections`;
    return [
      memory(`${name}: memory of each, against the peer`, without, atMost(0.3)),
      memory(`${name}: memory of each`, without, atMost(8), 'value'),
      memory(`${name} with a GET stream: memory of each, against the peer`, withStream, atMost(0.5)),
      memory(`${name} with a GET stream: memory of each`, withStream, atMost(30), 'value'),
    ];
  },

  async calls({ server, programs, sizes }) {
    const url = server.url({ tools: 30 });
    const { users } = sizes.calls;
    const bare = [];
    const measured = await inTurn(sizes.rounds, 'calls', { options: { url }, parameters: sizes.calls }, async () => {
      bare.push(await runNative(programs.bare, url, 'call', sizes.native.calls, users));
    });
    const name = `callTool, ${users} users`;
    const microseconds = { unit: 'µs', scale: 1 / 1000 };
    return [
      beside(`${name}: CPU`, measured, 'cpuMs', { ...microseconds, floor: atMost(0.1) }),
      ...threads(name, { addon: measured.addon, bare: medians(bare), ...microseconds }),
    ];
  },

  async load({ server, sizes }) {
    const { users, ...parameters } = sizes.load;
    const rows = [];
    for (const count of users) {
      const task = { options: { url: server.url({ tools: 30 }) }, parameters: { ...parameters, users: count } };
      const measured = await inTurn(1, 'load', task);
      const name = `${count} users, ${parameters.rate} calls/s`;
      const line = (what, key, rest) => beside(`${name}: ${what}`, measured, key, { floor: SHOWN, ...rest });
      rows.push(
        line('median latency', 'p50Ms', { unit: 'ms' }),
        line('p99 latency', 'p99Ms', { unit: 'ms' }),
        line('CPU of each', 'cpuMs', { unit: 'µs', scale: 1 / 1000 }),
        line('calls answered', 'perSecond', { unit: '/s', most: true, judged: 'value' }),
        beside(`${count} users: calls per second held`, measured, 'heldPerSecond', {
          unit: '/s',
          floor: SHOWN,
          judged: 'value',
          most: true,
        }),
      );
    }
    return rows;
  },

  async slow({ server, sizes }) {
    const task = { options: { url: server.url({ tools: 30 }) }, parameters: sizes.slow };
    const results = [];
    for (let round = 0; round < sizes.rounds; round += 1) results.push(await inChild('addon', 'slow', task));
    const { aloneMs, besideMs } = medians(results);
    const { count, slow, slowMs } = sizes.slow;
    return [
      row(`${count} calls beside ${slow} of another user that take ${slowMs / 1000} s: p99 latency`, {
        value: besideMs,
        unit: 'ms',
        peer: aloneMs,
        of: 'without those',
        floor: atMost(1.5),
      }),
    ];
  },

  async list({ server, sizes }) {
    const { tools } = sizes.list;
    const url = server.url({ tools, depth: 6 });
    const task = { options: { url }, parameters: sizes.list };
    const listed = await inTurn(sizes.rounds, 'list', task);
    const read = await inTurn(sizes.rounds, 'list', { ...task, parameters: { ...sizes.list, read: true } });
    const name = `tools/list of ${tools} tools with deep schemas: event-loop time`;
    return [
      beside(name, listed, 'loopMs', { unit: 'ms', floor: atMost(0.4) }),
      beside(`${name} when every schema is looked at`, read, 'loopMs', { unit: 'ms', floor: atMost(1) }),
    ];
  },

  async large({ server, sizes }) {
    const task = { options: { url: server.url() }, parameters: sizes.large };
    const measured = await inTurn(sizes.rounds, 'large', task);
    const [plain, coded] = [[], []];
    for (let round = 0; round < sizes.rounds; round += 1) {
      const cpu = (url) => inChild('addon', 'largeCpu', { options: { url }, parameters: sizes.largeCpu });
      plain.push(await cpu(server.url()));
      coded.push(await cpu(server.url({ coding: 'gzip' })));
    }
    const name = `text result of ${sizes.large.bytes / MIB} MiB`;
    return [
      beside(`${name}: peak extra memory`, measured, 'payloads', {
        unit: 'payloads',
        floor: atMost(3),
        judged: 'value',
      }),
      row(`${name}, gzip: CPU`, {
        value: medians(coded).cpuMs,
        unit: 'ms',
        peer: medians(plain).cpuMs,
        of: 'uncompressed',
        floor: SHOWN,
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
        of: 'no-op',
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
        floor: exactly(1),
        judged: 'value',
      }),
    );
    return rows;
  },

  /** What one connection and one tool take, as there are more of them. */
  async growth({ server, sizes }) {
    const { connections, tools } = sizes.growth;
    const idle = [];
    const before = (await server.stats()).sessions;
    for (const count of connections) {
      const task = { options: { url: server.url({ tools: 30, stream: 'no' }) }, parameters: { ...sizes.idle, count } };
      idle.push(await inChild('addon', 'idle', task));
    }
    const left = (await server.stats()).sessions - before;
    const last = idle.at(-1);
    const most = connections.at(-1);
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
      row(`growth, ${most} idle connections: CPU of each in a second`, {
        value: (last.idleCpuMs * 1000) / most,
        unit: 'µs',
        floor: SHOWN,
        judged: 'value',
      }),
      row(`growth, ${most} connections: close()`, { value: last.closeMs, unit: 'ms', floor: SHOWN, judged: 'value' }),
      row('growth: sessions that close() leaves open at the server', {
        value: left,
        unit: '',
        floor: exactly(0),
        judged: 'value',
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
      row('binary, stripped', alone(size / MIB, 'MiB', atMost(12))),
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

module.exports = { groups };
