/** Exchanges one user's token twenty times at once, with a cache in Redis, and prints what came of it. */

const { default: KeyvRedis } = require('@keyv/redis');
const { Keyv } = require('keyv');
const { createMCPRuntime } = require('../support/addon');
const { createHost } = require('../support/host');

const { redis, openIdConfig, credentialsKey, user, assertion } = JSON.parse(process.argv[2]);

async function main() {
  const cache = new Keyv({ store: new KeyvRedis(redis), namespace: 'exchanged' });
  const services = { credentialsKey, openIdConfig: () => openIdConfig, exchangedTokens: () => cache };
  const host = createHost({ services });
  const runtime = createMCPRuntime(host.services);
  const scopes = 'api://server/.default';
  const tokens = await Promise.all(Array.from({ length: 20 }, () => runtime.exchangeOboToken(user, assertion, scopes)));
  await runtime.close();
  await cache.disconnect();
  console.log(JSON.stringify({ tokens: [...new Set(tokens.map((it) => it.access_token))], log: host.logger.text() }));
}

main();
