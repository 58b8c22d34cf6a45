/**
 * Every key of LibreChat's schemas for MCP servers changes something that can be seen here, or is the host's own and is
 * left as it is. A key that a newer version of the schemas brings fails until somebody says which.
 */

const { once } = require('node:events');
const { mkdtempSync, openSync, readFileSync, rmSync } = require('node:fs');
const { createServer } = require('node:http');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { MCPOptionsSchema, configSchema } = require('librechat-data-provider');
const addon = require('./support/addon');
const { effectsOfRecovery } = require('./support/catalog-settings');
const { useFixtures } = require('./support/fixtures');
const { FlowManager, LeasingFlowManager } = require('./support/flows');
const { createUser } = require('./support/host');
const { encryptV2 } = require('./support/token-store');
const { until } = require('./support/wait');

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
  const callTool = () =>
    host.runtime.manager.callTool({ ...call, toolName: 'echo', toolArguments: { text: 'x' }, provider: 'openai' });
  const headersOf = (method) => server.received(method).map(({ headers }) => headers);
  return { ...host, server, reinit, callTool, headersOf };
}

/** An HTTP server that answers what `answers` has for a path, and keeps what it was asked. */
async function scripted(answers) {
  const requests = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const { pathname } = new URL(request.url, 'http://localhost');
    requests.push({ path: pathname, url: request.url, headers: request.headers, form: new URLSearchParams(body) });
    const answer = answers(pathname, url());
    response.writeHead(answer ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer ?? {}));
  });
  const url = () => `http://127.0.0.1:${server.address().port}`;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  fixtures.keep({
    close: () => {
      server.closeAllConnections();
      return new Promise((done) => server.close(done));
    },
  });
  return { url: url(), address: url().slice('http://'.length), requests };
}

const RESOURCE = 'api://resource';

/** A flow with a scripted authorization server, up to a refresh and a revocation, with this `oauth` in the config. */
async function flow(oauth = {}, { oauthHeaders = {}, document = {} } = {}) {
  const server = await scripted((path, url) => {
    if (path === '/token') return { access_token: 'a', refresh_token: 'r', token_type: 'Bearer', expires_in: 60 };
    if (path === '/register') return { client_id: 'registered', redirect_uris: ['http://localhost:3080/x'] };
    if (path === '/revoke' || path === '/own/revoke') return {};
    if (path === '/own/token') return { access_token: 'a', token_type: 'Bearer' };
    if (path.startsWith('/.well-known/oauth-protected-resource'))
      return { resource: `${url}/mcp`, authorization_servers: [url] };
    if (path.startsWith('/.well-known/'))
      return {
        issuer: url,
        authorization_endpoint: `${url}/authorize`,
        token_endpoint: `${url}/token`,
        registration_endpoint: `${url}/register`,
        revocation_endpoint: `${url}/revoke`,
        response_types_supported: ['code'],
        code_challenge_methods_supported: ['S256'],
        ...document,
      };
    return undefined;
  });
  const flowManager = new FlowManager();
  const { runtime } = fixtures.runtime({ services: { flowManager } });
  const url = `${server.url}/mcp`;
  const allowed = [server.address];
  const config = typeof oauth === 'function' ? oauth(server.url) : oauth;
  const started = await runtime.oauth.initiateOAuthFlow(
    'srv',
    url,
    user.id,
    oauthHeaders,
    config,
    null,
    undefined,
    allowed,
  );
  const { flowId, flowMetadata, authorizationUrl } = started;
  const query = Object.fromEntries(new URL(authorizationUrl).searchParams);
  const tokenRequest = async () => {
    await flowManager.initFlow(flowId, 'mcp_oauth', { ...flowMetadata, authorizationUrl });
    await runtime.oauth.completeOAuthFlow(flowId, 'code', flowManager, oauthHeaders);
    return server.requests.findLast(({ path }) => path.endsWith('/token'));
  };
  const refreshRequest = async () => {
    const { clientInfo, metadata } = flowMetadata;
    const known = { serverName: 'srv', serverUrl: url, clientInfo, storedTokenEndpoint: metadata.token_endpoint };
    await runtime.oauth.refreshOAuthTokens('r', known, oauthHeaders, config, null, allowed);
    return server.requests.findLast(({ path }) => path.endsWith('/token'));
  };
  /** LibreChat hands both members of the config on to the function that revokes. */
  const revocation = async ({ revocationEndpoint, ...rest }) => {
    const known = { serverUrl: url, clientId: 'own', clientSecret: 'own-secret-of-the-client', ...rest };
    const at = { ...known, revocationEndpoint: server.url + revocationEndpoint };
    await runtime.oauth.revokeOAuthToken('srv', 'r', 'refresh', at, oauthHeaders, null, allowed);
    return server.requests.findLast(({ path }) => path.endsWith('/revoke'));
  };
  return { server, query, flowMetadata, authorizationUrl, tokenRequest, refreshRequest, revocation };
}

