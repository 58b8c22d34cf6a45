/** OAuth without LibreChat: tokens on disk, and the browser's return to a listener on loopback. */

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { startAuthorizationServer } = require('./support/authorization-server');
const { createCli } = require('./support/cli');
const { useFixtures } = require('./support/fixtures');
const { accepts } = require('./support/ports');
const { startProcess } = require('./support/processes');
const { startProtectedServer } = require('./support/protected-server');
const { startScript } = require('./support/script');
const { until } = require('./support/wait');

const fixtures = useFixtures();
const KEYS = ['a'.repeat(64), 'b'.repeat(64)];

/** A client that was registered beforehand; it comes back to a port that nobody knows yet. */
const CLIENT = {
  client_id: 'registered',
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  redirect_uris: ['http://127.0.0.1/api/mcp/srv/oauth/callback'],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  scope: 'offline_access mcp',
};

let authorizationServer;
beforeAll(async () => {
  authorizationServer = await startAuthorizationServer({ accessTokenSeconds: 3600, clients: [CLIENT] });
});
afterAll(() => authorizationServer?.close());

/** A protected server, a home, and processes that use both. Nothing says that users log in, but for an `oauth`. */
async function setup(oauth, options) {
  const server = fixtures.keep(await startProtectedServer(authorizationServer, options));
  const home = mkdtempSync(join(tmpdir(), 'mcp-embedded-home-'));
  fixtures.keep({ close: () => rmSync(home, { recursive: true, force: true }) });
  const data = join(home, '.local', 'share', 'librechat-mcp-native');
  const { config: makeConfig, address } = server;
  const { requiresOAuth, ...srv } = makeConfig({ oauth });
  const config = {
    mcpServers: { srv },
    mcpSettings: { allowedAddresses: [address, authorizationServer.address] },
  };

  /** Starts a process that reinitializes the server; what it prints are lines of JSON. */
  function start(parameters = {}) {
    const script = startScript('embedded-oauth.js', { config, home, ...parameters });
    const lines = () => script.output().split('\n').filter(Boolean).map(JSON.parse);
    return {
      url: async () => {
        await until('the URL', () => lines().some(({ url }) => url));
        return lines().find(({ url }) => url).url;
      },
      leave: () => script.child.stdin.end(),
      result: async () => {
        const { code, output } = await script.ended;
        if (code !== 0) throw new Error(output);
        return lines().at(-1).result;
      },
    };
  }
  return { server, home, data, config, start };
}

/** What the browser does: signs in, and goes where the authorization server sends it. */
async function browse(url) {
  const parameters = await authorizationServer.signIn(url);
  return fetch(returnTo(url, parameters));
}

function returnTo(url, parameters) {
  const redirect = new URL(new URL(url).searchParams.get('redirect_uri'));
  redirect.search = parameters.toString();
  return redirect;
}

const portOf = (url) => new URL(new URL(url).searchParams.get('redirect_uri')).port;

test('the user logs in; a restart keeps the tokens; nothing on disk is readable', async () => {
  const { server, data, start } = await setup();
  const first = start();
  const url = await first.url();
  const { hostname, protocol, pathname } = new URL(new URL(url).searchParams.get('redirect_uri'));
  expect([protocol, hostname, pathname]).toEqual(['http:', '127.0.0.1', '/api/mcp/srv/oauth/callback']);
  expect(new URL(url).searchParams.get('code_challenge_method')).toBe('S256');
  const page = await browse(url);
  expect(page.status).toBe(200);
  expect(page.headers.get('cache-control')).toBe('no-store');
  expect(await page.text()).toContain('You are logged in');
  expect(await first.result()).toMatchObject({ success: true, oauthRequired: false });
  expect(await accepts(portOf(url))).toBe(false);

  const token = lastToken(server);
  expect(await start().result()).toMatchObject({ success: true, asked: false });

  expect(readdirSync(data).sort()).toEqual(['credentials.key', 'tokens.redb']);
  for (const file of readdirSync(data)) expect(statSync(join(data, file)).mode & 0o777).toBe(0o600);
  expect(statSync(data).mode & 0o777).toBe(0o700);
  const bytes = readFileSync(join(data, 'tokens.redb')).toString('latin1');
  for (const text of [
    token,
    'srv',
    'embedded-user',
    'access_token',
    'client_id',
    'mcp_oauth',
    authorizationServer.issuer,
  ])
    expect(bytes).not.toContain(text);
});

