/** A session stays with the login that it was begun with, and a logout or another login reaches it in every process. */

const { completeAuthorization, useAuthorization } = require('./support/authorization');
const { ECHO } = require('./support/calls');
const { useEnvironment } = require('./support/environment');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { SessionStore, asked, startFleet } = require('./support/session-store');
const { until } = require('./support/wait');

const OWN = { startup: false };
const suite = useAuthorization();

/** Two processes with one user, `shared`: and with one store of sessions. */
async function setup(shared) {
  const sharedSessions = shared ? new SessionStore() : undefined;
  const first = await suite.host({ config: OWN, services: { sharedSessions } });
  const { server, user, store } = first;
  const start = () => {
    const host = first.start();
    return {
      ...host,
      reinit: (params) => host.runtime.reinitMCPServer({ user, serverName: 'srv', ...params }),
      echo: () => host.runtime.manager.callTool({ ...ECHO, user }),
    };
  };
  const [here, there] = [start(), start()];

  const logOut = ({ runtime }) => {
    const { deleteTokens: deleteToken } = first.services.tokenMethods;
    return runtime.tokens.deleteUserTokens({ userId: user.id, serverName: 'srv', deleteToken });
  };

  /** Resolves to what is stored of the new login, as `completeAuthorization` does. */
  const logIn = async (process) => {
    const { oauthUrl } = await process.reinit();
    return completeAuthorization(process, await suite.authorizationServer.signIn(oauthUrl));
  };

  /** The tokens that each session was called with. */
  const tokensOfSessions = () => {
    const sessions = new Map();
    for (const { headers } of server.received('tools/call')) {
      const tokens = sessions.get(headers['mcp-session-id']) ?? new Set();
      sessions.set(headers['mcp-session-id'], tokens.add(headers.authorization.replace('Bearer ', '')));
    }
    return [...sessions.values()].map((tokens) => [...tokens]);
  };

  return { server, user, store, sharedSessions, here, there, start, logOut, logIn, tokensOfSessions };
}

const accessToken = ({ tokens }) => tokens.access_token;

/** Tokens are replaced half a minute before they expire. */
const SOON_DUE_MS = 38_000;

const KINDS = [
  ['that processes share', true],
  ['of one process', false],
];

describe.each(KINDS)('a session %s', (_, shared) => {
  test.each([
    ['is due', false],
    ['was refused', true],
  ])('gets no token of another login in place of one that %s', async (_, isRefused) => {
    const { server, user, store, here, there, logOut, logIn, tokensOfSessions } = await setup(shared);
    const before = accessToken(await logIn(here));
    if (!isRefused) await store.expire(user.id, SOON_DUE_MS);
    await here.echo();
    await logOut(there);
    const after = accessToken(await logIn(there));
    if (isRefused) {
      server.refused.add(before);
      await here.echo();
    } else {
      await until('the new token', async () => {
        await here.echo();
        return tokensOfSessions().flat().includes(after);
      });
    }
    await there.echo();
    await here.echo();
    const used = tokensOfSessions();
    expect(used[0]).toEqual([before]);
    // Processes without a store have a session each.
    expect(used.slice(1)).toEqual(shared ? [[after]] : [[after], [after]]);
  });

  test('goes on after a refresh of its own process, whoever asked for it', async () => {
    const { server, user, store, here, logIn, tokensOfSessions } = await setup(shared);
    await logIn(here);
    await here.echo();
    const refuse = () => server.refused.add(tokensOfSessions()[0].at(-1));
    refuse();
    await here.echo();
    await store.expire(user.id);
    const refreshes = suite.authorizationServer.refreshes().length;
    await here.runtime.manager.discoverServerTools({ user, serverName: 'srv' });
    expect(suite.authorizationServer.refreshes()).toHaveLength(refreshes + 1);
    refuse();
    await here.echo();
    expect(suite.authorizationServer.refreshes()).toHaveLength(refreshes + 1);
    expect(tokensOfSessions().map((tokens) => tokens.length)).toEqual([3]);
  });

  test('is left by a reinit that lists tools', async () => {
    const { server, here, there, logOut, logIn, tokensOfSessions } = await setup(shared);
    const before = accessToken(await logIn(here));
    await here.echo();
    await logOut(there);
    const after = accessToken(await logIn(there));
    server.refused.add(before);
    const { success, tools } = await here.reinit();
    expect({ success, names: tools.map(({ name }) => name) }).toEqual({
      success: true,
      names: expect.arrayContaining(['echo']),
    });
    await here.echo();
    expect(tokensOfSessions()).toEqual([[before], [after]]);
  });

  test('is left by an object of its connection, whose request can be made again', async () => {
    const { server, here, there, user, logOut, logIn, tokensOfSessions } = await setup(shared);
    const before = accessToken(await logIn(here));
    await here.echo();
    const connection = await here.runtime.manager.getConnection({ user, serverName: 'srv' });
    await logOut(there);
    const after = accessToken(await logIn(there));
    server.refused.add(before);
    const request = () => connection.client.request({ method: 'tools/call', params: { name: 'echo', arguments: {} } });
    await expect(request()).rejects.toMatchObject({ code: 'MCP_CONNECTION_LOST', retryable: true });
    expect(await connection.isConnected()).toBe(false);
    await connection.connect();
    await request();
    expect(tokensOfSessions()).toEqual([[before], [after]]);
  });
});

