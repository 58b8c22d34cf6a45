/** MCP Apps: reading them, and what they may do with their server. */

const { startAppsServer } = require('./support/apps-server');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { startModernServer } = require('./support/modern-server');
const { delay, until } = require('./support/wait');

const BOARD = 'ui://board/view';
const HTML = '<!doctype html><title>Böard</title>';
const MIME_TYPE = 'text/html;profile=mcp-app';
const KEY = 'ab'.repeat(32);
const TENANT_MS = 100;
const LONG_MS = 60_000;
const BINDING_INVALID = expect.objectContaining({
  code: 'MCP_APP_BINDING_INVALID',
  message: 'The app is not bound to this user and server any more; read it again',
  retryable: false,
});

const fixtures = useFixtures();
const [user, other] = [createUser(), createUser()];
const failing = (code) => expect.objectContaining({ code, message: expect.any(String) });

/** Two names for one server with an app, and clients of users; `services` are the host's. */
async function board(services) {
  const server = fixtures.keep(await startAppsServer());
  const servers = {
    board: server.config({ startup: false }),
    twin: server.config({ startup: false, headers: { 'X-Twin': '1' } }),
    shared: server.config(),
  };
  const start = (more) => fixtures.runtime({ servers, allow: [server], services: { ...services, ...more } });
  const host = start();
  const client = (name = 'board', params = { user }) => host.runtime.client(name, params);
  return { ...host, server, servers, start, client, mine: client() };
}

describe('readApp', () => {
  test('reads what a tool names, with what it asks for, as text or base64', async () => {
    const { mine } = await board();
    const { tools } = await mine.listTools();
    const tool = (name) => tools.find((it) => it.name === name);
    const app = await mine.readApp(tool('show'));
    expect(app).toEqual({
      uri: BOARD,
      mimeType: MIME_TYPE,
      text: HTML,
      _meta: { ui: { csp: { connectDomains: ['https://api.example.org'] }, permissions: { camera: {} } } },
      binding: expect.any(String),
    });
    expect((await mine.readApp(tool('flat'))).text).toBe(HTML);
    expect((await mine.readApp(BOARD)).text).toBe(HTML);
    expect((await mine.readApp('ui://board/full')).text).toMatch(/^x+$/);
  });

  test('refuses what is no app', async () => {
    const { mine, server } = await board();
    const { tools } = await mine.listTools();
    const outside = tools.find((tool) => tool.name === 'outside');
    await expect(mine.readApp(outside)).rejects.toEqual(failing('MCP_APP_INVALID'));
    await expect(mine.readApp(tools.find((tool) => tool.name === 'plain'))).rejects.toEqual(failing('MCP_APP_INVALID'));
    for (const name of ['page', 'other', 'empty', 'broken-blob', 'invalid-utf8']) {
      await expect(mine.readApp(`ui://board/${name}`)).rejects.toEqual(failing('MCP_APP_INVALID'));
    }
    for (const uri of ['http://127.0.0.1/', 'board://scores', 7, undefined, null]) {
      await expect(mine.readApp(uri)).rejects.toEqual(failing('MCP_INVALID_ARGUMENT'));
    }
    expect(await server.called()).toEqual([]);
  });

  test('of more than 4 MiB: an error', async () => {
    const { mine } = await board();
    const { tools } = await mine.listTools();
    const large = tools.find((tool) => tool.name === 'large');
    await expect(mine.readApp(large)).rejects.toEqual(failing('MCP_RESPONSE_TOO_LARGE'));
    // More than any answer may have.
    await expect(mine.readApp('ui://board/large-blob')).rejects.toEqual(failing('MCP_RESPONSE_TOO_LARGE'));
  });

  test('that does not come: an error when its time is over, or when the caller aborts', async () => {
    const { mine, server } = await board();
    const slow = mine.readApp('ui://board/slow', { timeout: 300 });
    await expect(slow).rejects.toEqual(failing('MCP_TIMEOUT'));
    const controller = new AbortController();
    const aborted = mine.readApp('ui://board/slow', { signal: controller.signal });
    const outcome = expect(aborted).rejects.toEqual(failing('MCP_ABORTED'));
    await until('the request', async () => (await server.called()).length > 0);
    controller.abort();
    await outcome;
  });

  test('16 at a time in one runtime', async () => {
    const { mine, server, client } = await board();
    const controller = new AbortController();
    const { signal } = controller;
    const reads = Array.from({ length: 16 }, () => mine.readApp('ui://board/slow', { signal }).catch((error) => error));
    await until('the requests', async () => (await server.called()).length === 16);
    await expect(client('board', { user: other }).readApp(BOARD)).rejects.toMatchObject({
      code: 'MCP_RATE_LIMITED',
      retryable: true,
    });
    controller.abort();
    expect((await Promise.all(reads)).map(({ code }) => code)).toEqual(Array(16).fill('MCP_ABORTED'));
    expect((await mine.readApp(BOARD)).text).toBe(HTML);
  });
});

