/** The branches of `reinitMCPServer` for servers that need no authorization, in the order of its steps. */

const faults = require('./support/faults');
const { everythingOverStdio } = require('./support/everything');
const { createUser } = require('./support/host');
const { closedAddress } = require('./support/mcp-server');
const { useReinit } = require('./support/reinit');
const { OPTIONAL_MEMBERS, anError, connected, deferred, failed, ...results } = require('./support/results');
const { until } = require('./support/wait');

const { fixtures, setup } = useReinit();

describe('which configuration', () => {
  test('one that is given is used; the registry is asked only whether all users share the server', async () => {
    const { server, registry, reinit } = await setup();
    const result = await reinit({ serverName: 'given', serverConfig: server.config() });
    expect(result).toEqual(connected('given'));
    expect(registry.called('getServerConfig')).toEqual([['given', undefined, undefined]]);
  });

  test('else the registry is asked, for the user and with the configServers of the call', async () => {
    const { server, user, registry, reinit } = await setup();
    const configServers = { extra: server.config({ source: 'config' }) };
    expect(await reinit({ serverName: 'extra', configServers })).toEqual(connected('extra'));
    const [[name, userId, passedOn]] = registry.called('getServerConfig');
    expect([name, userId]).toEqual(['extra', user.id]);
    expect(passedOn).toBe(configServers);
  });

  test('an unknown server fails without a connection', async () => {
    const { server, reinit } = await setup();
    expect(await reinit({ serverName: 'unknown' })).toEqual(failed('unknown'));
    expect(server.requests).toEqual([]);
  });

  test.each([
    ['a URL that is none', { type: 'streamable-http', url: 'http://[bad' }],
    ['neither URL nor command', {}],
    ['a command that does not exist', { type: 'stdio', command: '/nonexistent/command', args: [] }],
  ])('%s fails', async (_, config) => {
    const { reinit } = await setup();
    const serverConfig = { requiresOAuth: false, source: 'yaml', ...config };
    expect(await reinit({ serverName: 'given', serverConfig })).toEqual(failed('given'));
  });

  test('a getter that throws: logged, resolves to undefined', async () => {
    const services = {
      registry: () => {
        throw new Error('registry is not initialized yet');
      },
    };
    const { logger, reinit } = await setup({ services });
    expect(await reinit()).toBeUndefined();
    expect(logger.messages('error')).toContainEqual(
      expect.stringMatching(/^\[MCP Reinitialize\] Error loading MCP Tools, servers may still be initializing:/),
    );
  });

  test('no parameters at all: rejects', async () => {
    const { runtime } = await setup();
    await expect((async () => runtime.reinitMCPServer())()).rejects.toBeDefined();
  });
});

describe('inspectionFailed', () => {
  const stub = (source) => ({ inspectionFailed: true, source });
  const repair = ({ inspectionFailed, ...config }) => config;

  test('source config: still unreachable, no reinspection', async () => {
    const { server, registry, reinit } = await setup({ config: stub('config') });
    expect(await reinit()).toEqual(results.unreachable('srv'));
    expect(registry.called('reinspectServer')).toEqual([]);
    expect(server.requests).toEqual([]);
  });

  test.each([
    ['yaml', 'CACHE'],
    ['user', 'DB'],
  ])('source %s: reinspected in %s, then connected', async (source, storage) => {
    const { registry, user, reinit } = await setup({
      config: stub(source),
      reinspect: (config) => ({ serverName: 'srv', config: repair(config) }),
    });
    expect(await reinit()).toEqual(connected('srv'));
    expect(registry.called('reinspectServer')).toEqual([['srv', storage, user.id]]);
  });

  test('the configuration that reinspection returned is used', async () => {
    const nowhere = await closedAddress();
    const other = await fixtures.server();
    const { reinit } = await setup({
      config: { ...stub('yaml'), url: nowhere.url },
      allow: [other],
      reinspect: () => ({ serverName: 'srv', config: other.config() }),
    });
    expect(await reinit()).toEqual(connected('srv'));
    expect(other.received('initialize')).toHaveLength(1);
  });

  test('where it returned none, the configuration is read again', async () => {
    const { registry, reinit } = await setup({
      config: stub('yaml'),
      reinspect(config, { servers }) {
        servers.srv = repair(config);
      },
    });
    expect(await reinit()).toEqual(connected('srv'));
    expect(registry.called('getServerConfig')).toHaveLength(2);
  });

  test('reinspection throws: still unreachable, logged', async () => {
    const { server, logger, reinit } = await setup({ config: stub('yaml') });
    expect(await reinit()).toEqual(results.unreachable('srv'));
    expect(logger.messages('error')).toContainEqual(
      expect.stringMatching(/^\[MCP Reinitialize\] Reinspection failed for server srv:/),
    );
    expect(server.requests).toEqual([]);
  });

  test('still inspectionFailed afterwards: still unreachable, no second try', async () => {
    const { registry, reinit } = await setup({
      config: stub('yaml'),
      reinspect: (config) => ({ serverName: 'srv', config }),
    });
    expect(await reinit()).toEqual(results.unreachable('srv'));
    expect(registry.called('reinspectServer')).toHaveLength(1);
  });
});

