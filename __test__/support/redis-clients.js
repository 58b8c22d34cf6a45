const { Cluster, Redis } = require('ioredis');
const { createClient, createCluster } = require('redis');

const HOST = '127.0.0.1';
const url = (port) => `redis://${HOST}:${port}`;

/** What a client says of a connection that breaks; tests break them. */
function quiet(client) {
  client.on('error', () => {});
  return client;
}

const ofIoredis = (client) => ({ client: quiet(client), close: async () => client.disconnect() });

async function ofNodeRedis(client) {
  await quiet(client).connect();
  return { client, close: async () => client.destroy() };
}

/**
 * Clients that hosts have. Each connects to these ports, and resolves to `{ client, close }`; `close()` waits for nothing.
 * They try again at once when a connection breaks.
 */
const STANDALONE = {
  ioredis: async ([port]) => ofIoredis(new Redis(port, HOST, { retryStrategy: () => 50 })),
  'node-redis': ([port]) => ofNodeRedis(createClient({ url: url(port), socket: { reconnectStrategy: () => 50 } })),
};

const CLUSTER = {
  'a Cluster of ioredis': async (ports) =>
    ofIoredis(new Cluster(ports.map(url), { clusterRetryStrategy: () => 50, slotsRefreshTimeout: 10_000 })),
  'a cluster of node-redis': (ports) =>
    ofNodeRedis(createCluster({ rootNodes: ports.map((port) => ({ url: url(port) })) })),
};

/** A connection for what tests do to a Redis: `admin.call('CONFIG', 'SET', …)`. */
const openAdmin = (port) => quiet(new Redis(port, HOST, { retryStrategy: () => 50 }));

module.exports = { CLUSTER, STANDALONE, openAdmin };