describe('callAppTool', () => {
  test('gives the server’s own result', async () => {
    const { mine, server } = await board();
    const { binding } = await mine.readApp(BOARD);
    expect(await mine.callAppTool({ binding, name: 'move', arguments: {} })).toEqual({
      content: [{ type: 'text', text: 'move' }],
      structuredContent: { turn: 1 },
      _meta: { session: expect.any(String) },
    });
    await mine.callAppTool({ binding, name: 'show' });
    expect(await server.called()).toEqual(['move', 'show']);
  });

  test('takes no longer altogether than `maxTotalTimeout`: what comes first is taken off', async () => {
    const { mine } = await board({ getTenantId: () => delay(TENANT_MS) });
    const { binding } = await mine.readApp(BOARD);
    const called = jest.spyOn(mine, 'callTool');
    await mine.callAppTool({ binding, name: 'move' }, { maxTotalTimeout: LONG_MS });
    const [[, { maxTotalTimeout }]] = called.mock.calls;
    expect(maxTotalTimeout).toBeGreaterThan(0);
    // A timer may be early by the fraction of a millisecond.
    expect(maxTotalTimeout).toBeLessThanOrEqual(LONG_MS - TENANT_MS + 5);
  });

  test('refuses tools that are not for apps, or not there', async () => {
    const { mine, server } = await board();
    const { binding } = await mine.readApp(BOARD);
    for (const name of ['explain', 'nobody', 'no such tool']) {
      await expect(mine.callAppTool({ binding, name })).rejects.toEqual(failing('MCP_TOOL_HIDDEN'));
    }
    await expect(mine.callAppTool({ binding, name: '' })).rejects.toEqual(failing('MCP_INVALID_ARGUMENT'));
    expect(await server.called()).toEqual([]);
  });

  test('goes by the list as it is now', async () => {
    const { mine, server } = await board();
    const { binding } = await mine.readApp(BOARD);
    await mine.callAppTool({ binding, name: 'show' });
    await server.setVisibility('show', ['model']);
    await server.setVisibility('explain', ['app']);
    await expect(mine.callAppTool({ binding, name: 'show' })).rejects.toEqual(failing('MCP_TOOL_HIDDEN'));
    await mine.callAppTool({ binding, name: 'explain' });
    expect(await server.called()).toEqual(['show', 'explain']);
  });
});

describe('readAppResource', () => {
  test('reads resources of the server, within the same bounds', async () => {
    const { mine } = await board();
    const { binding } = await mine.readApp(BOARD);
    expect(await mine.readAppResource({ binding, uri: 'board://scores' })).toEqual({
      contents: [{ uri: 'board://scores', mimeType: 'application/json', text: '{"white":1}' }],
    });
    const read = (uri, options) => mine.readAppResource({ binding, uri }, options);
    await expect(read('board://large')).rejects.toEqual(failing('MCP_RESPONSE_TOO_LARGE'));
    await expect(read('ui://board/slow', { timeout: 300 })).rejects.toEqual(failing('MCP_TIMEOUT'));
    await expect(read('')).rejects.toEqual(failing('MCP_INVALID_ARGUMENT'));
  });
});