test.each([
  ['nothing', {}],
  ['a scope', { scope: 'mcp' }],
  ['a client', { client_id: 'registered', scope: 'mcp' }],
  ['dpop', { dpop: true }],
])('an oauth with %s has users log in, who are known later', async (_, oauth) => {
  const { start } = await setup(oauth, { dpop: oauth.dpop });
  const first = start();
  expect((await browse(await first.url())).status).toBe(200);
  expect(await first.result()).toMatchObject({ success: true, oauthRequired: false });
  expect(await start().result()).toMatchObject({ success: true, asked: false });
});

test('an oauth with a client and the endpoints has users log in, and the server is not asked where', async () => {
  const { issuer } = authorizationServer;
  const endpoints = { authorization_url: `${issuer}/auth`, token_url: `${issuer}/token` };
  const { server, start } = await setup({ client_id: 'registered', scope: 'mcp', ...endpoints });
  const first = start({ returnOnOAuth: true });
  expect(await first.url()).toContain(endpoints.authorization_url);
  expect(await first.result()).toMatchObject({ oauthRequired: true, asked: true });
  expect(server.requests.filter(({ path }) => path.includes('well-known'))).toEqual([]);
});

test('the URL is handed out, nobody waits: the tokens are stored all the same', async () => {
  const { start } = await setup();
  const before = Date.now();
  const first = start({ returnOnOAuth: true, stay: true });
  expect((await browse(await first.url())).status).toBe(200);
  first.leave();
  const handedOut = await first.result();
  expect(handedOut).toMatchObject({ oauthRequired: true, asked: true });
  // Users have ten minutes.
  expect(handedOut.oauthExpiresAt).toBeGreaterThanOrEqual(before + 600_000);
  expect(await start().result()).toMatchObject({ success: true, asked: false });
});

test('a state of somebody else, a refusal, and the icon of a page', async () => {
  const { server, data, start } = await setup();
  const process = start();
  const url = await process.url();
  const other = await fetch(returnTo(url, new URLSearchParams({ code: 'c', state: 'other' })));
  expect(other.status).toBe(400);
  expect((await fetch(`http://127.0.0.1:${portOf(url)}/favicon.ico`)).status).toBe(404);
  const state = new URL(url).searchParams.get('state');
  const refused = await fetch(returnTo(url, new URLSearchParams({ error: 'access_denied', state })));
  expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining('The login failed')]);
  const result = await process.result();
  expect(result).toMatchObject({ success: false, error: { code: 'MCP_OAUTH_FLOW_FAILED' } });
  expect(result.error.message).toContain('access_denied');
  expect(server.received('tools/list')).toEqual([]);
  expect(existsSync(join(data, 'tokens.redb'))).toBe(true);
});

test('nobody comes back: the wait ends, and the port closes', async () => {
  const { start } = await setup();
  const process = start({ connectionTimeout: 5000 });
  const url = await process.url();
  expect(await process.result()).toMatchObject({ success: false, error: { code: 'MCP_OAUTH_TIMEOUT' } });
  expect(await accepts(portOf(url))).toBe(false);
});

test('a key of the caller; another key is a clear error, the first one still works', async () => {
  const { data, start } = await setup();
  const [key, other] = KEYS;
  const first = start({ credentialsKey: key });
  await browse(await first.url());
  expect(await first.result()).toMatchObject({ success: true });
  expect(readdirSync(data)).toEqual(['tokens.redb']);
  const { success, error } = await start({ credentialsKey: other }).result();
  expect({ success, error }).toMatchObject({
    success: false,
    error: { code: 'MCP_TOKEN_STORE', message: expect.stringMatching(/tokens\.redb.* another key/) },
  });
  expect(await start({ credentialsKey: key }).result()).toMatchObject({ success: true, asked: false });
});

test('a file that is no database, and a directory that cannot be made', async () => {
  const { data, home, start } = await setup();
  writeFileSync(join(home, '.local'), 'a file');
  const { error } = await start().result();
  expect(error).toMatchObject({ code: 'MCP_TOKEN_STORE' });
  rmSync(join(home, '.local'));
  mkdirSync(data, { recursive: true, mode: 0o700 });
  writeFileSync(join(data, 'tokens.redb'), 'no database');
  expect((await start().result()).error).toMatchObject({
    code: 'MCP_TOKEN_STORE',
    message: expect.stringMatching(/tokens\.redb cannot be used: it is damaged.*log in again/),
  });
});

test('a folder that others can read is refused, with the command that mends it', async () => {
  const { data, start } = await setup();
  mkdirSync(data, { recursive: true });
  chmodSync(data, 0o755);
  const { error } = await start().result();
  expect(error).toMatchObject({ code: 'MCP_TOKEN_STORE', message: expect.stringContaining(`chmod 700 '${data}'`) });
  expect([statSync(data).mode & 0o777, readdirSync(data)]).toEqual([0o755, []]);
});

