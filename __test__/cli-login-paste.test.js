/** `login` where the browser is on another machine: a fixed port for a tunnel, or the address that it was sent to, pasted. */

const { once } = require('node:events');
const { createServer } = require('node:net');
const { startAuthorizationServer } = require('./support/authorization-server');
const { useCli } = require('./support/cli');
const { freePort } = require('./support/ports');
const { startProtectedServer } = require('./support/protected-server');
const { until } = require('./support/wait');

const { fixtures, withServers } = useCli();

async function setup(options) {
  const authorizationServer = fixtures.keep(await startAuthorizationServer(options));
  const server = fixtures.keep(await startProtectedServer(authorizationServer));
  const { run } = withServers(
    { srv: { type: 'streamable-http', url: server.url } },
    { allowedAddresses: [server.address, authorizationServer.address] },
  );
  return { authorizationServer, run };
}

/** Does that with the first address that is printed. */
function withAddress(act) {
  let isDone = false;
  return (text, stdin) => {
    const [url] = /http:\S+(?=\s)/.exec(text) ?? [];
    if (!url || isDone) return;
    isDone = true;
    act(url, stdin);
  };
}

/** Where the browser is sent after the user has signed in at `url`, on whatever machine it is. */
async function returnOf({ authorizationServer }, url, redirectUri) {
  const redirect = new URL(redirectUri ?? new URL(url).searchParams.get('redirect_uri'));
  redirect.search = await authorizationServer.signIn(url);
  return redirect;
}

const lines = (stdin, ...texts) => stdin.write(texts.map((text) => `${text}\n`).join(''));

test('the address is taken that belongs to this login, and no other', async () => {
  const world = await setup();
  const { code, stdout, stderr } = await world.run(['login', 'srv', '--paste'], {
    input: null,
    onStdout: withAddress(async (url, stdin) => {
      const redirect = await returnOf(world, url);
      const elsewhere = new URL(redirect);
      elsewhere.port = '1';
      const other = new URL(redirect);
      other.searchParams.set('state', 'of-another-login');
      lines(stdin, '', 'garbage', elsewhere, 'https://example.com/?code=a&state=b', other, redirect);
    }),
  });
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('Logged in to srv') });
  expect(stderr.match(/That [^\n]*/g)).toEqual([
    'That is no address: copy all of it, from http:// on.',
    'That is not the address that the browser is sent to after the login.',
    'That is not the address that the browser is sent to after the login.',
    'That address is of another login: open the one above, and paste where it leads to.',
  ]);
  expect(await world.run(['check', 'srv'])).toMatchObject({ code: 0 });
});

test('an authorization request that was pushed does not show where the browser comes back', async () => {
  const world = await setup({ pushedSeconds: 60 });
  const port = await freePort();
  let opened;
  const { code, stdout, stderr } = await world.run(['login', 'srv', '--paste', '--port', String(port)], {
    input: null,
    onStdout: withAddress(async (url, stdin) => {
      opened = new URL(url).searchParams;
      const redirect = await returnOf(world, url, `http://127.0.0.1:${port}/api/mcp/srv/oauth/callback`);
      const other = new URL(redirect);
      other.searchParams.set('state', 'of-another-login');
      lines(stdin, 'https://example.com/api/mcp/srv/oauth/callback', other, redirect);
    }),
  });
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('Logged in to srv') });
  expect(opened.has('request_uri')).toBe(true);
  expect(opened.has('redirect_uri')).toBe(false);
  expect(stderr).toContain('That is not the address that the browser is sent to after the login.');
  expect(stderr).toContain('The address is not of this login, or the login failed.');
});

test('a user who refuses', async () => {
  const world = await setup();
  const { code, stdout } = await world.run(['login', 'srv', '--paste'], {
    input: null,
    onStdout: withAddress(async (url, stdin) => {
      const { searchParams } = new URL(url);
      const redirect = new URL(searchParams.get('redirect_uri'));
      redirect.search = new URLSearchParams({
        error: 'access_denied',
        state: searchParams.get('state'),
        iss: world.authorizationServer.issuer,
      });
      lines(stdin, redirect);
    }),
  });
  expect({ code, stdout }).toEqual({ code: 1, stdout: expect.stringContaining('access_denied') });
});

test('who pastes nothing can still come back with the browser, to the port that was asked for', async () => {
  const world = await setup();
  const port = await freePort();
  let redirect;
  const { code, stdout } = await world.run(['login', 'srv', '--paste', '--port', String(port)], {
    onStdout: withAddress(async (url) => {
      redirect = await returnOf(world, url);
      return fetch(redirect);
    }),
  });
  expect(redirect.port).toBe(String(port));
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('Logged in to srv') });
});

test('a port that somebody has: the login fails; one that is none: exit code 2', async () => {
  const world = await setup();
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  fixtures.keep({ close: () => other.close() });
  const { code, stdout } = await world.run(['login', 'srv', '--port', String(other.address().port)]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: expect.stringContaining('No port for the OAuth callback') });
  for (const wrong of ['0', '65536', 'http']) {
    const refused = await world.run(['login', 'srv', '--port', wrong]);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('Expected a port') });
  }
});

test('tokens that have expired are shown as that, and none is refreshed', async () => {
  const world = await setup({ accessTokenSeconds: 5 });
  const { authorizationServer, run } = world;
  const login = await run(['login', 'srv', '--paste'], {
    onStdout: withAddress(async (url) => fetch(await returnOf(world, url))),
  });
  expect(login.code).toBe(0);
  const refreshes = authorizationServer.refreshes().length;
  let stored;
  const isExpired = async () => {
    [stored] = (await run(['tokens', '--json'])).json().logins;
    return stored.expired;
  };
  await until('the token to expire', isExpired, 60_000);
  expect(stored).toMatchObject({ server: 'srv', user: 'cli', expiresAt: null, refreshToken: true });
  expect((await run(['tokens'])).stdout).toContain('expired');
  expect(authorizationServer.refreshes()).toHaveLength(refreshes);
  expect(await run(['logout', 'srv'])).toMatchObject({ code: 0, stdout: expect.stringContaining('1 token revoked') });
});
