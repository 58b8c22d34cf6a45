/** Configs that users made, when they are connected: no process, no header of the transport, no foreign variables. */

const { existsSync, mkdtempSync, rmSync } = require('node:fs');
const { createServer } = require('node:http');
const { once } = require('node:events');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { createMCPRuntime } = require('./support/addon');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');

const fixtures = useFixtures();
const user = createUser();

describe('processes', () => {
  const PROGRAM = "require('node:fs').writeFileSync(process.argv[1], ''); process.stdin.resume()";

  function trap() {
    const directory = mkdtempSync(join(tmpdir(), 'mcp-trap-'));
    fixtures.keep({ close: () => rmSync(directory, { recursive: true, force: true }) });
    const file = join(directory, 'started');
    const command = { command: process.execPath, args: ['-e', PROGRAM, file], requiresOAuth: false };
    return { command, started: () => existsSync(file) };
  }

  const inheriting = (command, own) => Object.assign(Object.create(command), own);
  const getting = ({ command, ...rest }, own) =>
    Object.defineProperty({ ...rest, ...own }, 'command', { enumerable: true, get: () => command });

  /** Ways to hide a command in a config of a user. */
  const HIDDEN = {
    'beside a URL': (command, url) => ({ ...command, url, source: 'user' }),
    'of type http': (command, url) => ({ ...command, type: 'http', url, source: 'user', dbId: 'db1' }),
    'with a dbId alone': (command, url) => ({ ...command, url, dbId: 'db1' }),
    'with a dbId that says yaml': (command, url) => ({ ...command, url, dbId: 'db1', source: 'yaml' }),
    'of another source': (command, url) => ({ ...command, url, source: 'somebody' }),
    'without a URL': (command) => ({ ...command, source: 'user' }),
    'of type stdio': (command) => ({ ...command, type: 'stdio', source: 'user' }),
    'of type stdio without a command': (_, url) => ({ type: 'stdio', url, source: 'user', requiresOAuth: false }),
    'from a prototype': (command, url) => inheriting(command, { url, source: 'user', requiresOAuth: false }),
    'with an inherited source': (command, url) => inheriting({ source: 'user' }, { ...command, url }),
    'with an inherited dbId': (command) => inheriting({ dbId: 'db1', source: 'yaml' }, command),
    'from a getter': (command, url) => getting(command, { url, source: 'user', requiresOAuth: false }),
  };

  const WAYS = {
    reinitMCPServer: ({ runtime }) => runtime.reinitMCPServer({ user, serverName: 'srv' }).then(({ error }) => error),
    'reinitMCPServer with serverConfig': ({ runtime }, serverConfig) =>
      runtime.reinitMCPServer({ user, serverName: 'other', serverConfig }).then(({ error }) => error),
    'reinitMCPServer with configServers': ({ runtime }, config) =>
      runtime.reinitMCPServer({ user, serverName: 'one', configServers: { one: config } }).then(({ error }) => error),
    getConnection: ({ runtime }) => runtime.manager.getConnection({ user, serverName: 'srv' }).catch((error) => error),
    'getConnection with serverConfig': ({ runtime }, serverConfig) =>
      runtime.manager.getConnection({ user, serverName: 'other', serverConfig }).catch((error) => error),
    discoverServerTools: ({ runtime }) =>
      runtime.manager.discoverServerTools({ user, serverName: 'srv' }).catch((error) => error),
    callTool: ({ runtime }) =>
      runtime.manager
        .callTool({ user, serverName: 'srv', toolName: 'echo', provider: 'openai' })
        .catch((error) => error),
    inspectServer: ({ runtime }, config) => runtime.inspectServer('srv', config).catch(({ cause }) => cause),
  };

  test.each(Object.entries(HIDDEN))('a command %s starts no process', async (_, hide) => {
    const server = await fixtures.server();
    const { command, started } = trap();
    const config = hide(command, server.url);
    const host = fixtures.runtime({ servers: { srv: config }, allow: [server] });
    for (const [name, way] of Object.entries(WAYS)) {
      const error = await way(host, config);
      expect([name, error?.code]).toEqual([name, 'MCP_INVALID_CONFIG']);
      expect(error.message).toContain('stdio');
    }
    expect([started(), server.requests]).toEqual([false, []]);
  });

  test('what a reinspection gives is judged as well, and so are configs of a runtime of its own', async () => {
    const { command, started } = trap();
    const broken = { url: 'http://127.0.0.1:1/', source: 'user', inspectionFailed: true };
    const reinspect = () => ({ config: { ...command, source: 'user' } });
    const { runtime } = fixtures.runtime({ servers: { srv: broken }, reinspect });
    const embedded = fixtures.keep(createMCPRuntime({ config: { mcpServers: { srv: { ...command, dbId: 'x' } } } }));
    for (const each of [runtime, embedded]) {
      const { success, error } = await each.reinitMCPServer({ user, serverName: 'srv' });
      expect([success, error.code]).toEqual([false, 'MCP_INVALID_CONFIG']);
    }
    expect(started()).toBe(false);
  });

  test('a prototype adds no command to the config of an operator', async () => {
    const server = await fixtures.server();
    const { command, started } = trap();
    const config = Object.assign(Object.create(command), server.config());
    const { runtime } = fixtures.runtime({ servers: { srv: config }, allow: [server] });
    expect((await runtime.reinitMCPServer({ user, serverName: 'srv' })).success).toBe(true);
    expect(started()).toBe(false);
  });
});