test('several processes at the same time', async () => {
  const { start } = await setup();
  const first = start();
  await browse(await first.url());
  await first.result();
  const results = await Promise.all(Array.from({ length: 4 }, () => start().result()));
  for (const result of results) expect(result).toMatchObject({ success: true, asked: false });
});

/** The access token that the server was sent last. */
const lastToken = (server) =>
  server.requests
    .map(({ headers }) => headers.authorization)
    .findLast(Boolean)
    .replace('Bearer ', '');

test('three processes at one store, and the server takes their token no more: one refresh for all', async () => {
  const { server, home, config, start } = await setup();
  const first = start();
  await browse(await first.url());
  expect(await first.result()).toMatchObject({ success: true });
  const processes = Array.from({ length: 3 }, () =>
    fixtures.keep(startProcess('embedded-refresh.js', { config, home })),
  );
  for (let round = 0; round < 2; round += 1) {
    server.refused.add(lastToken(server));
    const before = authorizationServer.refreshes().length;
    const answers = await Promise.all(processes.map((process) => process.ask({ calls: 10 })));
    // A refresh token that is used twice would revoke the grant, and calls would fail.
    expect(answers).toEqual(processes.map(() => ({ failures: [] })));
    expect(authorizationServer.refreshes().length - before).toBe(1);
  }
});

test('another process has the store open for a moment: it is waited for', async () => {
  const { data, start } = await setup();
  const first = start();
  await browse(await first.url());
  expect(await first.result()).toMatchObject({ success: true });
  // As the database locks its file while it is open.
  const held = spawn('flock', [join(data, 'tokens.redb'), 'sh', '-c', 'echo locked; sleep 1']);
  await once(held.stdout, 'data');
  expect(await start().result()).toMatchObject({ success: true, asked: false });
  expect(held.exitCode).toBe(0);
});

describe('the command line tool', () => {
  test.each([
    ['names its authorization server', undefined],
    ['oauth is configured', { client_id: 'registered', scope: 'mcp' }],
  ])('check says what is needed (%s), login gets it, check is content then', async (reason, oauth) => {
    const { config } = await setup(oauth);
    const { run } = fixtures.keep(createCli({ 'librechat.yaml': config }));
    const before = await run(['check', '--json']);
    expect(before.code).toBe(1);
    expect(before.json().servers).toMatchObject([
      {
        name: 'srv',
        ok: false,
        authorization: {
          type: 'oauth',
          ready: false,
          reason: expect.stringContaining(reason),
        },
        error: {
          code: 'MCP_AUTHORIZATION_REQUIRED',
          hint: 'You are not logged in to this server yet. Run: npx librechat-mcp-native login srv',
        },
      },
    ]);

    let browsed;
    const onStdout = (text) => {
      const [url] = /http:\S+(?=\n\n)/.exec(text) ?? [];
      if (url) browsed ??= browse(url);
    };
    const login = await run(['login', 'srv', '--no-browser'], { onStdout });
    await browsed;
    expect(login).toMatchObject({ code: 0, stdout: expect.stringContaining('Logged in to srv; it offers 2 tools') });
    const again = await run(['login', 'srv']);
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('Logged in to srv already') });

    const after = await run(['check', '--json']);
    expect(after).toMatchObject({ code: 0 });
    expect(after.json().servers).toMatchObject([
      { ok: true, tools: ['echo', 'undescribed'], authorization: { ready: true } },
    ]);
  });

  test('login opens the browser that BROWSER names', async () => {
    const { config } = await setup();
    const { run, folder } = fixtures.keep(createCli({ 'librechat.yaml': config }));
    const browser = join(folder, 'browser.sh');
    writeFileSync(browser, `#!/bin/sh\nprintf %s "$1" > '${join(folder, 'opened')}'\n`, { mode: 0o755 });
    const login = run(['login', 'srv', '--timeout', '30'], { env: { BROWSER: browser } });
    const opened = join(folder, 'opened');
    await until('the browser', () => existsSync(opened) && readFileSync(opened, 'utf8') !== '');
    const url = readFileSync(opened, 'utf8');
    await browse(url);
    expect(await login).toMatchObject({ code: 0, stdout: expect.stringContaining(`\n\n  ${url}\n`) });
  });

  test('login that nobody finishes: exit code 1, and what to do', async () => {
    const { config } = await setup();
    const { run } = fixtures.keep(createCli({ 'librechat.yaml': config }));
    const { code, stdout } = await run(['login', 'srv', '--no-browser', '--timeout', '6']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ srv: OAuth flow timed out.*\n {2}→ Begin again/);
  });
});
