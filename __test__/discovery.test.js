/** `discoverServerTools`: the tools of a server, whoever has authorized. */

const { AsyncLocalStorage } = require('node:async_hooks');
const { useAuthorization } = require('./support/authorization');
const { recover } = require('./support/catalog');
const { createUser } = require('./support/host');
const { TOOLS } = require('./support/tools');
const { until } = require('./support/wait');

const suite = useAuthorization();
const { fixtures } = suite;
const user = createUser();
const NAMES = TOOLS.map(({ name }) => name);

const noTokens = () => ({ findToken: async () => null, createToken() {}, updateToken() {}, deleteTokens() {} });

/** A manager with a server that lists its tools to anybody. */
async function world({ options = {}, config, ...rest } = {}) {
  const server = await fixtures.server();
  const host = fixtures.runtime({
    servers: { srv: server.config({ startup: false, ...config }) },
    allow: [server],
    services: { tokenMethods: noTokens(), credentialsKey: '0'.repeat(64) },
    ...rest,
  });
  const manager = await host.runtime.MCPManager.createInstance({}, options);
  const params = { user, serverName: 'srv' };
  return { ...host, server, manager, params };
}

const names = (tools) => tools?.map(({ name }) => name);

test('uses the tokens that the user has, and says who has to authorize where there are none', async () => {
  const host = await suite.host();
  const { manager } = host.runtime;
  const discover = () => manager.discoverServerTools({ user: host.user, serverName: 'srv' });
  expect(await discover()).toEqual({
    tools: null,
    oauthRequired: true,
    oauthUrl: null,
    authenticationKind: 'oauth',
  });
  const { tokens } = await host.authorize();
  const { tools, ...rest } = await discover();
  expect(names(tools)).toEqual(NAMES);
  expect(rest).toEqual({ oauthRequired: false, oauthUrl: null });
  expect(new Set(host.bearers('tools/list'))).toEqual(new Set([tokens.access_token]));
  // It belongs to the discovery alone.
  expect(manager.getUserConnections(host.user.id)).toBeUndefined();
  expect(await recover(manager, { user: host.user, serverName: 'srv' })).toMatchObject({ tools });
});

test('has no more time than its deadline', async () => {
  const { manager, params, server } = await world();
  server.fault = ({ message }) => message?.method === 'initialize';
  const nothing = { tools: null, oauthRequired: false, oauthUrl: null };
  expect(await manager.discoverServerTools({ ...params, deadlineMs: Date.now() + 200 })).toEqual(nothing);
  expect(await manager.discoverServerTools({ ...params, deadlineMs: 0 })).toEqual(nothing);
  await expect(manager.discoverServerTools({ ...params, deadlineMs: 'soon' })).rejects.toThrow(
    'params.deadlineMs must be a number of milliseconds',
  );
});

test.each([
  ['as in June', {}, false],
  ['where catalogs are recovered', { catalogRecoveryMaxStateEntries: 10 }, true],
])('who has no tokens for a server that lists its tools to anybody, %s', async (_, options, oauthRequired) => {
  const { manager, params } = await world({ options, config: { requiresOAuth: true } });
  const found = await manager.discoverServerTools(params);
  expect(names(found.tools)).toEqual(NAMES);
  expect(found).toMatchObject({ oauthRequired });
});

test('does not wait for a server to answer the end of the session', async () => {
  const farewells = [];
  const fault = ({ request, response }) => {
    if (request.method !== 'DELETE') return false;
    const farewell = { response, isOver: false };
    response.on('close', () => {
      farewell.isOver = true;
    });
    return farewells.push(farewell);
  };
  const { manager, params, server } = await world({ config: { requiresOAuth: true } });
  server.fault = fault;
  const { tools } = await manager.discoverServerTools(params);
  expect(names(tools)).toEqual(NAMES);
  await until('the session is ended', () => farewells.length > 0);
  expect(farewells[0].isOver).toBe(false);
  farewells[0].response.writeHead(200).end();
});

describe('the loading of tokens that goes on', () => {
  /** A user whose tokens are still being loaded when a discovery’s time is over. */
  async function loading() {
    let release;
    const gate = new Promise((done) => {
      release = () => done(null);
    });
    const tokenMethods = { ...noTokens(), findToken: () => gate };
    const { manager, params, logger } = await world({
      servers: { srv: { type: 'streamable-http', url: 'http://127.0.0.1:9/mcp', requiresOAuth: true } },
      allow: [{ address: '127.0.0.1:9' }],
      services: { tokenMethods, credentialsKey: '0'.repeat(64) },
    });
    // Long enough to get as far as the tokens, on a busy machine too.
    const discover = (onDiscoveryDetached) =>
      manager.discoverServerTools({ ...params, deadlineMs: Date.now() + 2_000, onDiscoveryDetached });
    return { discover, logger, release };
  }
  const nothing = { tools: null, oauthRequired: false, oauthUrl: null };

  test('is handed over', async () => {
    const { discover, release } = await loading();
    const detached = [];
    expect(await discover((discovery) => detached.push(discovery))).toEqual(nothing);
    expect(detached).toHaveLength(1);
    const state = () => Promise.race([detached[0], Promise.resolve('pending')]);
    expect(await state()).toBe('pending');
    release();
    expect(await detached[0]).toBeUndefined();
  });

  test('in the context of the call, and what the host throws is logged', async () => {
    const { discover, logger, release } = await loading();
    const tenants = new AsyncLocalStorage();
    const seen = [];
    const onDiscoveryDetached = () => {
      seen.push(tenants.getStore());
      throw new Error('host bug');
    };
    expect(await tenants.run('north', () => discover(onDiscoveryDetached))).toEqual(nothing);
    expect(seen).toEqual(['north']);
    expect(logger.text()).toContain('onDiscoveryDetached failed: host bug');
    release();
  });
});