describe('headers', () => {
  const NAMES = ['Host', 'CONTENT-LENGTH', 'transfer-encoding', 'Connection', 'Mcp-Session-Id', 'Upgrade', 'TE'];
  NAMES.push('Proxy-Authorization', 'Expect', 'Last-Event-ID', 'Sec-WebSocket-Key', 'Keep-Alive', 'Trailer');

  test.each(['streamable-http', 'sse', 'websocket'])(
    'of the transport cannot be set by a user over %s',
    async (type) => {
      const server = await fixtures.server();
      const url = type === 'websocket' ? server.url.replace('http:', 'ws:') : server.url;
      for (const name of NAMES) {
        const own = { type, url, headers: { [name]: 'x' }, source: 'user', dbId: 'db1', requiresOAuth: false };
        const { runtime } = fixtures.runtime({ servers: { srv: own }, allow: [server] });
        const { success, error } = await runtime.reinitMCPServer({ user, serverName: 'srv' });
        expect([name, success, error.code]).toEqual([name, false, 'MCP_INVALID_CONFIG']);
        expect(error.message).toContain(name.toLowerCase());
      }
      expect(server.requests).toEqual([]);
    },
  );

  test('a content type that a user configured is not sent; the others are', async () => {
    const server = await fixtures.server();
    const headers = { 'Content-Type': 'text/plain', Accept: 'text/html', 'X-A': 'b' };
    const own = { ...server.config({ headers }), source: 'user', dbId: 'db1' };
    const { runtime } = fixtures.runtime({ servers: { srv: own }, allow: [server] });
    expect((await runtime.reinitMCPServer({ user, serverName: 'srv' })).success).toBe(true);
    for (const request of server.requests) {
      expect(request.headers).toMatchObject({ 'x-a': 'b' });
      expect(Object.values(request.headers)).not.toContain('text/plain');
    }
  });

  test('the Host of an operator is sent, but not with a variable of a user in it', async () => {
    const server = await fixtures.server();
    const fixed = server.config({ headers: { Host: 'virtual.example' } });
    const chosen = server.config({
      headers: { Host: '{{H}}' },
      customUserVars: { H: { title: 'H', description: '' } },
    });
    const { runtime } = fixtures.runtime({ servers: { fixed, chosen }, allow: [server] });
    expect((await runtime.reinitMCPServer({ user, serverName: 'fixed' })).success).toBe(true);
    expect(server.requests[0].headers.host).toBe('virtual.example');
    const userMCPAuthMap = { mcp_chosen: { H: 'internal.example' } };
    const { error } = await runtime.reinitMCPServer({ user, serverName: 'chosen', userMCPAuthMap });
    expect(error).toMatchObject({ code: 'MCP_INVALID_CONFIG', message: expect.not.stringContaining('internal') });
  });
});

