/**
 * What users take of memory, for docs/capacity.md: in the process with the addon, and in a Redis that has their tokens.
 *
 *   node bench/capacity.js [users]     2000 unless given; with fewer than 200 numbers mean nothing
 *
 * The addon is the one of `npm run build`; the server is that of the bench, unoptimized.
 */

const { createClient } = require('redis');
const { createMCPRuntime } = require('..');
const { redisServices } = require('../redis');
const { startRedis } = require('../__test__/support/redis');
const { FULL, SHORT } = require('./sizes');
const { KIB, each, median, users } = require('./support/measure');
const { buildNative, inChild, inScript, startServer } = require('./support/processes');

const count = Number(process.argv[2] ?? FULL.idle.count);
const isShort = count < 200;
const rounds = isShort ? 1 : 3;
const { warmUp, restMs } = isShort ? SHORT.idle : FULL.idle;

const EMPTY = `
  const { createMCPRuntime } = require('.');
  const { resident } = require('./bench/support/measure');
  createMCPRuntime({ config: {} });
  resident().then((bytes) => process.stdout.write(JSON.stringify({ bytes }), () => process.exit()));
`;

async function main() {
  const server = await startServer(buildNative({ release: false }).server);
  const openIdConfig = {
    issuer: server.origin,
    tokenEndpoint: `${server.origin}/token?delay=0`,
    clientId: 'client',
    clientSecret: 'secret',
  };
  const idle = (query) => ofChild('idle', { url: server.url({ tools: 30, ...query }) });
  try {
    print('a process with a runtime', median(await times(async () => (await inScript(EMPTY)).bytes / KIB)));
    print('an idle connection, 30 tools', await idle({}));
    print('the same, 300 tools', await idle({ tools: 300 }));
    print('the same, 30 tools, with a GET stream', await idle({ stream: 'yes' }));
    print(
      'an exchanged token in the cache',
      await ofChild('exchanged', { url: server.url(), services: { openIdConfig } }),
    );
    print('in Redis: the tokens of a user for a server', await storedTokens());
  } finally {
    server.stop();
  }
}

async function times(measured) {
  const found = [];
  for (let round = 0; round < rounds; round += 1) found.push(await measured());
  return found;
}

/** What a work takes of each user, in KiB. */
async function ofChild(work, options) {
  const task = { options, parameters: { count, warmUp, restMs } };
  return median(await times(async () => (await inChild('addon', work, task)).bytes / KIB));
}

/** What a Redis takes for an access and a refresh token of 1 KiB each and the client that they were issued to, in KiB. */
async function storedTokens() {
  const redis = await startRedis();
  const client = await createClient({ url: redis.url }).connect();
  const { tokenMethods } = redisServices(client);
  const runtime = createMCPRuntime({ config: {}, credentialsKey: '0'.repeat(64) });
  const used = async () => Number(/used_memory:(\d+)/.exec(await client.info('memory'))[1]);
  try {
    const before = await used();
    await each(users(count), 8, ({ id }) =>
      runtime.tokens.storeTokens({
        userId: id,
        serverName: 'bench',
        tokens: { access_token: id.padEnd(KIB, 'a'), refresh_token: id.padEnd(KIB, 'r'), expires_in: 3600 },
        clientInfo: { client_id: `client-of-${id}`, redirect_uris: ['http://localhost/callback'] },
        ...tokenMethods,
      }),
    );
    return ((await used()) - before) / count / KIB;
  } finally {
    await runtime.close();
    client.destroy();
    await redis.close();
  }
}

const print = (what, kib) => console.log(`${what.padEnd(48)}${kib.toFixed(1).padStart(10)} KiB`);

main();
