/** Who gets what from the server of the page that `inspect` serves: other users and other pages get nothing. */

const { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } = require('node:fs');
const http = require('node:http');
const { tmpdir } = require('node:os');
const { dirname, join } = require('node:path');
const { fileURLToPath } = require('node:url');
const { everythingOverStdio } = require('./support/everything');
const { useFixtures } = require('./support/fixtures');
const { startInspect } = require('./support/inspect');
const { registerSecrets } = require('./support/secrets');
const { processGone, until } = require('./support/wait');

const fixtures = useFixtures();
const SECRET = 'the-key-of-the-server-1234';

const start = async (mcpServers = {}, options) =>
  fixtures.keep(await startInspect({ 'librechat.yaml': { mcpServers } }, options));

/** A request as it is, whatever `fetch` would make of it: `{ status, headers, body }`. */
function send(page, { method = 'GET', path = '/', headers, body }) {
  const { hostname, port } = new URL(page.origin);
  return new Promise((resolve, reject) => {
    const request = http.request({ hostname, port, method, path, headers, agent: false }, async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve({ status: response.statusCode, headers: response.headers, body: text });
      // Where the body is shorter than it says.
      request.destroy();
    });
    request.on('error', reject);
    request.end(body);
  });
}

const statusOf = async (page, request) => (await send(page, request)).status;

/** What the page itself sends. */
const ownHeaders = (page, key) => ({
  origin: page.origin,
  'content-type': 'application/json',
  authorization: `Bearer ${key}`,
});

test('the token of the address is good once, and a wrong one takes nothing from it', async () => {
  const page = await start();
  const session = (token) => page.send('/api/session', undefined, { token });
  for (const wrong of ['', 'x', null, {}, `${page.token}x`]) expect((await session(wrong)).status).toBe(401);
  const first = await session(page.token);
  expect(first.status).toBe(200);
  const { key } = await first.json();
  expect(key).not.toBe(page.token);
  expect(Buffer.from(key, 'base64url')).toHaveLength(32);
  const second = await session(page.token);
  expect([second.status, await second.text()]).toEqual([401, expect.not.stringContaining(key)]);
});

test('whoever has no key gets the files of the page, and nothing else', async () => {
  const page = await start();
  const { key } = await page.open();
  const actions = ['answer', 'connect', 'exchange', 'login', 'login-cancel', 'logout', 'refresh', 'request', 'roots'];
  for (const wrong of [undefined, '', 'x', page.token, `${key}x`]) {
    const headers = ownHeaders(page, wrong);
    expect(await statusOf(page, { path: '/api/events', headers })).toBe(401);
    for (const action of actions) {
      expect(await statusOf(page, { method: 'POST', path: `/api/${action}`, headers, body: '{}' })).toBe(401);
    }
  }
  const files = await send(page, { path: '/' });
  expect(files).toMatchObject({ status: 200, body: expect.stringContaining('<!doctype html>') });
});

test('a name that someone has pointed at this machine is no name of it', async () => {
  const page = await start();
  const { key } = await page.open();
  const { host, port } = new URL(page.origin);
  for (const name of ['attacker.example', `attacker.example:${port}`, '127.0.0.1', '127.0.0.1:1', `[::1]:${port}`]) {
    const headers = { ...ownHeaders(page, key), host: name, origin: `http://${name}` };
    expect(await statusOf(page, { headers })).toBe(403);
    expect(await statusOf(page, { path: '/api/events', headers })).toBe(403);
    expect(await statusOf(page, { method: 'POST', path: '/api/roots', headers, body: '{"roots":[]}' })).toBe(403);
  }
  expect(await statusOf(page, { headers: { host } })).toBe(200);
  expect(await statusOf(page, { headers: { host: `localhost:${port}` } })).toBe(200);
});