describe('a binding', () => {
  /** With a binding that is not good for `client`, an app gets nothing. */
  async function isRefused(client, binding) {
    await expect(client.callAppTool({ binding, name: 'move' })).rejects.toEqual(BINDING_INVALID);
    await expect(client.readAppResource({ binding, uri: 'board://scores' })).rejects.toEqual(BINDING_INVALID);
  }

  test('is no good for another user, server or tenant', async () => {
    let tenant = 'a';
    const { mine, client, server } = await board({ getTenantId: () => tenant });
    const { binding } = await mine.readApp(BOARD);
    await isRefused(client('board', { user: other }), binding);
    await isRefused(client('twin'), binding);
    await isRefused(client('shared'), binding);
    tenant = 'b';
    await isRefused(mine, binding);
    tenant = 'a';
    await client().callAppTool({ binding, name: 'move' });
    expect(await server.called()).toEqual(['move']);
  });

  test('goes by what an asynchronous `getTenantId` says, and is not made where that is no text', async () => {
    let tenant = 'a';
    const { mine, server } = await board({ getTenantId: async () => tenant });
    const { binding } = await mine.readApp(BOARD);
    tenant = 'b';
    await isRefused(mine, binding);
    tenant = 'a';
    await mine.callAppTool({ binding, name: 'move' });
    for (const wrong of [7, {}, ['a']]) {
      tenant = wrong;
      await expect(mine.callAppTool({ binding, name: 'move' })).rejects.toEqual(failing('MCP_HOST_ERROR'));
      await expect(mine.readApp(BOARD)).rejects.toEqual(failing('MCP_HOST_ERROR'));
    }
    expect(await server.called()).toEqual(['move']);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('no tenant');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no tenant'))],
  ])(
    'is not made where `getTenantId` %s: a failure of the host, as from its other functions',
    async (_, getTenantId) => {
      const { mine } = await board({ getTenantId });
      const error = await mine.readApp(BOARD).catch((thrown) => thrown);
      expect(error).toMatchObject({
        code: 'MCP_HOST_ERROR',
        message: 'The host callback getTenantId failed: no tenant',
        cause: expect.objectContaining({ message: 'no tenant' }),
      });
    },
  );

  test('is of the text of an id, whatever the id is', async () => {
    const { client, server } = await board();
    const of = (id) => client('board', { user: { id } });
    const named = (id) => ({ toString: () => id });
    const { binding } = await of(named('alice')).readApp(BOARD);
    await isRefused(of(named('bob')), binding);
    await of('alice').callAppTool({ binding, name: 'move' });
    const ofOne = await of(1).readApp(BOARD);
    await of('1').callAppTool({ binding: ofOne.binding, name: 'move' });
    await isRefused(of('2'), ofOne.binding);
    expect(await server.called()).toEqual(['move', 'move']);
  });

  test('is no good for another user of a server that users share', async () => {
    const { client, server } = await board();
    const { binding } = await client('shared').readApp(BOARD);
    await isRefused(client('shared', { user: other }), binding);
    await client('shared').callAppTool({ binding, name: 'move' });
    expect(await server.called()).toEqual(['move']);
  });

  test('is no good once the config is another', async () => {
    const { mine, client, servers, server } = await board();
    const { binding } = await mine.readApp(BOARD);
    const before = servers.board;
    servers.board = { ...before, headers: { 'X-Other': '1' } };
    await isRefused(client(), binding);
    servers.board = before;
    await client().callAppTool({ binding, name: 'move' });
    expect(await server.called()).toEqual(['move']);
  });

  test('is no good altered, made up, or with another’s parts', async () => {
    const { mine, client, server } = await board();
    const { binding } = await mine.readApp(BOARD);
    const theirs = await client('board', { user: other }).readApp(BOARD);
    const [body, mac] = binding.split('.');
    const [theirBody, theirMac] = theirs.binding.split('.');
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString());
    const later = Buffer.from(JSON.stringify([claims[0] + 1, ...claims.slice(1)])).toString('base64url');
    const attempts = [`${later}.${mac}`, `${body}.${theirMac}`, `${theirBody}.${mac}`, `${body}.`, body, `.${mac}`];
    attempts.push(`${binding}.`, `${binding}=`, `${binding.slice(0, -1)}`, '', '.', undefined, null, 7, {}, [binding]);
    for (const attempt of attempts) await isRefused(mine, attempt);
    expect(await server.called()).toEqual([]);
    // Nor does it say whose it is.
    expect(Buffer.from(body, 'base64url').toString()).not.toContain(user.id);
  });

  test('ends after 24 hours', async () => {
    const { mine, server } = await board();
    const { binding } = await mine.readApp(BOARD);
    const now = Date.now();
    const clock = jest.spyOn(Date, 'now');
    try {
      clock.mockReturnValue(now + 23 * 60 * 60 * 1000);
      await mine.callAppTool({ binding, name: 'move' });
      clock.mockReturnValue(now + 24 * 60 * 60 * 1000 + 1);
      await isRefused(mine, binding);
    } finally {
      clock.mockRestore();
    }
    expect(await server.called()).toEqual(['move']);
  });

  test('holds in all processes with the same key, and without one in its runtime alone', async () => {
    const { mine, start } = await board({ credentialsKey: KEY });
    const { binding } = await mine.readApp(BOARD);
    const of = (host) => host.runtime.client('board', { user });
    await of(start()).callAppTool({ binding, name: 'move' });
    await isRefused(of(start({ credentialsKey: 'cd'.repeat(32) })), binding);
    const [first, second] = [of(start({ credentialsKey: undefined })), of(start({ credentialsKey: undefined }))];
    const own = await first.readApp(BOARD);
    await first.callAppTool({ binding: own.binding, name: 'move' });
    await isRefused(second, own.binding);
    await isRefused(first, binding);
    const [blank, other] = [of(start({ credentialsKey: ' ' })), of(start({ credentialsKey: ' ' }))];
    await isRefused(other, (await blank.readApp(BOARD)).binding);
  });
});

