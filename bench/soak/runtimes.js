const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { createAuthorization } = require('../../__test__/conformance/authorization');
const { createMCPRuntime } = require('../../__test__/support/addon');
const { STANDALONE } = require('../../__test__/support/redis-clients');
const { until } = require('../../__test__/support/wait');
const { redisServices } = require('../../redis');
const { createServices } = require('./services');

/** What the embedded runtime denies, one after the other, each time that its file changes. */
const DENIED = ['tool_3', 'tool_4'];

/** Two seconds, on a machine that is not busy. */
const RELOAD_MS = 120_000;
const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

/** What a host is told, counted. */
function createListeners() {
  const heard = { 'log lines': 0, spans: 0, 'log messages of servers': 0, 'changes of resources': 0 };
  const log = () => {
    heard['log lines'] += 1;
  };
  return {
    heard,
    services: {
      logger: { debug: log, info: log, warn: log, error: log },
      onSpans: (spans) => {
        heard.spans += spans.length;
      },
      traceContext: () => ({ traceparent: TRACE }),
      onLogMessage: () => {
        heard['log messages of servers'] += 1;
      },
      elicitation: (_, { userId }) => ({ action: 'accept', content: { name: userId } }),
      sampling: (_, { userId }) => ({ role: 'assistant', model: 'm', content: { type: 'text', text: userId } }),
    },
  };
}

/** What operators decide for all servers. */
const rules = (...denied) => ({ tools: { deny: ['hidden', ...denied] }, pinTools: 'warn', maxResultBytes: 8_388_608 });

/** A host over a Redis, with this kind of client. */
async function createHost(kind, { servers, redis }, services) {
  const { client, close } = await STANDALONE[kind]([redis.port]);
  const { flowManager, tokenMethods, ...shared } = redisServices(client);
  const authorization = createAuthorization({ flowManager, tokenMethods });
  const members = createServices(servers, {
    ...services,
    ...shared,
    ...authorization.services,
    mcpSettings: () => rules(),
    openIdConfig: () => servers.openIdConfig,
  });
  const runtime = createMCPRuntime(members);
  return {
    runtime,
    services: members,
    authorization,
    client,
    async close() {
      await runtime.close();
      await close();
    },
  };
}

/** A runtime without a host, over a file that changes and the same Redis. */
function createEmbedded({ servers, redis }, { logger, ...services }, { credentialsKey }) {
  const directory = mkdtempSync(join(tmpdir(), 'mcp-soak-'));
  const path = join(directory, 'librechat.yaml');
  let edition = 0;
  let timesRead = 0;
  const write = () => {
    edition += 1;
    const { http, stdio } = servers.configs;
    const mcpSettings = { ...rules(DENIED[edition % 2]), allowedAddresses: servers.allowedAddresses };
    // JSON is YAML.
    writeFileSync(
      path,
      JSON.stringify({ mcpServers: { 'embedded-http': http, 'embedded-stdio': stdio }, mcpSettings }),
    );
  };
  write();
  const info = (line) => {
    if (line.includes('was read again')) timesRead += 1;
    logger.info(line);
  };
  const members = { ...services, logger: { ...logger, info }, credentialsKey, redis: redis.url, config: path };
  const runtime = createMCPRuntime(members);
  return {
    runtime,
    /** Resolves to the tool that is denied from then on, and the one that is allowed. */
    async reload() {
      const before = timesRead;
      write();
      await until('the file to be read again', () => timesRead > before, RELOAD_MS);
      return { denied: DENIED[edition % 2], allowed: DENIED[(edition + 1) % 2] };
    },
    async close() {
      await runtime.close();
      rmSync(directory, { recursive: true });
    },
  };
}

/** Two hosts and an embedded runtime in this process that share a Redis. */
async function createRuntimes(world, ledger) {
  const { heard, services } = createListeners();
  const told = { ...services, ...ledger.services };
  const hosts = [await createHost('ioredis', world, told), await createHost('node-redis', world, told)];
  const embedded = createEmbedded(world, told, hosts[0].services);
  return {
    hosts,
    embedded,
    heard,
    all: [...hosts, embedded].map(({ runtime }) => runtime),
    close: () => Promise.all([...hosts, embedded].map((each) => each.close())),
  };
}

module.exports = { createRuntimes };