test('a page of another origin changes nothing, with the key or without', async () => {
  const page = await start();
  const { key } = await page.open();
  const own = ownHeaders(page, key);
  const { port } = new URL(page.origin);
  const change = { method: 'POST', path: '/api/roots', body: '{"roots":[]}' };
  for (const origin of [
    'http://attacker.example',
    'http://127.0.0.1:1',
    `https://127.0.0.1:${port}`,
    'null',
    undefined,
  ]) {
    const { origin: _, ...others } = own;
    const headers = origin === undefined ? others : { ...others, origin };
    expect(await statusOf(page, { ...change, headers })).toBe(403);
  }
  const asked = await send(page, {
    method: 'OPTIONS',
    path: '/api/roots',
    headers: { origin: 'http://attacker.example' },
  });
  expect(asked.status).toBe(403);
  expect(Object.keys(asked.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', undefined]) {
    const { 'content-type': _, ...others } = own;
    const headers = type === undefined ? others : { ...others, 'content-type': type };
    expect(await statusOf(page, { ...change, headers })).toBe(415);
  }
  expect(await statusOf(page, { ...change, headers: own })).toBe(200);
});

test('paths are names of a table', async () => {
  const page = await start();
  const paths = [
    '/../package.json',
    '/..%2fpackage.json',
    '/%2e%2e/package.json',
    '/./main.mjs',
    '//main.mjs',
    '/main.mjs/..',
    '/constructor',
    '/__proto__',
    '/node_modules/preact/package.json',
    '/main.mjs%00',
    '/main.mjs?x',
    `${page.origin}/main.mjs`,
  ];
  for (const path of paths) expect({ path, status: await statusOf(page, { path }) }).toEqual({ path, status: 404 });
  for (const path of ['/', '/main.mjs', '/preact.mjs', '/htm.mjs', '/style.css', '/icon.svg']) {
    expect({ path, status: await statusOf(page, { path }) }).toEqual({ path, status: 200 });
  }
});

test('what is too long, or no JSON, or unknown is refused, and the server goes on', async () => {
  const page = await start();
  const { key, post } = await page.open();
  const headers = ownHeaders(page, key);
  const change = { method: 'POST', path: '/api/roots', headers };
  const { headers: own, ...rest } = change;
  expect(await statusOf(page, { ...rest, headers: { ...own, 'content-length': 5 * 1024 * 1024 }, body: '{' })).toBe(
    413,
  );
  expect(await statusOf(page, { ...rest, headers: { ...own, 'transfer-encoding': 'chunked' }, body: '{}' })).toBe(413);
  for (const body of ['', '{', '[]', 'null', '"text"']) expect(await statusOf(page, { ...change, body })).toBe(400);
  expect(await statusOf(page, { ...change, body: '{"roots":1}' })).toBe(400);
  expect(await statusOf(page, { ...change, path: '/api/constructor', body: '{}' })).toBe(404);
  expect(await statusOf(page, { ...change, path: '/api/answer', body: '{"id":7,"answer":null}' })).toBe(409);
  expect(await post('connect', { server: 'other' })).toEqual({ message: 'librechat.yaml has no server "other"' });
  expect(await post('connect', { server: '__proto__' })).toMatchObject({
    message: expect.stringContaining('no server'),
  });
  expect(await post('roots', { roots: [] })).toEqual({});
});

test('every answer says that nothing is kept, framed, guessed, or taken from elsewhere', async () => {
  const page = await start();
  for (const path of ['/', '/main.mjs', '/api/events', '/other']) {
    const { headers } = await send(page, { path });
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
    });
    const policy = headers['content-security-policy'].split('; ');
    expect(policy).toEqual(
      expect.arrayContaining(["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]),
    );
    expect(headers['content-security-policy']).not.toMatch(/unsafe|\*|https?:/);
  }
});

test('a request of the page reaches the server, and only one that is in the list', async () => {
  const page = await start({ everything: everythingOverStdio() });
  const { post } = await page.open();
  const call = { name: 'echo', arguments: { message: 'hi' } };
  expect(await post('request', { server: 'everything', method: 'tools/call', params: call })).toMatchObject({
    result: { content: [{ type: 'text', text: 'Echo: hi' }] },
  });
  expect(await post('request', { server: 'everything', method: 'initialize' })).toEqual({
    message: 'there is no such request',
  });
});

test('a configuration that is wrong fails one server, with its line', async () => {
  const page = await start({
    wrong: { type: 'streamable-http', url: 'no address' },
    everything: everythingOverStdio(),
  });
  const { post, event } = await page.open();
  for (const server of ['wrong', 'everything']) await post('connect', { server });
  const { servers } = await event(({ type }) => type === 'servers');
  expect(servers).toMatchObject([
    {
      name: 'wrong',
      state: 'failed',
      error: { code: 'MCP_INVALID_CONFIG', message: expect.stringMatching(/:\d+: url/) },
    },
    { name: 'everything', state: 'connected' },
  ]);
});

test('a server of the command line needs no configuration', async () => {
  const server = await fixtures.server();
  const page = fixtures.keep(await startInspect({}, { args: ['--no-browser', server.url] }));
  const { post, event } = await page.open();
  const name = new URL(server.url).host;
  await post('connect', { server: name });
  const { servers } = await event(({ type }) => type === 'servers');
  expect(servers).toMatchObject([{ name, state: 'connected', transport: 'streamable-http', tools: 2 }]);
});

test('values of the configuration and of the user are not told', async () => {
  registerSecrets(SECRET);
  const server = await fixtures.server();
  const srv = server.config({ headers: { 'X-Key': '{{KEY}}', 'X-Other': SECRET }, customUserVars: variables('KEY') });
  const files = {
    'librechat.yaml': { mcpServers: { srv }, mcpSettings: { allowedAddresses: [server.address] } },
    'my.yaml': { srv: { KEY: SECRET } },
  };
  const page = fixtures.keep(
    await startInspect(
      { ...files, 'my.yaml': JSON.stringify(files['my.yaml']) },
      { args: ['--no-browser', '--user-vars', 'my.yaml'] },
    ),
  );
  const { post, event } = await page.open();
  await post('connect', { server: 'srv' });
  const { servers } = await event(({ type }) => type === 'servers');
  expect(servers).toMatchObject([
    {
      state: 'connected',
      tools: 2,
      rules: { placeholders: ['{{KEY}}'], userVariables: [{ name: 'KEY', isSet: true }] },
    },
  ]);
  expect(server.received('initialize').map(({ headers }) => headers['x-key'])).toContain(SECRET);
  expect(JSON.stringify(servers)).not.toContain(SECRET);
});

const variables = (name) => ({ [name]: { title: name, description: name } });

test('Ctrl+C ends it, and the servers that it has started', async () => {
  const stdio = fixtures.stdio();
  const page = await start({ srv: stdio.config() });
  const { post, event } = await page.open();
  await post('connect', { server: 'srv' });
  const pids = stdio.pids();
  expect(pids.length).toBeGreaterThan(0);
  const feed = event(() => false);
  feed.catch(() => {});
  expect(await page.stop()).toBe(0);
  await expect(feed).rejects.toThrow();
  await expect(send(page, { path: '/' })).rejects.toThrow('ECONNREFUSED');
  for (const pid of pids) await processGone(pid);
});

test('what the browser is started with has no token in it: a file has, for this user alone', async () => {
  const folder = fixtures.keep(createFolder());
  const started = join(folder.path, 'started');
  const browser = join(folder.path, 'browser');
  writeFileSync(browser, `#!/bin/sh\nprintf '%s\\n' "$@" > '${started}.new'\nmv '${started}.new' '${started}'\n`, {
    mode: 0o700,
  });
  const page = await start({}, { args: [], env: { BROWSER: browser, TMPDIR: folder.path } });
  await until('the browser', () => existsSync(started));
  const given = readFileSync(started, 'utf8').trim();
  expect(given).not.toContain(page.token);
  const file = fileURLToPath(given);
  expect(readFileSync(file, 'utf8')).toContain(`content="0;url=${page.address}"`);
  expect([statSync(file).mode & 0o777, statSync(dirname(file)).mode & 0o777]).toEqual([0o600, 0o700]);
  await page.stop();
  expect(existsSync(file)).toBe(false);
});

function createFolder() {
  const path = mkdtempSync(join(tmpdir(), 'mcp-inspect-test-'));
  return { path, close: () => rmSync(path, { recursive: true, force: true }) };
}

test('a port that is taken is told', async () => {
  const page = await start();
  const { port } = new URL(page.origin);
  await expect(start({}, { args: ['--no-browser', '--port', port] })).rejects.toThrow(
    /inspect ended: .*EADDRINUSE.*--port/s,
  );
});
