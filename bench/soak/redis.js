const { startRedis } = require('../../__test__/support/redis');
const { delay } = require('../../__test__/support/wait');

const AWAY_MS = 1000;
/** Services that have failed are not asked for 5 s, and end within 5 s themselves; as much again for a busy machine. */
const AFTERWARDS_MS = 20_000;
const PAGE = 1000;

/** A Redis that keeps its data on the disk, and is gone for a while when it is told so. */
async function startSharedRedis() {
  const redis = await startRedis(['--appendonly', 'yes']);
  let isAway = false;
  let back = Number.NEGATIVE_INFINITY;
  return {
    url: redis.url,
    port: redis.port,
    /** Whether what began then may have met a Redis that was away. */
    wasAway: (since) => isAway || back + AFTERWARDS_MS > since,

    async outage() {
      isAway = true;
      await redis.kill();
      await delay(AWAY_MS);
      await redis.restart();
      isAway = false;
      back = performance.now();
    },

    close: redis.close,
  };
}

/** The keys that are there, and those of them that have no end, with a client of ioredis. */
async function keysOf(client) {
  const keys = [];
  for await (const page of client.scanStream({ count: PAGE })) keys.push(...page);
  const names = [...new Set(keys)];
  const left = await Promise.all(names.map((name) => client.pttl(name)));
  return { keys: names.length, endless: names.filter((_, index) => left[index] === -1) };
}

module.exports = { keysOf, startSharedRedis };