describe('user variables', () => {
  const variable = { title: 'Key', description: '' };
  const config = { headers: { 'X-A': '{{A}}', 'X-B': '{{B}}' }, customUserVars: { A: variable, B: variable } };

  test.each([
    ['no map', undefined, ['A', 'B']],
    ['only those of another server', { mcp_other: { A: 'a', B: 'b' } }, ['A', 'B']],
    ['one unset', { mcp_srv: { A: 'a' } }, ['B']],
    ['one empty', { mcp_srv: { A: '', B: 'b' } }, ['A']],
    ['one blank', { mcp_srv: { A: 'a', B: ' \t\n' } }, ['B']],
  ])('%s: nothing is connected', async (_, userMCPAuthMap, missing) => {
    const { server, reinit } = await setup({ config, params: { userMCPAuthMap } });
    expect(await reinit()).toEqual(results.missingVariables('srv', ...missing));
    expect(server.requests).toEqual([]);
  });

  test('all set: they reach the headers', async () => {
    const { server, reinit } = await setup({ config, params: { userMCPAuthMap: { mcp_srv: { A: 'a', B: 'b' } } } });
    expect(await reinit()).toEqual(connected('srv'));
    expect(server.received('initialize')[0].headers).toMatchObject({ 'x-a': 'a', 'x-b': 'b' });
  });
});

describe('placeholders of the request body', () => {
  const config = { headers: { 'X-Conversation': 'id={{LIBRECHAT_BODY_CONVERSATIONID}}' } };

  test.each([
    ['undefined', undefined],
    ['an empty body', {}],
  ])('requestBody is passed but lacks the field (%s): deferred', async (_, requestBody) => {
    const { server, reinit } = await setup({ config });
    const result = await reinit({ requestBody });
    expect(result).toEqual(deferred('srv'));
    expect(result).not.toHaveProperty('failureReason');
    expect(server.requests).toEqual([]);
  });

  test('requestBody has the field: connected with it', async () => {
    const { server, reinit } = await setup({ config });
    const result = await reinit({ requestBody: { conversationId: 'c-1' } });
    expect(result).toEqual(connected('srv'));
    expect(server.received('initialize')[0].headers['x-conversation']).toBe('id=c-1');
  });

  test('the caller does not know requestBody: empty text', async () => {
    const { server, reinit } = await setup({ config });
    expect(await reinit()).toEqual(connected('srv'));
    expect(server.received('initialize')[0].headers['x-conversation']).toBe('id=');
  });
});

describe('connecting', () => {
  test('nobody listens: fails within the time given, and may be tried again', async () => {
    const nowhere = await closedAddress();
    const { reinit } = await setup({ allow: [nowhere] });
    const result = await reinit({ serverName: 'off', serverConfig: nowhere.config(), connectionTimeout: 1000 });
    expect(result).toEqual(failed('off'));
    expect(result.error.retryable).toBe(true);
  });

  test('a loopback address that is not allowed is never contacted', async () => {
    const { server, reinit } = await setup({ allow: [] });
    expect(await reinit()).toEqual(failed('srv', 'MCP_ADDRESS_NOT_ALLOWED'));
    expect(server.requests).toEqual([]);
  });

  test.each([401, 403])('HTTP %i where no authorization was configured is a plain failure', async (status) => {
    const { reinit } = await setup({ serverOptions: { fault: faults.answer(status) } });
    expect(await reinit({ connectionTimeout: 2000 })).toEqual(failed('srv'));
  });

  test('a second call uses the same session', async () => {
    const { server, reinit } = await setup();
    await reinit();
    expect(await reinit()).toEqual(connected('srv'));
    expect(server.received('initialize')).toHaveLength(1);
  });

  test('forceNew replaces a user connection and ends its session', async () => {
    const { server, reinit } = await setup({ config: { startup: false } });
    await reinit();
    expect(await reinit({ forceNew: true })).toEqual(connected('srv'));
    expect(server.received('initialize')).toHaveLength(2);
    await until('the end of the replaced session', () => server.sessions.size === 1);
  });

  test('concurrent calls of one user share one attempt', async () => {
    const { server, reinit } = await setup({ config: { startup: false } });
    const all = await Promise.all(Array.from({ length: 5 }, () => reinit()));
    expect(all).toEqual(Array(5).fill(connected('srv')));
    expect(server.received('initialize')).toHaveLength(1);
  });

  test('a lost session is initialized again', async () => {
    const { server, reinit } = await setup();
    await reinit();
    server.sessions.clear();
    expect(await reinit()).toEqual(connected('srv'));
    expect(server.received('initialize')).toHaveLength(2);
  });

  test('keepConnections false: nothing is open once the call has answered', async () => {
    const { server, reinit } = await setup({ services: { keepConnections: false } });
    expect(await reinit()).toEqual(connected('srv'));
    await until('end of the session', () => server.sessions.size === 0);
  });
});

describe('members that do not apply are absent', () => {
  test('of a success', async () => {
    const { reinit } = await setup();
    const result = await reinit();
    for (const member of OPTIONAL_MEMBERS) expect(result).not.toHaveProperty(member);
  });

  test('of a failure', async () => {
    const { reinit } = await setup();
    const result = await reinit({ serverName: 'unknown' });
    expect(result.error).toEqual(anError());
    for (const member of OPTIONAL_MEMBERS.slice(2)) expect(result).not.toHaveProperty(member);
  });
});

describe('a public server', () => {
  const reinitEverything = async (config, allow) => {
    const { runtime } = fixtures.runtime({ servers: { everything: config }, allow });
    return runtime.reinitMCPServer({ user: createUser(), serverName: 'everything' });
  };

  test.each(['streamableHttp', 'sse'])('over %s', async (transport) => {
    const server = await fixtures.everything(transport);
    const result = await reinitEverything(server.config(), [server]);
    expect(result).toEqual(connected('everything', result.tools));
    expect(result.tools.map((tool) => tool.name)).toContain('echo');
  });

  test('over stdio', async () => {
    const result = await reinitEverything(everythingOverStdio());
    expect(result).toEqual(connected('everything', result.tools));
    expect(result.tools.map((tool) => tool.name)).toContain('echo');
  });
});
