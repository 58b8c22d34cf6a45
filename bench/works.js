/**
 * What is measured. Each work gets a client of `clients/` and its parameters, and returns numbers; it runs in a process
 * of its own, so that nothing disturbs it.
 */

const measure = require('./support/measure');
const { highest, isHeld, paced } = require('./support/pace');

const { delay, each, longestDelay, median, peakGrowth, percentile, resident, timed, users } = measure;
const { eventLoopUtilization } = performance;

/** Enough for compilers and pools to have settled. */
const WARM_UP = 60;
/** Idle connections have come to rest after this time. */
const REST_MS = 6000;

/** What `timed` measured, of each of so many calls. */
const perCall = (spent, count) => Object.fromEntries(Object.entries(spent).map(([name, ms]) => [name, ms / count]));

/** One reinit after another, a new session each. */
async function reinit(client, { count }) {
  await each(users(WARM_UP), 4, (user) => client.reinit(user));
  const latencies = [];
  const spent = await timed(async () => {
    for (const user of users(count, WARM_UP)) {
      const started = performance.now();
      await client.reinit(user);
      latencies.push(performance.now() - started);
    }
    // The end of a session may outlive the call.
    await delay(50);
  });
  return { ...perCall(spent, count), latencyMs: median(latencies) };
}

/** Everybody at once. */
async function burst(client, { count }) {
  await each(users(WARM_UP), 8, (user) => client.reinit(user));
  let spent;
  const delayMs = await longestDelay(async () => {
    spent = await timed(() => Promise.all(users(count, WARM_UP).map((user) => client.reinit(user))));
  });
  return { ...spent, delayMs };
}

/** Sessions that stay open and do nothing. */
async function idle(client, { count, warmUp = WARM_UP, restMs = REST_MS }) {
  await each(users(warmUp), 8, (user) => client.reinit(user));
  await delay(restMs);
  const before = await resident();
  const { cpuMs } = await timed(() => each(users(count, warmUp), 8, (user) => client.reinit(user)));
  await delay(restMs);
  const bytes = (await resident()) - before;
  const { cpuMs: idleCpuMs } = await timed(() => delay(1000));
  return { bytes: bytes / count, cpuMs: cpuMs / count, idleCpuMs };
}

/** Tokens that were exchanged for users, in the cache. */
async function exchanged({ runtime }, { count, warmUp = WARM_UP, restMs = REST_MS }) {
  const exchange = ({ id }) =>
    runtime.exchangeOboToken({ ...openIdUser(), id, openidId: id }, `assertion of ${id}`, 'api://server/.default');
  await each(users(warmUp), 8, exchange);
  await delay(restMs);
  const before = await resident();
  await each(users(count, warmUp), 8, exchange);
  await delay(restMs);
  return { bytes: ((await resident()) - before) / count };
}

/** Tool calls of several users side by side. Resolves to how long each of them took. */
async function callsOf(client, callers, perUser) {
  const latencies = [];
  await Promise.all(
    callers.map(async (user) => {
      for (let index = 0; index < perUser; index += 1) {
        const text = `${user.id} ${index}`;
        const started = performance.now();
        if ((await client.call(user, { text })) !== text) throw new Error('another call’s answer');
        latencies.push(performance.now() - started);
      }
    }),
  );
  return latencies;
}

async function calls(client, { count, users: callers }) {
  const everybody = users(callers);
  await each(everybody, 8, (user) => client.call(user, { text: 'first' }));
  const perUser = Math.ceil(count / callers);
  return perCall(await timed(() => callsOf(client, everybody, perUser)), perUser * callers);
}

/**
 * Calls of users with an open connection each, who take turns: what they take at one rate, and the highest rate that is
 * held.
 */
async function load(client, { users: count, rate, warmUpMs, ms, step, search }) {
  const everybody = users(count);
  await each(everybody, 8, (user) => client.call(user, { text: 'first' }));
  let turn = 0;
  const call = async () => {
    const user = everybody[turn % count];
    const text = `${user.id} ${turn}`;
    turn += 1;
    if ((await client.call(user, { text })) !== text) throw new Error('another call’s answer');
  };
  await paced(call, { rate, ms: warmUpMs });
  let answers;
  const spent = await timed(async () => {
    answers = await paced(call, { rate, ms });
  });
  const { latencies, perSecond } = answers;
  const heldPerSecond = await highest((faster) => isHeld(call, { ...step, rate: faster }), { ...search, from: rate });
  return {
    ...perCall(spent, latencies.length),
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    perSecond,
    heldPerSecond,
  };
}

