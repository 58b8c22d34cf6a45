/** Where JavaScript and Rust meet: shapes, getters, `this`, contexts, errors, abort. */

const { AsyncLocalStorage } = require('node:async_hooks');
const { getEventListeners } = require('node:events');
const { createMCPRuntime } = require('./support/addon');
const faults = require('./support/faults');
const { useFixtures } = require('./support/fixtures');
const { collectGarbage } = require('./support/garbage');
const { createHost, createUser, Registry } = require('./support/host');
const { anError, connected } = require('./support/results');
const { never, nothingInFlight, settlesWithin, until } = require('./support/wait');

const fixtures = useFixtures();

async function setup({ serverOptions, config, ...hostOptions } = {}) {
  const server = await fixtures.server(serverOptions);
  const host = fixtures.runtime({ servers: { srv: server.config(config) }, allow: [server], ...hostOptions });
  const user = createUser();
  const reinit = (extra) => host.runtime.reinitMCPServer({ user, serverName: 'srv', ...extra });
  return { ...host, server, user, reinit };
}

/** What a call threw or rejected with. Errors made by the addon belong to another realm: no `instanceof`. */
async function errorOf(call) {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error('expected an error');
}

describe('the shape of the host services', () => {
  test.each([
    ['registry', { registry: 7 }],
    ['registry', { registry: undefined }],
    ['getServerConfig', { registry: { getServerConfig: 1 } }],
    ['findToken', { tokenMethods: { findToken: 1, createToken() {}, updateToken() {}, deleteTokens() {} } }],
    ['deleteTokens', { tokenMethods: { findToken() {}, createToken() {}, updateToken() {} } }],
    ['flowManager', { flowManager: 'flows' }],
    ['updateMCPServerTools', { updateMCPServerTools: 'x' }],
    ['exchangedTokens', { exchangedTokens: 5 }],
    ['oboTokenResolver', { oboTokenResolver: {} }],
    ['oboTrustChecker', { oboTrustChecker: true }],
    ['graphTokenResolver', { graphTokenResolver: 'x' }],
    ['logger', { logger: 'console' }],
    ['getTenantId', { getTenantId: 'tenant' }],
    ['lock', { lock: { acquire: 1 } }],
    ['limits', { limits: { count() {}, block() {}, clear() {} } }],
    ['keepConnections', { keepConnections: 'yes' }],
    ['credentialsKey', { credentialsKey: 42 }],
  ])('a wrong %s is refused at once, by name', async (member, change) => {
    const services = { ...createHost().services, ...change };
    const error = await errorOf(() => createMCPRuntime(services).close());
    expect(error).toMatchObject({ name: 'TypeError', code: 'MCP_INVALID_ARGUMENT', retryable: false });
    expect(error.message).toContain(member);
  });

  test('no host at all is refused', async () => {
    expect((await errorOf(() => createMCPRuntime())).name).toBe('TypeError');
  });
});

describe('the shape of the parameters', () => {
  test.each([
    ['serverName', { serverName: 5 }],
    ['signal', { signal: 'soon' }],
    ['connectionTimeout', { connectionTimeout: '1000' }],
    ['oauthStart', { oauthStart: 'url' }],
  ])('a wrong %s is a TypeError that names it', async (member, change) => {
    const { reinit } = await setup();
    const error = await errorOf(() => reinit(change));
    expect(error).toMatchObject({ name: 'TypeError', code: 'MCP_INVALID_ARGUMENT', retryable: false });
    expect(error.message).toContain(member);
  });

  test('absent or undefined members are never an error', async () => {
    const { reinit } = await setup();
    const call = { signal: undefined, forceNew: undefined, connectionTimeout: undefined, oauthStart: undefined };
    expect(await reinit(call)).toEqual(connected('srv'));
  });
});

