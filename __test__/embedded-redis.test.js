/** `createMCPRuntime({ config, redis })`: several processes without LibreChat, whose tokens are in a Redis. */

const { mkdtempSync, readdirSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { Redis } = require('ioredis');
const { withRedis } = require('../lib/embedded-redis');
const { createMCPRuntime } = require('./support/addon');
const { startAuthorizationServer } = require('./support/authorization-server');
const { callAtOnce } = require('./support/calls');
const { brokenRules } = require('./support/contract');
const { useFixtures } = require('./support/fixtures');
const { createHost } = require('./support/host');
const { freePort } = require('./support/ports');
const { startProcess } = require('./support/processes');
const { startProtectedServer } = require('./support/protected-server');
const { startRedis } = require('./support/redis');
const { startScript } = require('./support/script');
const { registerSecrets } = require('./support/secrets');
const { until } = require('./support/wait');

const fixtures = useFixtures();
const user = { id: 'embedded-user' };
const credentialsKey = 'c'.repeat(64);
const PASSWORD = 'password-of-redis%40';
const SECRETS = [PASSWORD, decodeURIComponent(PASSWORD)];
registerSecrets(...SECRETS);
const CLIENTS = { ioredis: ['redis'], 'node-redis': ['ioredis'] };

let authorizationServer;
beforeAll(async () => {
  authorizationServer = await startAuthorizationServer({ accessTokenSeconds: 3600 });
});
afterAll(() => authorizationServer?.close());

/** A protected server, an empty home, and what processes need that use both. */
async function setup(more) {
  const server = fixtures.keep(await startProtectedServer(authorizationServer));
  const home = mkdtempSync(join(tmpdir(), 'mcp-embedded-redis-'));
  fixtures.keep({ close: () => rmSync(home, { recursive: true, force: true }) });
  const { requiresOAuth, ...srv } = server.config();
  const allowedAddresses = [server.address, authorizationServer.address];
  const config = { mcpServers: { srv }, mcpSettings: { allowedAddresses } };
  return { server, home, parameters: { config, home, credentialsKey, ...more } };
}

/** Reinitializes the server in a process of its own, whose user signs in where that is asked; how that and it has ended. */
async function reinitialize(parameters) {
  const script = startScript('embedded-oauth.js', parameters);
  const lines = () =>
    script
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{"'))
      .map(JSON.parse);
  await until('its answer', () => lines().length > 0 || script.child.exitCode !== null);
  const url = lines().find((line) => line.url)?.url;
  let signedIn;
  if (url) {
    const redirect = new URL(new URL(url).searchParams.get('redirect_uri'));
    redirect.search = (await authorizationServer.signIn(url)).toString();
    signedIn = (await fetch(redirect)).status === 200;
  }
  const { code, output } = await script.ended;
  return { code, output, signedIn, ...lines().at(-1)?.result };
}

const lastToken = (server) =>
  server.requests
    .map(({ headers }) => headers.authorization)
    .findLast(Boolean)
    .replace('Bearer ', '');

describe.each(Object.entries(CLIENTS))('with %s', (_, without) => {
  test('a user signs in through one process, calls through others, and tokens are refreshed once', async () => {
    const redis = fixtures.keep(await startRedis(['--requirepass', decodeURIComponent(PASSWORD)]));
    const url = redis.url.replace('//', `//:${PASSWORD}@`);
    const { server, home, parameters } = await setup({ redis: url, without });
    expect(await reinitialize(parameters)).toMatchObject({ code: 0, success: true, asked: true });
    expect(await reinitialize(parameters)).toMatchObject({ code: 0, success: true, asked: false });

    const processes = Array.from({ length: 3 }, () => fixtures.keep(startProcess('embedded-refresh.js', parameters)));
    const tokens = [lastToken(server)];
    for (let round = 0; round < 2; round += 1) {
      server.refused.add(lastToken(server));
      const before = authorizationServer.refreshes().length;
      const answers = await Promise.all(processes.map((process) => process.ask({ calls: 10 })));
      expect(answers).toEqual(processes.map(() => ({ failures: [] })));
      expect(authorizationServer.refreshes().length - before).toBe(1);
      tokens.push(lastToken(server));
    }
    expect(new Set(tokens).size).toBe(3);
    expect(readdirSync(home)).toEqual([]);

    const admin = new Redis(url);
    fixtures.keep({ close: async () => admin.disconnect() });
    const rows = (await admin.keys('*')).filter((key) => key.includes(':row:')).sort();
    expect(rows).toEqual([
      'librechat-mcp:row:mcp_oauth:{embedded-user:srv}:mcp%3asrv',
      'librechat-mcp:row:mcp_oauth_client:{embedded-user:srv}:mcp%3asrv%3aclient',
      'librechat-mcp:row:mcp_oauth_refresh:{embedded-user:srv}:mcp%3asrv%3arefresh',
    ]);
    for (const row of rows) {
      expect(await admin.pttl(row)).toBeGreaterThan(0);
      const { token, ...others } = await admin.hgetall(row);
      expect(token).toMatch(/^[0-9a-f]{32}:[0-9a-f]+$/);
      for (const secret of tokens) expect(JSON.stringify(others)).not.toContain(secret);
    }
  });

  test('a Redis that is away: nobody is asked to sign in, which is told once, and the process ends by itself', async () => {
    const { home, parameters } = await setup({ redis: `redis://:${PASSWORD}@127.0.0.1:${await freePort()}`, without });
    const { code, output, success, asked } = await reinitialize(parameters);
    expect({ code, success, asked }).toEqual({ code: 0, success: false, asked: false });
    expect(output.split('Redis cannot be reached: ECONNREFUSED').length).toBe(2);
    for (const secret of SECRETS) expect(output).not.toContain(secret);
    expect(readdirSync(home)).toEqual([]);
  });

  test('a process that is not closed ends by itself', async () => {
    const redis = fixtures.keep(await startRedis());
    const { parameters } = await setup({ redis: redis.url, without, isLeftOpen: true });
    expect(await reinitialize(parameters)).toMatchObject({ code: 0, success: true });
  });

  test('a wrong password is told by its kind alone', async () => {
    const redis = fixtures.keep(await startRedis(['--requirepass', 'another-password']));
    const url = redis.url.replace('//', `//:${PASSWORD}@`);
    const { parameters } = await setup({ redis: url, without, isLeftOpen: true });
    const { code, output, success } = await reinitialize(parameters);
    expect({ code, success }).toEqual({ code: 0, success: false });
    expect(output.split('Redis cannot be reached: WRONGPASS').length).toBe(2);
    for (const secret of SECRETS) expect(output).not.toContain(secret);
  });
});

test('a Redis that comes later, goes and comes again: told once each time, and calls go on', async () => {
  const port = await freePort();
  const { parameters } = await setup({ redis: `redis://:${PASSWORD}@127.0.0.1:${port}` });
  const { config, redis } = parameters;
  const { logger } = createHost();
  const runtime = fixtures.keep(createMCPRuntime({ config, redis, credentialsKey, logger }));
  const reinit = () => runtime.reinitMCPServer({ user, serverName: 'srv' });
  const told = (text) => logger.text().split(text).length - 1;

  const unavailable = { oauthRequired: false, error: { code: 'MCP_TOKEN_STORAGE_UNAVAILABLE', retryable: true } };
  expect(await reinit()).toMatchObject(unavailable);
  expect(await reinit()).toMatchObject(unavailable);
  expect([told('Redis cannot be reached: ECONNREFUSED'), told('Redis can be reached again')]).toEqual([1, 0]);

  const start = () => startRedis(['--requirepass', decodeURIComponent(PASSWORD)], port);
  const first = fixtures.keep(await start());
  expect(await reinitialize(parameters)).toMatchObject({ success: true, asked: true });
  expect(await callAtOnce(runtime, user, 3)).toEqual([]);
  expect([told('Redis cannot be reached'), told('Redis can be reached again')]).toEqual([1, 1]);

  await first.kill();
  const other = { ...user, id: 'another-user' };
  expect(await runtime.reinitMCPServer({ user: other, serverName: 'srv' })).toMatchObject(unavailable);
  expect(await callAtOnce(runtime, user, 1)).toEqual([]);
  fixtures.keep(await start());
  expect(await runtime.reinitMCPServer({ user: other, serverName: 'srv' })).toMatchObject({ oauthRequired: true });
  expect([told('Redis cannot be reached'), told('Redis can be reached again')]).toEqual([2, 2]);
  expect(logger.text()).not.toContain(PASSWORD);
});

test('what the runtime gets keeps the contract, and nothing of it is the flow manager', async () => {
  const server = fixtures.keep(await startRedis());
  const create = withRedis((host) => ({ host, close: async () => {} }));
  const open = () => fixtures.keep(create({ config: { mcpServers: {} }, redis: server.url, credentialsKey })).host;
  const members = ({ lock, tokenMethods, exchangedTokens, sharedSessions, limits, toolPins, flowManager }) => {
    expect(flowManager).toBeUndefined();
    return { lock, tokenMethods, exchangedTokens, sharedSessions, limits, toolPins };
  };
  const [here, there] = [members(open()), members(open())];
  for (const service of Object.values(here)) expect(service).toBeDefined();
  expect(await brokenRules({ ...here, anotherProcess: there })).toEqual([]);
});

describe('what is given', () => {
  const redis = `redis://:${PASSWORD}@127.0.0.1:1`;
  const config = { mcpServers: {} };
  const thrown = (host) => {
    try {
      createMCPRuntime(host);
    } catch (error) {
      return error;
    }
    return undefined;
  };

  test.each([
    PASSWORD,
    `http://:${PASSWORD}@127.0.0.1`,
    `redis://:${PASSWORD}@`,
    `redis:${PASSWORD}`,
    `redis://:${PASSWORD}@127.0.0.1/${PASSWORD}`,
    `redis://:${PASSWORD}%zz@127.0.0.1`,
    `redis://:${PASSWORD}@127.0.0.1:99999`,
    '',
    1,
    true,
    { url: PASSWORD },
    [redis],
  ])('is no URL, and is not repeated: case %#', (redis) => {
    const error = thrown({ config, redis, credentialsKey });
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toBe('createMCPRuntime: host.redis must be a URL: redis://… or rediss://…, with a host');
    expect(error.cause).toBeUndefined();
  });

  test('is of no use without a config, a key or a client', async () => {
    const before = process.env.CREDS_KEY;
    delete process.env.CREDS_KEY;
    try {
      const error = thrown({ redis, registry: {}, credentialsKey });
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toContain('host.redis needs host.config');
      expect(thrown({ config, redis })).toMatchObject({
        code: 'MCP_INVALID_CONFIG',
        message: expect.stringMatching(/set CREDS_KEY, or give host\.credentialsKey/),
      });
    } finally {
      if (before !== undefined) process.env.CREDS_KEY = before;
    }
    const { parameters } = await setup({ redis, without: ['ioredis', 'redis'] });
    const { code, output } = await reinitialize(parameters);
    expect(code).toBe(1);
    expect(output).toContain('host.redis needs ioredis or redis. Run: npm install ioredis');
    expect(output).not.toContain(PASSWORD);
  });

  test('by the host itself is used, and read when it is needed', async () => {
    const asked = [];
    const tokenMethods = {
      findToken: async ({ type }) => {
        asked.push(type);
        return null;
      },
      createToken() {},
      updateToken() {},
      deleteTokens() {},
    };
    class Host {
      config = undefined;
      credentialsKey = credentialsKey;
      redis = redis;
      get tokenMethods() {
        return tokenMethods;
      }
    }
    const { parameters } = await setup();
    const runtime = fixtures.keep(createMCPRuntime(Object.assign(new Host(), { config: parameters.config })));
    expect(await runtime.reinitMCPServer({ user, serverName: 'srv' })).toMatchObject({ oauthRequired: true });
    expect(asked).toContain('mcp_oauth');
  });

  test('as null is as if it were not there, and close refuses what it refused', async () => {
    for (const none of [null, undefined]) fixtures.keep(createMCPRuntime({ config, redis: none }));
    const runtime = fixtures.keep(createMCPRuntime({ config, redis, credentialsKey }));
    await expect(runtime.close({ drainMs: 'soon' })).rejects.toThrow();
    expect(runtime.health()).toMatchObject({ takesCalls: true });
  });
});