test('a server of 2026-07-28', async () => {
  const tool = (name, ui) => ({ name, inputSchema: { type: 'object' }, _meta: { ui } });
  const tools = [tool('show', { resourceUri: BOARD }), tool('move', { visibility: ['app'] })];
  const contents = [{ uri: BOARD, mimeType: MIME_TYPE, text: HTML }];
  const options = {
    tools: [],
    capabilities: { tools: {}, resources: {} },
    handlers: {
      'tools/list': () => ({ tools }),
      'tools/call': ({ params }) => ({ content: [{ type: 'text', text: params.name }] }),
      'resources/read': () => ({ contents }),
    },
  };
  const server = fixtures.keep(await startModernServer(options));
  const extensions = { 'io.modelcontextprotocol/ui': { mimeTypes: [MIME_TYPE] } };
  const { runtime } = fixtures.runtime({
    servers: { board: server.config({ startup: false }) },
    allow: [server],
    services: { extensions },
  });
  const client = runtime.client('board', { user });
  const { binding, text } = await client.readApp((await client.listTools()).tools[0]);
  expect(text).toBe(HTML);
  const { content } = await client.callAppTool({ binding, name: 'move' });
  expect(content).toEqual([{ type: 'text', text: 'move' }]);
  const call = runtime.manager.callTool({ user, serverName: 'board', toolName: 'move', toolArguments: {} });
  await expect(call).rejects.toEqual(failing('MCP_TOOL_HIDDEN'));
  expect(server.received('tools/call')).toHaveLength(1);
  const { _meta } = server.received('tools/call')[0].message.params;
  expect(_meta['io.modelcontextprotocol/clientCapabilities'].extensions).toMatchObject(extensions);
});

test('what a server has taken from its apps is not called, however long its list is valid', async () => {
  let visibility = ['app'];
  const hints = { ttlMs: 3_600_000, cacheScope: 'public' };
  const tools = () => [{ name: 'move', inputSchema: { type: 'object' }, _meta: { ui: { visibility } } }];
  const handlers = {
    'tools/list': () => ({ tools: tools(), ...hints }),
    'tools/call': () => ({ content: [] }),
    'resources/read': () => ({ contents: [{ uri: BOARD, mimeType: MIME_TYPE, text: HTML }], ttlMs: 0 }),
  };
  const capabilities = { tools: {}, resources: {} };
  const server = fixtures.keep(await startModernServer({ tools: [], capabilities, handlers }));
  for (const keepConnections of [true, false]) {
    const { runtime } = fixtures.runtime({
      servers: { board: server.config({ startup: false }) },
      allow: [server],
      services: { keepConnections },
    });
    const client = runtime.client('board', { user });
    const { binding } = await client.readApp(BOARD);
    visibility = ['app'];
    await client.callAppTool({ binding, name: 'move' });
    visibility = ['model'];
    await expect(client.callAppTool({ binding, name: 'move' })).rejects.toEqual(failing('MCP_TOOL_HIDDEN'));
    expect((await client.listTools()).tools).toEqual(tools());
  }
  expect(server.received('tools/call')).toHaveLength(2);
  expect(server.received('tools/list')).toHaveLength(4);
});

test('two users at once have sessions of their own', async () => {
  const { mine, client } = await board();
  const clients = [mine, client('board', { user: other })];
  const sessions = clients.map(async (it) => {
    const { binding } = await it.readApp(BOARD);
    return (await it.callAppTool({ binding, name: 'move' }))._meta.session;
  });
  const [own, another] = await Promise.all(sessions);
  expect(own).not.toBe(another);
});