describe('services', () => {
  test('functions of the runtime work unbound', async () => {
    const { user, runtime } = await setup();
    const { reinitMCPServer } = runtime;
    expect(await reinitMCPServer({ user, serverName: 'srv' })).toEqual(connected('srv'));
  });

  test.each([
    ['a value', (registry) => registry],
    ['a getter', (registry) => () => registry],
    ['an async getter', (registry) => async () => registry],
  ])('the registry may be %s', async (_, given) => {
    const server = await fixtures.server();
    const registry = new Registry({ servers: { srv: server.config() }, allowedAddresses: [server.address] });
    const { runtime } = fixtures.runtime({ services: { registry: given(registry) } });
    expect(await runtime.reinitMCPServer({ user: createUser(), serverName: 'srv' })).toEqual(connected('srv'));
  });

  test('a registry may answer without promises', async () => {
    class PlainRegistry extends Registry {
      getServerConfig(name) {
        return this.servers[name];
      }
    }
    const server = await fixtures.server();
    const registry = new PlainRegistry({ servers: { srv: server.config() }, allowedAddresses: [server.address] });
    const { runtime } = fixtures.runtime({ services: { registry } });
    expect(await runtime.reinitMCPServer({ user: createUser(), serverName: 'srv' })).toEqual(connected('srv'));
  });

  test('getters are called per use, never cached', async () => {
    let current;
    const { server, reinit } = await setup({ services: { registry: () => current } });
    const first = new Registry({ servers: { srv: server.config() }, allowedAddresses: [server.address] });
    const second = new Registry({ servers: {} });
    current = first;
    expect((await reinit()).success).toBe(true);
    current = second;
    expect((await reinit()).success).toBe(false);
    expect(second.called('getServerConfig')).toHaveLength(1);
  });

  test('a getter that returns the wrong thing: logged, resolves to undefined', async () => {
    const { logger, reinit } = await setup({ services: { registry: () => 7 } });
    expect(await reinit()).toBeUndefined();
    expect(logger.text()).toContain('registry');
  });

  test('a callback that throws instead of rejecting is an ordinary failure', async () => {
    const services = {
      updateMCPServerTools() {
        throw new Error('thrown at once');
      },
    };
    const { logger, reinit } = await setup({ services });
    expect(await reinit()).toBeUndefined();
    expect(logger.text()).toContain('thrown at once');
  });
});

describe('the AsyncLocalStorage of a call', () => {
  test('holds in the registry, its getter and updateMCPServerTools', async () => {
    const tenants = new AsyncLocalStorage();
    const seen = [];
    const note = (where) => seen.push([where, tenants.getStore()]);

    class ObservedRegistry extends Registry {
      getServerConfig(...args) {
        note('getServerConfig');
        return super.getServerConfig(...args);
      }
    }
    const server = await fixtures.server();
    const registry = new ObservedRegistry({
      servers: { srv: server.config({ startup: false }) },
      allowedAddresses: [server.address],
    });
    const services = {
      registry() {
        note('getter');
        return registry;
      },
      async updateMCPServerTools() {
        note('updateMCPServerTools');
        return null;
      },
    };
    const { runtime } = fixtures.runtime({ services });

    for (const tenant of ['north', 'south']) {
      seen.length = 0;
      await tenants.run(tenant, () => runtime.reinitMCPServer({ user: createUser(), serverName: 'srv' }));
      expect(seen.map(([where]) => where)).toEqual(
        expect.arrayContaining(['getter', 'getServerConfig', 'updateMCPServerTools']),
      );
      expect(new Set(seen.map(([, store]) => store))).toEqual(new Set([tenant]));
    }
  });

  test('is not mixed up between concurrent calls', async () => {
    const tenants = new AsyncLocalStorage();
    const mixedUp = [];
    const server = await fixtures.server();
    const { runtime } = fixtures.runtime({
      servers: { srv: server.config({ startup: false }) },
      allow: [server],
      services: {
        async updateMCPServerTools({ userId }) {
          if (tenants.getStore() !== userId) mixedUp.push([userId, tenants.getStore()]);
          return null;
        },
      },
    });
    const users = Array.from({ length: 10 }, () => createUser());
    await Promise.all(
      users.map((user) => tenants.run(user.id, () => runtime.reinitMCPServer({ user, serverName: 'srv' }))),
    );
    expect(mixedUp).toEqual([]);
  });
});

