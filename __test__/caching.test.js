/** Lists and resources that a server of MCP 2026-07-28 says are still valid (SEP-2549). */

const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { startModernServer } = require('./support/modern-server');
const { delay, until } = require('./support/wait');

const fixtures = useFixtures();
const FILE = 'file:///a.txt';
const HOUR = 3_600_000;

/** A server whose every cacheable result has this hint, and a runtime that knows it as `srv`. */
async function world({ hint, config, services, ...options }) {
  const methods = ['tools/list', 'prompts/list', 'resources/list', 'resources/templates/list', 'resources/read'];
  const cacheHints = hint && Object.fromEntries(methods.map((method) => [method, hint]));
  const server = fixtures.keep(
    await startModernServer({ resources: { [FILE]: 'first' }, prompts: ['ask'], cacheHints, ...options }),
  );
  const host = fixtures.runtime({
    servers: { srv: server.config({ startup: false, ...config }) },
    allow: [server],
    services,
  });
  const connect = (user, extra) => host.runtime.manager.getConnection({ user, serverName: 'srv', ...extra });
  return { ...host, server, connect };
}

const names = async (connection) => (await connection.fetchTools()).map((tool) => tool.name);
const asked = (server, method = 'tools/list') => server.received(method).length;
const read = (connection) => connection.client.request({ method: 'resources/read', params: { uri: FILE } });

/** Answers `tools/list` with these members beside the tools. */
const listing = (members) => (message, _request, response) => {
  if (message?.method !== 'tools/list') return false;
  const result = { tools: [{ name: 'echo', inputSchema: { type: 'object' } }], resultType: 'complete', ...members };
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result }));
  return true;
};

test('a valid result is not asked for again', async () => {
  const { server, connect } = await world({ hint: { ttlMs: HOUR } });
  const connection = await connect(createUser());
  for (let round = 0; round < 2; round += 1) {
    expect(await names(connection)).toEqual(['echo']);
    expect(await connection.client.listTools()).toMatchObject({ tools: [{ name: 'echo' }] });
    expect(await connection.fetchResources()).toMatchObject([{ uri: FILE }]);
    expect(await connection.fetchPrompts()).toMatchObject([{ name: 'ask' }]);
    expect(await read(connection)).toMatchObject({ contents: [{ uri: FILE, text: 'first' }], ttlMs: HOUR });
    server.resources[FILE] = 'second';
  }
  for (const method of ['tools/list', 'resources/list', 'prompts/list', 'resources/read']) {
    expect({ method, asked: asked(server, method) }).toEqual({ method, asked: 1 });
  }
});

test('other parameters are another request', async () => {
  const { server, connect } = await world({
    hint: { ttlMs: HOUR, cacheScope: 'public' },
    resources: { [FILE]: 'a', 'file:///b': 'b' },
  });
  const connection = await connect(createUser());
  await read(connection);
  const other = await connection.client.request({ method: 'resources/read', params: { uri: 'file:///b' } });
  expect(other.contents[0].text).toBe('b');
  expect(asked(server, 'resources/read')).toBe(2);
});

test.each([
  ['no hint', {}],
  ['a lifetime of zero', { ttlMs: 0, cacheScope: 'public' }],
  ['a negative lifetime', { ttlMs: -1, cacheScope: 'public' }],
  ['a lifetime that is no whole number', { ttlMs: 1.5, cacheScope: 'public' }],
  ['a lifetime that is no number', { ttlMs: '60000', cacheScope: 'public' }],
  ['a lifetime that no clock has', { ttlMs: 1e40, cacheScope: 'public' }],
])('%s means that it is asked for again', async (_, members) => {
  const { server, connect } = await world({ answer: listing(members) });
  const connection = await connect(createUser());
  for (let round = 0; round < 2; round += 1) expect(await names(connection)).toEqual(['echo']);
  expect(asked(server)).toBe(2);
});

test('what is no longer valid is asked for again', async () => {
  const { server, connect } = await world({ answer: listing({ ttlMs: 1, cacheScope: 'private' }) });
  const connection = await connect(createUser());
  await names(connection);
  await delay(20);
  await names(connection);
  expect(asked(server)).toBe(2);
});

test('a private list never serves another user, a public one does', async () => {
  for (const [cacheScope, times] of [
    ['private', 2],
    ['public', 1],
    ['PUBLIC', 2],
    [undefined, 2],
    [['public'], 2],
  ]) {
    const { server, connect } = await world({ answer: listing({ ttlMs: HOUR, cacheScope }) });
    for (const id of ['ann', 'bob']) expect(await names(await connect(createUser({ id })))).toEqual(['echo']);
    expect({ cacheScope, asked: asked(server) }).toEqual({ cacheScope, asked: times });
  }
});

test('a public list serves nobody with another config', async () => {
  const hint = { ttlMs: HOUR, cacheScope: 'public' };
  const { server, registry, connect } = await world({ hint });
  await names(await connect(createUser({ id: 'ann' })));
  registry.servers.srv = server.config({ startup: false, headers: { 'x-other': 'yes' } });
  await names(await connect(createUser({ id: 'bob' })));
  expect(asked(server)).toBe(2);
});