test('a refresh of another process goes on with the session that they share', async () => {
  const { server, here, there, logIn, tokensOfSessions } = await setup(true);
  await logIn(here);
  await here.echo();
  await there.echo();
  const { initialize } = asked(server);
  for (const [refreshes, follows] of [
    [here, there],
    [there, here],
  ]) {
    server.refused.add(tokensOfSessions()[0].at(-1));
    await refreshes.echo();
    await follows.echo();
  }
  expect(tokensOfSessions().map((tokens) => tokens.length)).toEqual([3]);
  expect(asked(server).initialize).toBe(initialize);
});

test('after a refresh of another process, of which nobody knows, there is another session', async () => {
  const { server, here, there, logIn, tokensOfSessions } = await setup(false);
  const before = accessToken(await logIn(here));
  await here.echo();
  server.refused.add(before);
  await there.echo();
  await here.echo();
  const [[first], [second], [third]] = tokensOfSessions();
  expect([first, second]).toEqual([before, third]);
  expect(tokensOfSessions()).toHaveLength(3);
});

test('a login that a waiting call stores ends the sessions of before, too', async () => {
  const { user, here, there, sharedSessions } = await setup(true);
  const { flowManager } = there.services;
  /** Completes the flow, and leaves the tokens to whoever waits for it. */
  const oauthStart = async (url) => {
    const { code, state, iss } = Object.fromEntries(await suite.authorizationServer.signIn(url));
    const flowId = await there.runtime.oauth.resolveStateToFlowId(state, flowManager);
    await there.runtime.oauth.completeOAuthFlow(flowId, code, flowManager, {}, { state, iss });
  };
  await here.runtime.manager.callTool({ ...ECHO, user, oauthStart });
  const epochs = sharedSessions.keys('session-epoch').map((key) => JSON.parse(key));
  expect(epochs).toEqual([['session-epoch', user.id, 'srv']]);
});

describe('a process that has no connection of the user', () => {
  // The use of a session is noted five seconds after it was noted last.
  useEnvironment({ MCP_USER_CONNECTION_IDLE_TIMEOUT: '20000' });
  const fixtures = useFixtures();

  const sessionsAt = (server) => server.received('tools/call').map(({ headers }) => headers['mcp-session-id']);

  /** The rows are the same afterwards: nothing else tells the processes that there was a logout or login. */
  test.each([
    [
      'logs the user out',
      async ({ logOut, start, store, user }) => {
        const { Token } = store.models;
        const rows = await Token.find({ userId: user.id }).lean();
        await logOut(start());
        await Token.insertMany(rows);
      },
    ],
    [
      'logs the user in',
      async ({ start, user }, { tokens, clientInfo, metadata }) => {
        const { runtime, services } = start();
        const owner = { userId: user.id, serverName: 'srv', clientInfo, metadata };
        await runtime.tokens.storeTokens({ ...owner, tokens, ...services.tokenMethods });
      },
    ],
  ])('%s: nobody goes on with the session', async (_, act) => {
    const world = await setup(true);
    const { server, here, there, start, logIn } = world;
    const login = await logIn(here);
    await here.echo();
    await there.echo();
    const [before] = sessionsAt(server);
    await start().echo();
    expect(sessionsAt(server).at(-1)).toBe(before);
    await act(world, login);
    await start().echo();
    expect(sessionsAt(server).at(-1)).not.toBe(before);
    for (const process of [here, there]) {
      await until('another session', async () => {
        await process.echo();
        return sessionsAt(server).at(-1) !== before;
      });
    }
    await until('the end of the session', () => !server.sessions.has(before));
  });

  test('disconnects the user: nobody goes on with the session, and that of another user stays', async () => {
    const server = await fixtures.server();
    const { start, pods } = startFleet(fixtures, { servers: { srv: server.config(OWN) }, allow: [server] });
    const [user, other] = [createUser(), createUser()];
    const echo = async ({ runtime }, whose) => {
      await runtime.manager.callTool({ ...ECHO, user: whose });
      return sessionsAt(server).at(-1);
    };
    const before = await echo(pods[0], user);
    expect(await echo(pods[1], user)).toBe(before);
    const others = await echo(pods[0], other);
    await start().runtime.manager.disconnectUserConnection(user.id, 'srv');
    const after = await echo(start(), user);
    expect(after).not.toBe(before);
    for (const pod of pods) {
      await until('the session of now', async () => {
        expect(await echo(pod, other)).toBe(others);
        return (await echo(pod, user)) === after;
      });
    }
    expect(server.sessions.has(before)).toBe(false);
  });
});