/** A config with both endpoints, so that its client is used as it is. */
const pinned = (members) => (url) => ({
  client_id: 'own',
  client_secret: 'own-secret-of-the-client',
  authorization_url: `${url}/own/authorize`,
  token_url: `${url}/own/token`,
  ...members,
});

/** What lies in the metadata of a flow is what its later requests go by. */
const inMetadata = (member, value) => async () => {
  const { flowMetadata } = await flow(pinned({ [member]: value }));
  expect(flowMetadata.metadata[member]).toEqual(value);
};

/**
 * Leases that are asked for when a token has expired, none of which is given, and what that comes to; the flow that begins
 * without a token.
 */
async function refresh(members) {
  const asked = [];
  const flowManager = new LeasingFlowManager();
  const row = async (token, metadata, expiresAt) => ({
    token: await encryptV2(token),
    expiresAt,
    metadata: { credential_set_id: 'set', ...metadata },
  });
  const server = await scripted((path, url) => {
    if (path === '/token') return { access_token: 'a', token_type: 'Bearer', expires_in: 60 };
    if (path === '/register') return { client_id: 'c', redirect_uris: ['http://localhost:3080/x'] };
    if (path.startsWith('/.well-known/'))
      return {
        resource: `${url}/mcp`,
        authorization_servers: [url],
        issuer: url,
        authorization_endpoint: `${url}/authorize`,
        token_endpoint: `${url}/token`,
        registration_endpoint: `${url}/register`,
        response_types_supported: ['code'],
        code_challenge_methods_supported: ['S256'],
      };
    return undefined;
  });
  const url = `${server.url}/mcp`;
  const bound = { token_endpoint: `${server.url}/token`, server_url: url, client_source: 'dynamic' };
  const rows = {
    mcp_oauth: await row('old', {}, new Date(0)),
    mcp_oauth_refresh: await row('r'),
    mcp_oauth_client: await row('{"client_id":"c"}', bound),
  };
  const tokenMethods = {
    findToken: async ({ type }) => rows[type] ?? null,
    createToken: async () => ({}),
    updateToken: async () => ({}),
    deleteTokens: async () => ({ deletedCount: 1 }),
  };
  const { runtime } = fixtures.runtime({
    servers: { srv: { type: 'http', url, requiresOAuth: true, ...members } },
    allow: [server],
    services: { flowManager, tokenMethods, credentialsKey: process.env.CREDS_KEY },
  });
  const { acquireLease } = flowManager;
  flowManager.acquireLease = async (id, options) => {
    asked.push({ id, options });
    return null;
  };
  const failure = await runtime.manager.getConnection({ user, serverName: 'srv' }).catch((error) => error);
  flowManager.acquireLease = acquireLease;
  for (const type of Object.keys(rows)) delete rows[type];
  await runtime.reinitMCPServer({ user, serverName: 'srv' });
  const { metadata } = await flowManager.getFlowState(`${user.id}:srv`, 'mcp_oauth');
  return { asked, cause: failure.cause, metadata };
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
    const { callTool } = await remote({ timeout: 100 }, { options: { callTool: () => new Promise(() => {}) } });
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
  oauthRefreshCoordination: async () => {
    for (const [oauthRefreshCoordination, expected] of [
      [true, ['refresh', '', user.id, 'srv']],
      [false, ['', user.id, 'srv']],
    ]) {
      const { asked } = await refresh({ oauthRefreshCoordination });
      expect(JSON.parse(asked[0].id)).toEqual(expected);
    }
  },
  oauthRefreshWaitTimeout: async () => {
    const { cause } = await refresh({ oauthRefreshCoordination: true, oauthRefreshWaitTimeout: 30 });
    expect(cause.message).toContain('for longer than 30ms');
    kept('oauthRefreshWaitTimeout', 20_000, 0);
  },
  // LibreChat's callback route reads it there.
  oauthPersistenceWaitTimeout: async () => {
    const { metadata } = await refresh({ oauthPersistenceWaitTimeout: 30 });
    expect(metadata.oauthPersistenceWaitTimeout).toBe(30);
    kept('oauthPersistenceWaitTimeout', 20_000, 840_001);
  },
  serverInstructions: async () => {
    const { runtime } = await remote({ serverInstructions: 'Be brief.' });
    expect(await runtime.manager.formatInstructionsForContext()).toContain('Be brief.');
  },
  requiresOAuth: () => {
    expect(addon.isOAuthServer({ requiresOAuth: true })).toBe(true);
    expect(addon.isOAuthServer({ requiresOAuth: false, oauth: {} })).toBe(false);
  },
  oauth: () => expect(addon.isOAuthServer({ oauth: {} })).toBe(true),
  'oauth.authorization_url': async () => expect((await flow(pinned())).authorizationUrl).toMatch(/\/own\/authorize\?/),
  'oauth.token_url': async () => expect((await (await flow(pinned())).tokenRequest()).path).toBe('/own/token'),
  'oauth.client_id': async () => expect((await flow(pinned())).query.client_id).toBe('own'),
  'oauth.client_secret': async () => {
    const { tokenRequest } = await flow(pinned({ token_exchange_method: 'default_post' }));
    expect((await tokenRequest()).form.get('client_secret')).toBe('own-secret-of-the-client');
  },
  'oauth.scope': async () => expect((await flow(pinned({ scope: 'own-scope' }))).query.scope).toBe('own-scope'),
  // LibreChat shows it, and redirects to where it is itself, as we do.
  'oauth.redirect_uri': async () => {
    const redirect_uri = 'https://librechat.example/callback';
    shown('oauth', { client_id: 'own', redirect_uri });
    expect((await flow(pinned({ redirect_uri }))).query.redirect_uri).toMatch(/\/api\/mcp\/srv\/oauth\/callback$/);
  },
  'oauth.token_exchange_method': async () => {
    const { tokenRequest } = await flow(pinned({ token_exchange_method: 'basic_auth_header' }));
    expect((await tokenRequest()).headers.authorization).toMatch(/^Basic /);
  },
  'oauth.grant_types_supported': inMetadata('grant_types_supported', ['authorization_code', 'urn:own']),
  'oauth.token_endpoint_auth_methods_supported': inMetadata('token_endpoint_auth_methods_supported', ['none', 'own']),
  'oauth.response_types_supported': inMetadata('response_types_supported', ['code', 'own']),
  'oauth.code_challenge_methods_supported': inMetadata('code_challenge_methods_supported', ['S256', 'own']),
  'oauth.skip_code_challenge_check': async () => {
    const document = { code_challenge_methods_supported: ['plain'] };
    await expect(flow({}, { document })).rejects.toThrow();
    await expect(flow({ skip_code_challenge_check: true }, { document })).resolves.toBeDefined();
  },
  'oauth.audience': async () => expect((await flow(pinned({ audience: RESOURCE }))).query.audience).toBe(RESOURCE),
  'oauth.forward_audience_on_refresh': async () => {
    for (const [forward_audience_on_refresh, expected] of [
      [true, RESOURCE],
      [false, null],
    ]) {
      const { refreshRequest } = await flow(pinned({ audience: RESOURCE, forward_audience_on_refresh }));
      expect((await refreshRequest()).form.get('audience')).toBe(expected);
    }
  },
  'oauth.send_resource_parameter': async () => {
    for (const send_resource_parameter of [true, false]) {
      const { query, server, tokenRequest, refreshRequest } = await flow({ send_resource_parameter });
      const asked = [query.resource, (await tokenRequest()).form.get('resource')];
      if (!send_resource_parameter) asked.push((await refreshRequest()).form.get('resource'));
      const resource = send_resource_parameter ? `${server.url}/mcp` : null;
      expect(asked.map((value) => value ?? null)).toEqual(asked.map(() => resource));
    }
  },
  'oauth.revocation_endpoint': async () => {
    const { revocation } = await flow(pinned());
    expect((await revocation({ revocationEndpoint: '/own/revoke' })).path).toBe('/own/revoke');
  },
  'oauth.revocation_endpoint_auth_methods_supported': async () => {
    const { revocation } = await flow(pinned());
    const asked = async (method) =>
      (await revocation({ revocationEndpoint: '/revoke', revocationEndpointAuthMethodsSupported: [method] })).headers;
    expect((await asked('client_secret_basic')).authorization).toMatch(/^Basic /);
    expect((await asked('client_secret_post')).authorization).toBeUndefined();
  },
  oauth_headers: async () => {
    const { tokenRequest } = await flow(pinned(), { oauthHeaders: { 'X-Gateway': 'own' } });
    expect((await tokenRequest()).headers['x-gateway']).toBe('own');
    const options = { oauth_headers: { 'X-Gateway': '{{LIBRECHAT_USER_ID}}' } };
    expect(addon.processMCPEnv({ options, user }).oauth_headers['X-Gateway']).toBe(user.id);
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
    const proxy = await scripted(() => undefined);
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
  ...effectsOfRecovery({ fixtures, user, settingOfTheHost }),
};

test('every key has an effect that is known, and no other key has', () => {
  expect([...KEYS].filter((key) => !EFFECTS[key])).toEqual([]);
  expect(Object.keys(EFFECTS).filter((key) => !KEYS.has(key))).toEqual([]);
});

test.each(Object.keys(EFFECTS))('%s', async (key) => {
  await EFFECTS[key]();
});