describe('a host callback that never settles', () => {
  test('an abort ends the call', async () => {
    const { reinit } = await setup({ services: { registry: () => ({ ...stuckRegistry }) } });
    const signal = AbortSignal.timeout(200);
    await settlesWithin(8000, reinit({ signal }));
  });

  test('without one, the call ends after the 10 s a registry may take', async () => {
    const { logger, reinit } = await setup({ services: { registry: () => ({ ...stuckRegistry }) } });
    const { value } = await settlesWithin(25_000, reinit());
    expect(value).toBeUndefined();
    expect(logger.messages('error')).not.toEqual([]);
  });

  test('one whose promise is garbage ends the call at once', async () => {
    const getServerConfig = () => new Promise(() => {});
    const { logger, reinit } = await setup({ services: { registry: () => ({ ...stuckRegistry, getServerConfig }) } });
    const call = reinit();
    const collecting = setInterval(collectGarbage, 100);
    const { value } = await settlesWithin(8000, call).finally(() => clearInterval(collecting));
    expect(value).toBeUndefined();
    expect(logger.messages('error')).not.toEqual([]);
  });

  const stuckRegistry = {
    getServerConfig: never,
    getAllServerConfigs: never,
    reinspectServer: never,
    shouldEnableSSRFProtection: () => true,
    getAllowedDomains: () => null,
    getAllowedAddresses: () => null,
  };
});

describe('abort', () => {
  const aborted = { success: false, error: anError('MCP_ABORTED'), tools: null, availableTools: null };

  test('a signal that is aborted already: nothing is connected', async () => {
    const { server, reinit } = await setup();
    expect(await reinit({ signal: AbortSignal.abort() })).toMatchObject(aborted);
    expect(server.requests).toEqual([]);
  });

  test.each(['initialize', 'tools/list'])(
    'while the server hangs in %s: ends promptly, leaves nothing open',
    async (method) => {
      // A user's connection: one that all users share would stay open, and its stream with it.
      const config = { startup: false };
      const { server, reinit } = await setup({ config, serverOptions: { fault: faults.on(method, faults.hang()) } });
      const controller = new AbortController();
      const call = reinit({ signal: controller.signal });
      await server.arrival(method);
      controller.abort();
      const { value } = await settlesWithin(10_000, call);
      expect(value).toMatchObject(aborted);
      await nothingInFlight(server);
    },
  );

  test('the caller keeps its onabort, and no listener stays behind', async () => {
    const { reinit } = await setup();
    const controller = new AbortController();
    let fired = 0;
    const onabort = () => {
      fired += 1;
    };
    controller.signal.onabort = onabort;
    const before = getEventListeners(controller.signal, 'abort').length;

    expect((await reinit({ signal: controller.signal })).success).toBe(true);
    const listeners = () => getEventListeners(controller.signal, 'abort').length;
    await until('the end of its listener', () => listeners() === before);
    expect(controller.signal.onabort).toBe(onabort);
    controller.abort();
    expect(fired).toBe(1);
  });

  test('one caller aborts, the others that share the attempt succeed', async () => {
    const { server, reinit } = await setup({ serverOptions: { listDelayMs: 300 } });
    const controller = new AbortController();
    const calls = [reinit({ signal: controller.signal }), reinit(), reinit()];
    await server.arrival('tools/list');
    controller.abort();
    const [first, ...others] = await Promise.all(calls);
    expect(first.success).toBe(false);
    expect(others).toEqual([connected('srv'), connected('srv')]);
  });
});
