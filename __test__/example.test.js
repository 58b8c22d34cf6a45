/** `examples/librechat`, over HTTP, as a browser and as LibreChat's client use it. */

const { spawn } = require('node:child_process');
const { join } = require('node:path');
const { startApp, startServers } = require('../examples/librechat/servers');
const { signIn } = require('./support/authorization-server');
const { ADDON, clientOf, createClient, examplePorts } = require('./support/example');
const { accepts } = require('./support/ports');
const { createUserDatabase } = require('./support/user-database');
const { until } = require('./support/wait');

const RUN = join(__dirname, '..', 'examples', 'librechat', 'run.js');

describe('LibreChat over the addon', () => {
  let servers;
  let app;
  let user;
  let admin;

  const start = async (step, edition, environment) => {
    app = await startApp(step, { ...servers.environment, ...ADDON, ...environment }, edition);
    [user, admin] = ['USER', 'ADMIN'].map((role) => clientOf(app, role));
  };

  const callTool = async (client, tool, json = {}) =>
    (await client.post(`/api/agents/tools/${tool}`, { json })).body.content;

  const toolsOf = async (client, serverName) => (await client.get('/api/mcp/tools')).body.servers[serverName].tools;

  let database;

  beforeAll(async () => {
    servers = await startServers(await examplePorts());
    database = await createUserDatabase(servers.environment);
  }, 300_000);

  afterAll(async () => {
    await app?.close();
    await database?.close();
    await servers?.close();
  });

  /** What the authorization server says about a token. */
  const introspect = async (token) => {
    const { client_id: id, client_secret: secret } = servers.resourceServer;
    const answer = await fetch(`${servers.environment.OPENID_ISSUER}/token/introspection`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` },
      body: new URLSearchParams({ token }),
    });
    return answer.json();
  };

  /** As a browser: opens the URL, signs in, and calls the redirect URI. */
  const authorize = async (client, oauthUrl, options) => {
    const parameters = await signIn(new URL(oauthUrl).origin, oauthUrl, servers.account);
    return client.get(`/api/mcp/protected/oauth/callback?${parameters}`, { anonymous: true, ...options });
  };

  describe('step 1: reinitMCPServer alone', () => {
    beforeAll(() => start(1));
    afterAll(() => app.close());

    test('reinitializes the open server, keeps no connection, and its tools are published', async () => {
      const { status, body } = await user.post('/api/mcp/everything/reinitialize');
      expect(status).toBe(200);
      expect(body).toMatchObject({ success: true, oauthRequired: false, serverName: 'everything' });
      expect(Object.keys(body.availableTools)).toContain('echo_mcp_everything');
      const log = () => servers.everything.output();
      const session = () => /Session initialized with ID: (\S+)\n/.exec(log())?.[1];
      await until('the session', session);
      const ends = `Received session termination request for session ${session()}`;
      await until('the end of the session', () => log().includes(ends));
      expect(log().match(/Session initialized/g)).toHaveLength(1);
      expect(await toolsOf(user, 'everything')).toContain('echo_mcp_everything');
      expect(await toolsOf(admin, 'everything')).toEqual([]);
      expect(await callTool(user, 'echo_mcp_everything', { message: 'hello' })).toBe('Echo: hello');
    });

    test('wants a login', async () => {
      expect((await user.post('/api/mcp/everything/reinitialize', { anonymous: true })).status).toBe(401);
    });

    test('a sign-in that the addon begins and LibreChat ends; both refresh it', async () => {
      const { body } = await user.post('/api/mcp/protected/reinitialize');
      expect(body).toMatchObject({ success: true, oauthRequired: true, oauthUrl: expect.stringContaining('http') });
      const minutes = (body.oauthExpiresAt ?? Date.now() + 600_000) - Date.now();
      expect(minutes).toBeGreaterThan(300_000);
      expect((await authorize(user, body.oauthUrl)).location).toBe('/oauth/success?serverName=protected');
      expect(await callTool(user, 'whoami_mcp_protected')).toBe('You are alice');
      const sets = [await database.credentialSet(user.id)];

      await database.expire(user.id);
      const refreshed = await user.post('/api/mcp/protected/reinitialize');
      expect(refreshed.body).toMatchObject({ success: true, oauthRequired: false });
      expect(await toolsOf(user, 'protected')).toEqual(['whoami_mcp_protected']);
      expect(await callTool(user, 'whoami_mcp_protected')).toBe('You are alice');
      sets.push(await database.credentialSet(user.id));

      await database.dropAccess(user.id);
      expect((await user.post('/api/mcp/protected/reinitialize')).body).toMatchObject({ oauthRequired: false });
      sets.push(await database.credentialSet(user.id));
      // Without what the process remembers of tokens, LibreChat's own manager refreshes.
      await app.close();
      await database.dropAccess(user.id);
      await start(1);
      expect(await callTool(user, 'whoami_mcp_protected')).toBe('You are alice');
      sets.push(await database.credentialSet(user.id));
      expect(new Set(sets).size).toBe(4);
    });

    test('a restart, and a switch to step 2 and back', async () => {
      for (const step of [1, 2, 1]) {
        await app.close();
        await start(step);
        await database.expire(user.id);
        expect((await user.post('/api/mcp/protected/reinitialize')).body).toMatchObject({ oauthRequired: false });
        expect(await callTool(user, 'whoami_mcp_protected')).toBe('You are alice');
      }
      await database.forget(user.id);
    }, 300_000);
  });

  describe('the LibreChat of June', () => {
    afterEach(() => app.close());

    test('step 1 reinitializes the open server, and hands out the URL of one that wants OAuth', async () => {
      await start(1, 'june');
      const { body } = await user.post('/api/mcp/everything/reinitialize');
      expect(Object.keys(body.availableTools)).toContain('echo_mcp_everything');
      const guarded = await user.post('/api/mcp/protected/reinitialize');
      expect(guarded.body).toMatchObject({
        success: true,
        oauthRequired: true,
        oauthUrl: expect.stringContaining('http'),
      });
    });

    test('step 2: a sign-in, a tool call, expiry', async () => {
      await start(2, 'june');
      const begun = await user.post('/api/mcp/protected/reinitialize');
      const back = await authorize(user, begun.body.oauthUrl, { cookie: begun.cookies.join('; ') });
      expect(back.location).toBe('/oauth/success?serverName=protected');
      expect(await callTool(user, 'whoami_mcp_protected')).toBe('You are alice');
      await database.expire(user.id);
      expect((await user.post('/api/mcp/protected/reinitialize')).body).toMatchObject({ oauthRequired: false });
      expect(await callTool(user, 'whoami_mcp_protected')).toBe('You are alice');
      await database.forget(user.id);
    });
  });

  describe('step 2: the whole MCP layer', () => {
    beforeAll(() => start(2));
    afterAll(() => app.close());

    test('the open server: tools, a tool call, its status', async () => {
      expect(await user.state('everything')).toBe('disconnected');
      const { body } = await user.post('/api/mcp/everything/reinitialize');
      expect(body).toEqual({
        success: true,
        message: "MCP server 'everything' reinitialized successfully",
        oauthUrl: null,
        oauthRequired: false,
        serverName: 'everything',
      });
      const { servers: tools } = (await user.get('/api/mcp/tools')).body;
      expect(tools.everything.tools).toContain('echo_mcp_everything');
      const call = await user.post('/api/agents/tools/echo_mcp_everything', { json: { message: 'hello' } });
      expect(call.body.content).toBe('Echo: hello');
      expect(await user.state('everything')).toBe('connected');
      expect(await admin.state('everything')).toBe('disconnected');
    });

    test('an unknown server is not found', async () => {
      expect((await user.post('/api/mcp/nothing/reinitialize')).status).toBe(404);
      expect((await user.get('/api/mcp/connection/status/nothing')).status).toBe(404);
    });

    test('the protected server: URL, sign-in, callback, tools, a tool call', async () => {
      const flowId = `${user.id}:protected`;
      const begun = await user.post('/api/mcp/protected/reinitialize');
      expect(begun.body).toMatchObject({ success: true, oauthRequired: true });
      expect(begun.cookies.map((cookie) => cookie.split('=')[0]).sort()).toEqual(['oauth_csrf', 'oauth_session']);
      expect(await user.state('protected')).toBe('connecting');
      expect((await user.get(`/api/mcp/oauth/status/${flowId}`)).body).toMatchObject({ status: 'PENDING' });
      expect((await user.get(`/api/mcp/oauth/tokens/${flowId}`)).status).toBe(400);
      expect((await admin.get(`/api/mcp/oauth/status/${flowId}`)).status).toBe(403);
      expect((await admin.get(`/api/mcp/oauth/tokens/${flowId}`)).status).toBe(403);

      const cookie = begun.cookies.join('; ');
      const back = await authorize(user, begun.body.oauthUrl, { cookie });
      expect(back).toMatchObject({ status: 302, location: '/oauth/success?serverName=protected' });
      expect((await user.get(`/api/mcp/oauth/status/${flowId}`)).body).toMatchObject({ completed: true });
      const { tokens } = (await user.get(`/api/mcp/oauth/tokens/${flowId}`)).body;
      expect(tokens).toMatchObject({ access_token: expect.any(String), refresh_token: expect.any(String) });

      expect(await user.state('protected')).toBe('connected');
      expect((await user.get('/api/mcp/tools')).body.servers.protected.tools).toEqual(['whoami_mcp_protected']);
      const call = await user.post('/api/agents/tools/whoami_mcp_protected', { json: {} });
      expect(call.body.content).toBe('You are alice');
    });

    test('a flow begun from the link of the UI', async () => {
      const flowId = `${admin.id}:protected`;
      await admin.post('/api/mcp/protected/reinitialize');
      const query = (userId) => `/api/mcp/protected/oauth/initiate?userId=${userId}&flowId=${flowId}`;
      expect((await admin.get(query(user.id))).status).toBe(403);
      const { status, location, cookies } = await admin.get(query(admin.id));
      expect(status).toBe(302);
      const back = await authorize(admin, location, { cookie: cookies.join('; ') });
      expect(back.location).toBe('/oauth/success?serverName=protected');
      expect(await admin.state('protected')).toBe('connected');
    });

    test('uninstalling takes the tokens back, at the provider too, and the flows', async () => {
      const flowId = `${admin.id}:protected`;
      const { tokens } = (await admin.get(`/api/mcp/oauth/tokens/${flowId}`)).body;
      const isActive = async () => (await introspect(tokens.access_token)).active;
      expect(await isActive()).toBe(true);
      expect((await admin.post('/api/mcp/protected/uninstall')).body).toEqual({ success: true });
      expect(await database.credentialSet(admin.id)).toBeUndefined();
      expect(await isActive()).toBe(false);
      expect(await admin.state('protected')).toBe('disconnected');
      expect((await admin.get(`/api/mcp/oauth/status/${flowId}`)).status).toBe(404);
    });

    test('an expired token is refreshed by reinitializing and for a call', async () => {
      const sets = [await database.credentialSet(user.id)];
      await database.expire(user.id);
      expect((await user.post('/api/mcp/protected/reinitialize')).body).toMatchObject({ oauthRequired: false });
      sets.push(await database.credentialSet(user.id));
      await app.close();
      await database.dropAccess(user.id);
      await start(2);
      expect(await callTool(user, 'whoami_mcp_protected')).toBe('You are alice');
      sets.push(await database.credentialSet(user.id));
      expect(new Set(sets).size).toBe(3);
    });

    test('a callback that belongs to no flow, or brings an error', async () => {
      const callback = (query) => user.get(`/api/mcp/protected/oauth/callback?${query}`, { anonymous: true });
      expect((await callback('code=x&state=unknown')).location).toBe('/oauth/error?error=invalid_state');
      expect((await callback('code=x')).location).toBe('/oauth/error?error=missing_state');
      expect((await callback('error=access_denied')).location).toBe('/oauth/error?error=access_denied');
      expect((await user.get('/oauth/error?error=access_denied')).status).toBe(400);
    });

    test('after a restart, the connection comes back from stored tokens', async () => {
      await app.close();
      await start(2);
      // By what is stored, before there is a connection.
      expect(await user.state('protected')).toBe('connected');
      expect((await user.post('/api/auth/refresh')).status).toBe(200);
      const call = await user.post('/api/agents/tools/whoami_mcp_protected', { json: {} });
      expect(call.body.content).toBe('You are alice');
    });

    test('a server that administrators changed for a role is another one for it', async () => {
      await app.close();
      const changed = { ADMIN: { mcpServers: { shared: { headers: { 'x-of-role': 'admin' } } } } };
      await start(2, 'august', { ROLE_CONFIG: JSON.stringify(changed) });
      const echo = 'echo_mcp_shared';
      // Connected at the start, and published for all.
      await until('the shared tools', async () => (await toolsOf(user, 'shared')).includes(echo));
      expect(await user.state('shared')).toBe('connected');
      // Whoever has another configuration has tools of their own.
      expect(await toolsOf(admin, 'shared')).toEqual([]);
      expect((await admin.post('/api/mcp/shared/reinitialize')).body).toMatchObject({ success: true });
      expect(await toolsOf(admin, 'shared')).toContain(echo);
      expect(await callTool(admin, echo, { message: 'hello' })).toBe('Echo: hello');
      expect(await callTool(user, echo, { message: 'hello' })).toBe('Echo: hello');
    });

    describe('on behalf of users', () => {
      /** Signs in with the account of the organization. */
      const signedIn = async () => {
        const anonymous = { anonymous: true };
        const { location } = await user.get('/oauth/openid', anonymous);
        const parameters = await signIn(new URL(location).origin, location, servers.account);
        const { status, body } = await user.get(`/oauth/openid/callback?${parameters}`, anonymous);
        expect({ status, body }).toEqual({ status: 200, body: { token: expect.any(String) } });
        return createClient(app, body.token);
      };

      test('who signed in with the organization’s account calls tools as themselves', async () => {
        const member = await signedIn();
        const { body } = await member.post('/api/mcp/organization/reinitialize');
        expect(body).toMatchObject({ success: true, oauthRequired: false, oauthUrl: null });
        expect((await member.get('/api/mcp/tools')).body.servers.organization.tools).toEqual([
          'whoami_mcp_organization',
        ]);
        const call = await member.post('/api/agents/tools/whoami_mcp_organization', { json: {} });
        expect(call.body.content).toBe('You are alice');
        expect(await member.state('organization')).toBe('connected');
      });

      test('nobody else does', async () => {
        const { body } = await user.post('/api/mcp/organization/reinitialize');
        expect(body).toMatchObject({ success: false, oauthRequired: false });
        const call = await user.post('/api/agents/tools/whoami_mcp_organization', { json: {} });
        expect(call.status).toBe(500);
        expect(await user.state('organization')).toBe('disconnected');
      });
    });

    describe('guards', () => {
      const stored = (config) => ({ json: { config: { type: 'streamable-http', ...config } } });
      const obo = { scopes: 'api://example/.default' };

      test('users store servers of their own, and see no secrets', async () => {
        const url = servers.environment.EVERYTHING_URL;
        const apiKey = { source: 'admin', authorization_type: 'bearer', key: 'secret-of-a-server' };
        const { status, body } = await user.post('/api/mcp/servers', stored({ url, title: 'Mine', apiKey }));
        expect({ status, body }).toMatchObject({ status: 201, body: { serverName: 'mine', title: 'Mine' } });
        expect(JSON.stringify(body)).not.toContain('secret-of-a-server');
        expect((await user.get('/api/mcp/servers')).body.mine).toMatchObject({ url, source: 'user' });
        expect((await admin.get('/api/mcp/servers')).body.mine).toBeUndefined();
        expect((await user.post('/api/mcp/mine/reinitialize')).body.success).toBe(true);
      });

      test('400 for what is not a config, and for a server that cannot be reached', async () => {
        const invalid = await user.post('/api/mcp/servers', stored({ url: 'not a URL' }));
        expect(invalid).toMatchObject({ status: 400, body: { message: 'Invalid configuration' } });
        const { port } = new URL(servers.environment.EVERYTHING_URL);
        const url = `http://127.0.0.1:${port}/nothing-here`;
        const failed = await user.post('/api/mcp/servers', stored({ url, title: 'Nothing' }));
        expect(failed).toMatchObject({ status: 400, body: { error: 'MCP_INSPECTION_FAILED' } });
      });

      test('403 for an address that is not allowed', async () => {
        const refused = await user.post('/api/mcp/servers', stored({ url: 'http://127.0.0.1:1/mcp', title: 'Local' }));
        expect(refused).toMatchObject({ status: 403, body: { error: 'MCP_DOMAIN_NOT_ALLOWED' } });
      });

      test('403 for on-behalf-of without the permission, which administrators have', async () => {
        const url = servers.environment.EVERYTHING_URL;
        const refused = await user.post('/api/mcp/servers', stored({ url, title: 'Obo', obo }));
        expect(refused).toMatchObject({ status: 403, body: { lockedFields: expect.arrayContaining(['obo']) } });
        const added = await user.patch('/api/mcp/servers/mine', stored({ url, title: 'Mine', obo }));
        expect(added).toMatchObject({ status: 403, body: { lockedFields: expect.arrayContaining(['obo']) } });
        const renamed = await user.patch('/api/mcp/servers/mine', stored({ url, title: 'Still mine' }));
        expect(renamed).toMatchObject({ status: 200, body: { title: 'Still mine' } });
        const allowed = await admin.post('/api/mcp/servers', stored({ url, title: 'Obo', obo }));
        expect(allowed).toMatchObject({ status: 201, body: { obo } });
      });
    });
  });
});

test('npm run example says what to do, and takes everything with it', async () => {
  const ports = await examplePorts();
  const { app, everything, protected: guarded, onBehalf, authorization } = ports;
  const child = spawn(process.execPath, [RUN, '--step-1', '--june'], {
    env: {
      ...process.env,
      ...ADDON,
      PORT: String(app),
      MCP_PORTS: [everything, guarded, onBehalf, authorization].join(','),
    },
  });
  const ended = new Promise((resolve) => child.on('close', resolve));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  try {
    await until('the example', () => output.includes('ready') || child.exitCode !== null, 250_000);
    expect(output).toContain(`curl -sS -H "Authorization: Bearer $TOKEN" -X POST http://localhost:${app}`);
  } finally {
    child.kill();
    await ended;
  }
  const isFree = async (port) => !(await accepts(port));
  await until('the end of all', async () => (await Promise.all(Object.values(ports).map(isFree))).every(Boolean));
}, 300_000);
