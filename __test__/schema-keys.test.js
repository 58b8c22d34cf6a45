/**
 * Every key of LibreChat's schemas for MCP servers changes something that can be seen here, or is the host's own and is
 * left as it is. A key that a newer version of the schemas brings fails until somebody says which.
 */

const { mkdtempSync, openSync, readFileSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { MCPOptionsSchema, configSchema } = require('librechat-data-provider');
const addon = require('./support/addon');
const { ECHO } = require('./support/calls');
const { effectsOfRecovery } = require('./support/catalog-settings');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { effectsOfOAuth } = require('./support/oauth-settings');
const { startScripted } = require('./support/scripted-server');
const { never, until } = require('./support/wait');

const fixtures = useFixtures();
const user = createUser();

/** The keys of a schema, those of records as `*`. */
function keysOf(schema, path = []) {
  const { typeName, ...rest } = schema._def;
  if (typeName === 'ZodUnion') return rest.options.flatMap((option) => keysOf(option, path));
  if (typeName === 'ZodRecord') return keysOf(rest.valueType, [...path, '*']);
  if (typeName === 'ZodArray') return keysOf(rest.type, path);
  if (typeName === 'ZodObject')
    return Object.entries(schema.shape).flatMap(([name, member]) => {
      const here = [...path, name];
      return [here.join('.'), ...keysOf(member, here)];
    });
  return [rest.innerType, rest.schema, rest.in].filter(Boolean).flatMap((inner) => keysOf(inner, path));
}

const KEYS = new Set([...keysOf(MCPOptionsSchema), ...keysOf(configSchema.shape.mcpSettings, ['mcpSettings'])]);

/** A small server under the name `srv`, with these members in its config, and what a user does with it. */
async function remote(members = {}, { options, params, ...hostOptions } = {}) {
  const server = await fixtures.server(options);
  const host = fixtures.runtime({ servers: { srv: server.config(members) }, allow: [server], ...hostOptions });
  const call = { user, serverName: 'srv', ...params };
  const reinit = () => host.runtime.reinitMCPServer(call);
  const callTool = () => host.runtime.manager.callTool({ ...ECHO, ...call });
  const headersOf = (method) => server.received(method).map(({ headers }) => headers);
  return { ...host, server, reinit, callTool, headersOf };
}

/** A process that says what it was started with. */
const PROCESS = `
  const { createInterface } = require('node:readline');
  process.stderr.write('from the process');
  const told = { args: process.argv.slice(1), env: process.env.OWN, cwd: process.cwd() };
  createInterface({ input: process.stdin }).on('line', (line) => {
    const { id, method, params } = JSON.parse(line);
    if (id === undefined) return;
    const result = method === 'initialize'
      ? { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'p', version: '1' } }
      : { tools: [{ name: 'told', description: JSON.stringify(told), inputSchema: { type: 'object' } }] };
    process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result }) + '\\n');
  });`;

async function started(members = {}) {
  const config = { type: 'stdio', command: process.execPath, args: ['-e', PROCESS, 'argument'], ...members };
  const { runtime } = fixtures.runtime({ servers: { srv: config } });
  const { success, tools } = await runtime.reinitMCPServer({ user, serverName: 'srv' });
  expect(success).toBe(true);
  return JSON.parse(tools[0].description);
}

/** Users of the API see it, and it is stored. */
const shown = (name, value, config = { type: 'sse', url: 'https://a.example' }) => {
  expect(addon.redactServerSecrets({ ...config, [name]: value }, {})[name]).toEqual(value);
  kept(name, value);
};

/** The host reads it: it comes back from whatever a config goes through here, and is judged as LibreChat judges it. */
const kept = (name, value, wrong = []) => {
  const config = { type: 'sse', url: 'https://a.example', [name]: value };
  const issues = (config) => addon.validateServerConfig(config, { source: 'yaml' }).map(({ path }) => path[0]);
  expect(issues(config)).toEqual([]);
  expect(addon.processMCPEnv({ options: config })[name]).toEqual(value);
  expect(issues({ ...config, [name]: wrong })).toEqual([name]);
};

/** LibreChat's own functions read it, and none of ours: a config with it is taken, and the object is left as it is. */
const settingOfTheHost = async () => {
  const catalogRecovery = configSchema.shape.mcpSettings.parse({ catalogRecovery: {} }).catalogRecovery;
  const config = { mcpServers: {}, mcpSettings: { catalogRecovery } };
  const before = structuredClone(config);
  const runtime = fixtures.keep(addon.createMCPRuntime({ config }));
  await runtime.manager.getAppToolFunctions();
  expect(config).toEqual(before);
};

const apiKey = (members) => ({ source: 'admin', authorization_type: 'bearer', key: 'key-of-the-admin', ...members });
const withApiKey = (members, header) => async () => {
  const { reinit, headersOf } = await remote({ apiKey: apiKey(members) });
  await reinit();
  expect(headersOf('tools/list')[0]).toMatchObject(header);
};

const VARIABLE = { title: 'Key', description: 'Yours' };
const ofVariable = (members) => () => shown('customUserVars', { KEY: { ...VARIABLE, ...members } });

const EFFECTS = {
  title: () => shown('title', 'A title'),
  description: () => shown('description', 'What it is'),
  chatMenu: () => shown('chatMenu', false),
  iconPath: async () => {
    shown('iconPath', '/icon.png');
    const { runtime } = await remote({ iconPath: '/icon.png' });
    expect((await runtime.manager.getConnection({ user, serverName: 'srv' })).iconPath).toBe('/icon.png');
  },
  startup: async () => {
    const { runtime, server } = await remote();
    const inspected = async (startup) =>
      (await runtime.inspectServer('srv', { type: 'http', url: server.url, requiresOAuth: false, startup })).tools;
    expect(await inspected(true)).toContain('echo');
    expect(await inspected(false)).toBeUndefined();
  },
  timeout: async () => {
    const { callTool } = await remote({ timeout: 100 }, { options: { callTool: never } });
    await expect(callTool()).rejects.toThrow(/timed out/i);
  },
  initTimeout: async () => {
    const { runtime, server } = await remote({ initTimeout: 100 });
    server.fault = ({ message }) => message?.method === 'initialize';
    await expect(runtime.manager.getConnection({ user, serverName: 'srv' })).rejects.toThrow(/time/i);
  },
  sseReadTimeout: async () => {
    const { reinit, server } = await remote({ sseReadTimeout: 100 });
    await reinit();
    const streams = () => server.requests.filter(({ method }) => method === 'GET').length;
    await until('the stream is opened again', () => streams() > 1);
  },
  serverInstructions: async () => {
    const { runtime } = await remote({ serverInstructions: 'Be brief.' });
    expect(await runtime.manager.formatInstructionsForContext()).toContain('Be brief.');
  },
  apiKey: withApiKey({}, { authorization: 'Bearer key-of-the-admin' }),
  'apiKey.key': withApiKey({ key: 'another' }, { authorization: 'Bearer another' }),
  'apiKey.authorization_type': withApiKey({ authorization_type: 'basic' }, { authorization: 'Basic key-of-the-admin' }),
  'apiKey.custom_header': withApiKey(
    { authorization_type: 'custom', custom_header: 'X-Own' },
    { 'x-own': 'key-of-the-admin' },
  ),
  'apiKey.source': async () => {
    const { reinit, headersOf } = await remote({ apiKey: apiKey({ source: 'user' }) });
    await reinit();
    expect(headersOf('tools/list')[0].authorization).toBeUndefined();
  },
  customUserVars: async () => {
    const members = { customUserVars: { KEY: VARIABLE }, headers: { 'X-Key': '{{KEY}}' } };
    expect(await (await remote(members)).reinit()).toMatchObject({ missingUserVars: ['KEY'] });
    const params = { userMCPAuthMap: { mcp_srv: { KEY: 'own' } } };
    const { reinit, headersOf } = await remote(members, { params });
    await reinit();
    expect(headersOf('tools/list')[0]['x-key']).toBe('own');
  },
  'customUserVars.*.title': ofVariable({ title: 'Own' }),
  'customUserVars.*.description': ofVariable({ description: 'Own' }),
  'customUserVars.*.sensitive': ofVariable({ sensitive: false }),
  type: async () => {
    const { runtime, server } = await remote();
    const url = new URL('/sse', server.url).href;
    const over = async (type) => (await runtime.inspectServer('srv', { type, url, requiresOAuth: false })).tools;
    expect(await over('sse')).toContain('echo');
    await expect(over('http')).rejects.toThrow();
  },
  command: async () => expect((await started()).args).toEqual(['argument']),
  args: async () => expect((await started({ args: ['-e', PROCESS, 'a', 'b'] })).args).toEqual(['a', 'b']),
  env: async () => expect((await started({ env: { OWN: 'value' } })).env).toBe('value'),
  cwd: async () => expect((await started({ cwd: __dirname })).cwd).toBe(__dirname),
  stderr: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'stderr-'));
    try {
      const path = join(folder, 'log');
      await started({ stderr: openSync(path, 'w') });
      await until('what the process writes', () => readFileSync(path, 'utf8') === 'from the process');
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  url: async () => {
    const { reinit, server } = await remote();
    await reinit();
    expect(server.received('tools/list')).toHaveLength(1);
  },
  headers: async () => {
    const { reinit, headersOf } = await remote({ headers: { 'X-Own': 'value' } });
    await reinit();
    expect(headersOf('tools/list')[0]['x-own']).toBe('value');
  },
  requestHeaders: async () => {
    const members = { headers: { 'X-Both': 'listing' }, requestHeaders: { 'X-Both': 'call', 'X-Own': 'value' } };
    const { reinit, callTool, headersOf } = await remote(members);
    await reinit();
    await callTool();
    expect(headersOf('tools/list')[0]).toMatchObject({ 'x-both': 'listing' });
    expect(headersOf('tools/list')[0]).not.toHaveProperty('x-own');
    expect(headersOf('tools/call')[0]).toMatchObject({ 'x-both': 'call', 'x-own': 'value' });
  },
  obo: () => {
    expect(addon.requiresOAuthMachinery({ obo: { scopes: 's' } })).toBe(true);
    expect(addon.requiresUserScopedConnection({ obo: { scopes: 's' } })).toBe(true);
  },
  'obo.scopes': async () => {
    const asked = [];
    const oboTokenResolver = async (...parameters) => {
      asked.push(JSON.stringify(parameters.slice(1)));
      return { access_token: 'exchanged', expires_in: 60 };
    };
    const { runtime } = await remote({ obo: { scopes: 'api://own/.default' } }, { services: { oboTokenResolver } });
    const signedIn = createUser({
      provider: 'openid',
      openidId: 'subject',
      federatedTokens: { access_token: 'federated', expires_at: Math.floor(Date.now() / 1000) + 600 },
    });
    await runtime.reinitMCPServer({ user: signedIn, serverName: 'srv' });
    expect(asked.join()).toContain('api://own/.default');
  },
  proxy: async () => {
    const proxy = fixtures.keep(await startScripted(() => undefined));
    const { reinit } = await remote({ proxy: proxy.url });
    await reinit();
    expect(proxy.requests.some(({ url }) => url.startsWith('http://'))).toBe(true);
  },
  'mcpSettings.allowedDomains': async () => {
    const server = await fixtures.server();
    const config = (allowedDomains) => ({ mcpServers: { srv: server.config() }, mcpSettings: { allowedDomains } });
    const success = async (domains) => {
      const runtime = fixtures.keep(addon.createMCPRuntime({ config: config(domains) }));
      return (await runtime.reinitMCPServer({ user, serverName: 'srv' }))?.success;
    };
    expect(await success([new URL(server.url).origin])).toBe(true);
    expect(await success(['another.example'])).not.toBe(true);
  },
  'mcpSettings.allowedAddresses': async () => {
    const server = await fixtures.server();
    const success = async (allowedAddresses) => {
      const config = { mcpServers: { srv: server.config() }, mcpSettings: { allowedAddresses } };
      const runtime = fixtures.keep(addon.createMCPRuntime({ config }));
      return (await runtime.reinitMCPServer({ user, serverName: 'srv' }))?.success;
    };
    expect(await success([server.address])).toBe(true);
    expect(await success([])).not.toBe(true);
  },
  'mcpSettings.catalogRecovery': settingOfTheHost,
  ...effectsOfOAuth({ fixtures, user, kept, shown }),
  ...effectsOfRecovery({ fixtures, user, settingOfTheHost }),
};

test('every key has an effect that is known, and no other key has', () => {
  expect([...KEYS].filter((key) => !EFFECTS[key])).toEqual([]);
  expect(Object.keys(EFFECTS).filter((key) => !KEYS.has(key))).toEqual([]);
});

test.each(Object.keys(EFFECTS))('%s', async (key) => {
  await EFFECTS[key]();
});