test('a private list does not outlive its connection', async () => {
  const { server, connect } = await world({ hint: { ttlMs: HOUR } });
  const connection = await connect(createUser());
  await names(connection);
  await connection.disconnect();
  await connection.connect();
  await names(connection);
  expect(asked(server)).toBe(2);
});

test('an announcement ends the lifetime, for all whom the list served', async () => {
  const { server, connect } = await world({
    hint: { ttlMs: HOUR, cacheScope: 'public' },
    capabilities: { tools: { listChanged: true } },
  });
  const [ann, bob] = [await connect(createUser({ id: 'ann' })), await connect(createUser({ id: 'bob' }))];
  await until('streams of changes', () => server.streams.size === 2);
  const changed = [ann, bob].map((connection) => new Promise((resolve) => connection.once('toolsChanged', resolve)));
  for (const connection of [ann, bob]) expect(await names(connection)).toEqual(['echo']);
  server.tools.push('later');
  server.notify.toolsChanged();
  await Promise.all(changed);
  for (const connection of [ann, bob]) expect(await names(connection)).toEqual(['echo', 'later']);
});

test('an update of a resource ends the lifetime of what was read of it', async () => {
  const { server, connect } = await world({
    hint: { ttlMs: HOUR },
    capabilities: { resources: { subscribe: true } },
  });
  const connection = await connect(createUser());
  await connection.subscribeResource(FILE);
  await read(connection);
  server.resources[FILE] = 'second';
  const updated = new Promise((resolve) => connection.once('resourceUpdated', resolve));
  server.notify.resourceUpdated(FILE);
  await updated;
  expect(await read(connection)).toMatchObject({ contents: [{ text: 'second' }] });
});

test('who asks for a list as it is now gets it: reinitMCPServer, refreshToolList, forceNew', async () => {
  const hint = { ttlMs: HOUR, cacheScope: 'public' };
  const { server, runtime, connect } = await world({ hint });
  const user = createUser();
  const connection = await connect(user);
  await names(connection);
  server.tools.push('second');
  await connection.refreshToolList();
  expect(await names(connection)).toEqual(['echo', 'second']);

  server.tools.push('third');
  const { tools } = await runtime.reinitMCPServer({ user, serverName: 'srv' });
  expect(tools.map((tool) => tool.name)).toContain('third');
  expect(await names(connection)).toEqual(['echo', 'second', 'third']);

  server.tools.push('fourth');
  expect(await names(await connect(user, { forceNew: true }))).toEqual(['echo', 'second', 'third', 'fourth']);
});

test('what the server has asked something before is asked for again', async () => {
  const elicitation = jest.fn(() => ({ action: 'decline' }));
  const question = {
    method: 'elicitation/create',
    params: { message: 'Sure?', requestedSchema: { type: 'object', properties: {} } },
  };
  const answer = (message, _request, response) => {
    if (message?.method !== 'resources/read') return false;
    const result = message.params.inputResponses
      ? { resultType: 'complete', ttlMs: HOUR, cacheScope: 'public', contents: [{ uri: FILE, text: 'secret' }] }
      : { resultType: 'input_required', ttlMs: HOUR, cacheScope: 'public', inputRequests: { sure: question } };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result }));
    return true;
  };
  const { server, connect } = await world({ answer, services: { elicitation } });
  const connection = await connect(createUser());
  for (let round = 0; round < 2; round += 1) {
    expect(await read(connection)).toMatchObject({ contents: [{ text: 'secret' }] });
  }
  expect(elicitation).toHaveBeenCalledTimes(2);
  expect(asked(server, 'resources/read')).toBe(4);
});

test('a list that serves another connection says what its calls send as headers', async () => {
  const properties = { region: { type: 'string', 'x-mcp-header': 'Region' } };
  const tools = [{ name: 'echo', inputSchema: { type: 'object', properties } }];
  const { server, connect } = await world({ answer: listing({ ttlMs: HOUR, cacheScope: 'public', tools }) });
  for (const id of ['ann', 'bob']) {
    const connection = await connect(createUser({ id }));
    await names(connection);
    const call = { name: 'echo', arguments: { region: id } };
    await connection.client.request({ method: 'tools/call', params: call });
  }
  expect(asked(server)).toBe(1);
  const headers = server.received('tools/call').map((request) => request.headers['mcp-param-region']);
  expect(headers).toEqual(['ann', 'bob']);
});

test('pages are one list', async () => {
  let version = 1;
  const answer = (message, ...rest) => {
    const page = message?.params?.cursor;
    const named = (name) => [{ name: `${name}${version}`, inputSchema: { type: 'object' } }];
    const first = { tools: named('first'), nextCursor: 'next', ttlMs: HOUR };
    return listing(page ? { tools: named('second'), ttlMs: version === 1 ? 1 : HOUR } : first)(message, ...rest);
  };
  const { server, connect } = await world({ answer });
  const connection = await connect(createUser());
  expect(await names(connection)).toEqual(['first1', 'second1']);
  await delay(20);
  version = 2;
  // One page is no longer valid: no list of two versions is made of them.
  for (let round = 0; round < 2; round += 1) expect(await names(connection)).toEqual(['first2', 'second2']);
  expect(asked(server)).toBe(4);
});