/** Fast calls of many users, without and beside slow ones of another; no figure where those were over too early. */
async function slow(client, { count, users: callers, rounds, slow: slowOnes, slowMs }) {
  const [patient, ...others] = users(callers + 1);
  await each([patient, ...others], 8, (user) => client.call(user, { text: 'first' }));
  const p99 = async () => {
    const found = [];
    for (let round = 0; round < rounds; round += 1) {
      found.push(percentile(await callsOf(client, others, Math.ceil(count / callers)), 0.99));
    }
    return median(found);
  };
  await p99();
  const aloneMs = await p99();
  let answered = 0;
  const waiting = Array.from({ length: slowOnes }, async () => {
    await client.call(patient, { text: 'slow', delay: slowMs });
    answered += 1;
  });
  const besideMs = await p99();
  const wereBeside = answered === 0;
  await Promise.all(waiting);
  return { aloneMs, besideMs: wereBeside ? besideMs : Number.NaN };
}

/** Time that the event loop spends on a list of tools; with `read`, also on looking at the schema of each. */
async function list(client, { count, tools, read = false }) {
  const [user] = users(1);
  const listTools = await client.lister(user);
  for (let index = 0; index < 5; index += 1) await listTools();
  const active = [];
  let cpu = 0;
  for (let index = 0; index < count; index += 1) {
    const before = eventLoopUtilization();
    const { cpuMs } = await timed(async () => {
      const listed = await listTools();
      if (listed.length !== tools) throw new Error(`${listed.length} tools instead of ${tools}`);
      if (read && !listed.every(({ inputSchema }) => inputSchema.type === 'object')) throw new Error('no schema');
    });
    cpu += cpuMs;
    active.push(eventLoopUtilization(before).active);
  }
  return { loopMs: median(active), cpuMs: cpu / count };
}

/** The CPU that large results take. */
async function largeCpu(client, { bytes, count }) {
  const [user] = users(1);
  await client.call(user, { bytes });
  const spent = await timed(async () => {
    for (let index = 0; index < count; index += 1) await client.call(user, { bytes });
  });
  return perCall(spent, count);
}

/** The memory that one large result takes at most. */
async function large(client, { bytes }) {
  const [user] = users(1);
  await client.call(user, { text: 'first' });
  const growth = await peakGrowth(async () => {
    const text = await client.call(user, { bytes });
    if (text.length !== bytes) throw new Error(`${text.length} bytes instead of ${bytes}`);
  });
  return { payloads: growth / bytes };
}

const openIdUser = () => ({
  ...users(1)[0],
  openidId: 'subject',
  federatedTokens: { access_token: 'assertion', expires_at: Math.floor(Date.now() / 1000) + 3600 },
});

/** A second's calls of an async function, one after another, per second of CPU on JavaScript's side and of wall time. */
async function rate(call, milliseconds) {
  const end = performance.now() + milliseconds;
  const started = performance.now();
  let count = 0;
  while (performance.now() < end) {
    for (let index = 0; index < 50; index += 1) await call();
    count += 50;
  }
  return (count / (performance.now() - started)) * 1000;
}

/** Cached tokens on behalf of a user, against a call of the same addon that finds nothing to do. */
async function oboCached({ runtime }, { milliseconds }) {
  const user = openIdUser();
  const exchange = () => runtime.exchangeOboToken(user, 'assertion', 'api://server/.default');
  const nothing = () => runtime.manager.disconnectUserConnection('nobody', 'nothing');
  await exchange();
  const [cached, idle] = [[], []];
  for (let round = 0; round < 6; round += 1) {
    cached.push(await rate(exchange, milliseconds));
    idle.push(await rate(nothing, milliseconds));
  }
  return { perSecond: median(cached), nothingPerSecond: median(idle) };
}

/** Many at once want a token that nobody has yet. */
async function oboMisses({ runtime }, { count }) {
  const user = openIdUser();
  const exchange = () => runtime.exchangeOboToken(user, 'assertion', 'api://server/.default');
  const tokens = await Promise.all(Array.from({ length: count }, exchange));
  return { distinct: new Set(tokens.map((token) => token.access_token)).size };
}

module.exports = { burst, calls, exchanged, idle, large, largeCpu, list, load, oboCached, oboMisses, reinit, slow };