describe('variables', () => {
  test('of users fill in what is declared, once, and nothing of LibreChat', async () => {
    const server = await fixtures.server();
    const headers = { 'X-User': '{{LIBRECHAT_USER_ID}}', 'X-Own': '{{OWN}}', 'X-Other': '{{OTHER}}' };
    const customUserVars = {
      OWN: { title: 'O', description: '' },
      LIBRECHAT_USER_ID: { title: 'I', description: '' },
    };
    const config = server.config({ headers, customUserVars });
    const { runtime } = fixtures.runtime({ servers: { srv: config }, allow: [server] });
    const values = { OWN: '{{LIBRECHAT_USER_EMAIL}}${HOME}', OTHER: 'x', LIBRECHAT_USER_ID: 'victim' };
    const params = { user, serverName: 'srv', userMCPAuthMap: { mcp_srv: values } };
    expect((await runtime.reinitMCPServer(params)).success).toBe(true);
    await runtime.manager.callTool({
      ...{ user, serverName: 'srv', toolName: 'echo', toolArguments: { text: 'a' }, provider: 'openai' },
      customUserVars: values,
    });
    expect(server.received('tools/call')).toHaveLength(1);
    for (const request of server.requests) {
      expect(request.headers).toMatchObject({ 'x-user': user.id, 'x-own': values.OWN, 'x-other': '{{OTHER}}' });
    }
  });

  test('of somebody else, from a prototype, are none', async () => {
    const server = await fixtures.server();
    const customUserVars = { OWN: { title: 'O', description: '' } };
    const config = server.config({ headers: { 'X-Own': '{{OWN}}' }, customUserVars });
    const { runtime } = fixtures.runtime({ servers: { srv: config }, allow: [server] });
    const inherited = Object.create({ mcp_srv: { OWN: 'x' } });
    for (const userMCPAuthMap of [inherited, { mcp_srv: Object.create({ OWN: 'x' }) }]) {
      const result = await runtime.reinitMCPServer({ user, serverName: 'srv', userMCPAuthMap });
      expect(result).toMatchObject({ success: false, missingUserVars: ['OWN'] });
    }
  });
});

test('an allowlist is asked before a server is, whatever is configured about its authorization', async () => {
  const asked = [];
  const listener = createServer((request, response) => {
    asked.push(request.url);
    response.writeHead(401).end();
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  fixtures.keep({ close: () => new Promise((resolve) => listener.close(resolve)) });
  const address = `127.0.0.1:${listener.address().port}`;
  const mcpSettings = { allowedDomains: ['tools.example.com'], allowedAddresses: [address] };
  const variants = [{}, { requiresOAuth: true }, { oauth: { scope: 'a' } }, { requiresOAuth: false }, { type: 'sse' }];
  for (const variant of variants) {
    const srv = { type: 'streamable-http', url: `http://${address}/mcp`, ...variant };
    const runtime = fixtures.keep(createMCPRuntime({ config: { mcpServers: { srv }, mcpSettings } }));
    const { success, error } = await runtime.reinitMCPServer({ user, serverName: 'srv' });
    expect([variant, success, error.code]).toEqual([variant, false, 'MCP_DOMAIN_NOT_ALLOWED']);
    const inspecting = runtime.inspectServer('srv', srv);
    await expect(inspecting).rejects.toMatchObject({ code: 'MCP_DOMAIN_NOT_ALLOWED' });
    await expect(runtime.manager.getConnection({ user, serverName: 'srv' })).rejects.toThrow('not allowed');
    await runtime.manager.getAppToolFunctions();
  }
  expect(asked).toEqual([]);
});
