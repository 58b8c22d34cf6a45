/** Tokens of the login session, asked for when they are needed: the users' own. */

const { ECHO } = require('./support/calls');
const {
  FORWARDED,
  OBO,
  createSession,
  idleUser,
  login,
  now,
  rejection,
  useLiveTokens,
} = require('./support/live-tokens');
const { until } = require('./support/wait');

const { fixtures, setup } = useLiveTokens();

describe('the user’s own token', () => {
  test('is each call’s own, also of calls that wait for the same connection', async () => {
    const { call, bearers } = await setup({ config: FORWARDED });
    const [user, sessions] = [idleUser(), ['one', 'two', 'three'].map(createSession)];
    await Promise.all(sessions.map(({ provider }) => call({ user, upstreamTokenProvider: provider })));
    expect(bearers('initialize')).toHaveLength(1);
    expect(bearers('tools/call').sort()).toEqual(['Bearer one-1', 'Bearer three-1', 'Bearer two-1']);
  });

  test('is not sent to where the config led before', async () => {
    const { call, server, registry } = await setup({
      config: { headers: { Authorization: 'Bearer of-the-operator' } },
    });
    const { params } = login();
    registry.servers.srv.startup = false;
    await call(params);
    const other = await fixtures.server();
    registry.allowedAddresses.push(other.address);
    registry.servers.srv = { ...registry.servers.srv, url: other.url, ...FORWARDED };
    await call(params);
    await until('the end of the session', () => server.requests.some(({ method }) => method === 'DELETE'));
    const sent = new Set(server.requests.map(({ headers }) => headers.authorization));
    expect(sent).toEqual(new Set(['Bearer of-the-operator']));
    expect(other.received('tools/call')[0].headers.authorization).toBe('Bearer session-1');
  });

  test('reaches a connection that was made without a session', async () => {
    const { call, runtime, bearers } = await setup({ config: FORWARDED });
    const [user, session] = [idleUser('token-of-before'), createSession('later')];
    user.federatedTokens.expires_at = now() + 3600;
    await call({ user });
    const params = { user, serverName: 'srv', upstreamTokenProvider: session.provider };
    const connection = await runtime.manager.getConnection(params);
    expect(await connection.fetchTools()).not.toEqual([]);
    expect(bearers('tools/call')).toEqual(['Bearer token-of-before']);
    expect(bearers('tools/list')).toEqual(['Bearer later-1']);
  });

  test.each(['streamable-http', 'sse'])('%s: as the session has it, on every request', async (type) => {
    const { call, reinit, server, logger } = await setup({ config: { type, ...FORWARDED } });
    const { session, params } = login();
    expect(await reinit(params)).toMatchObject({ success: true });
    session.refreshes = 2;
    await call(params);
    const sent = server.requests
      .filter(({ message }) => message)
      .map(({ message, headers }) => [message.method, headers.authorization]);
    for (const [method, authorization] of sent) {
      expect([method, authorization]).toEqual([method, `Bearer session-${method === 'tools/call' ? 2 : 1}`]);
    }
    expect(server.received('initialize')).toHaveLength(1);
    expect(logger.text()).not.toMatch(/session-\d|token-of-the-login/);
  });

  test('one that the server refuses is refreshed once, and the call is made', async () => {
    const { call, bearers, refuse } = await setup({ config: FORWARDED });
    const { session, params } = login();
    await call(params);
    refuse(401, 'session-1');
    await call(params);
    expect(bearers()).toEqual(['Bearer session-1', 'Bearer session-1', 'Bearer session-2']);
    expect(session.asked.filter((options) => options.forceRefresh)).toHaveLength(1);
  });

  test('already on the handshake', async () => {
    const { reinit, bearers, refuse } = await setup({ config: FORWARDED });
    const session = createSession();
    refuse(401, 'session-1');
    expect(await reinit({ user: idleUser(), upstreamTokenProvider: session.provider })).toMatchObject({
      success: true,
    });
    expect(bearers('tools/list')).toEqual(['Bearer session-2']);
  });

  test.each([true, undefined])(
    'refused for good: an error, and no OAuth (requiresOAuth: %s)',
    async (requiresOAuth) => {
      const { call, reinit, refuse, server, logger } = await setup({ config: { ...FORWARDED, requiresOAuth } });
      const { params } = login();
      await call(params);
      refuse(401, 'session-1', 'session-2', 'session-3', 'session-4');
      expect(await rejection(call(params))).toMatchObject({
        code: 'MCP_AUTHENTICATION_REJECTED',
        retryable: false,
        message: 'MCP server "srv" rejected the bearer credential. Please sign in again.',
      });
      expect(await reinit({ ...params, forceNew: true })).toMatchObject({
        success: false,
        oauthRequired: false,
        oauthUrl: null,
        error: { code: 'MCP_AUTHENTICATION_REJECTED' },
      });
      expect(server.requests.filter(({ path }) => path.includes('.well-known'))).toEqual([]);
      expect(logger.text()).not.toMatch(/session-\d/);
    },
  );

  test('403: what the user may not do is not tried again', async () => {
    const { call, refuse, bearers } = await setup({ config: FORWARDED });
    const { session, params } = login();
    await call(params);
    refuse(403, 'session-1');
    expect(await rejection(call(params))).toMatchObject({ code: 'MCP_AUTHENTICATION_REJECTED', status: 403 });
    expect(bearers()).toHaveLength(2);
    expect(session.refreshes).toBe(1);
  });

  test.each([
    [
      new Error('invalid_grant'),
      false,
      'The OpenID session could not refresh the MCP bearer credential. Please sign in again.',
    ],
    [
      Object.assign(new Error('busy'), { status: 503 }),
      true,
      'The OpenID session could not refresh the MCP bearer credential temporarily.',
    ],
  ])('a refresh that fails (%s)', async (thrown, retryable, message) => {
    const { call, server } = await setup({ config: FORWARDED });
    const error = await rejection(call({ user: idleUser(), upstreamTokenProvider: () => Promise.reject(thrown) }));
    expect(error).toMatchObject({ code: 'MCP_AUTHENTICATION_REFRESH_FAILED', retryable, message });
    expect(server.requests).toEqual([]);
  });

  test('neither a session nor a token that is good: nothing is sent', async () => {
    const { call, server } = await setup({ config: FORWARDED });
    const error = await rejection(call({ user: idleUser(), upstreamTokenProvider: async () => null }));
    expect(error).toMatchObject({
      code: 'MCP_AUTHENTICATION_REFRESH_FAILED',
      message: expect.stringContaining('re-authentication is required'),
    });
    expect(server.requests).toEqual([]);
  });

  test('a token that a header cannot carry is not sent, and not shown', async () => {
    const { call, server, logger } = await setup({ config: FORWARDED });
    const upstreamTokenProvider = async () => ({ access_token: 'hunter2\r\nX-Evil: 1' });
    const error = await rejection(call({ user: idleUser(), upstreamTokenProvider }));
    expect(error.code).toBe('MCP_AUTHENTICATION_REFRESH_FAILED');
    expect(`${error.stack} ${logger.text()}`).not.toContain('hunter2');
    expect(server.requests).toEqual([]);
  });

  test('fifty users at once, and requests that belong to no call: each user’s own', async () => {
    const { call, server, runtime } = await setup({
      config: { headers: { ...FORWARDED.headers, 'X-User': '{{LIBRECHAT_USER_ID}}' } },
    });
    const users = Array.from({ length: 50 }, () => idleUser());
    await Promise.all(
      users.map((user) => call({ user, upstreamTokenProvider: createSession(`session-of-${user.id}`).provider })),
    );
    await Promise.all(
      users.map(async (user) => {
        const connection = await runtime.manager.getConnection({ user, serverName: 'srv' });
        await connection.fetchTools();
      }),
    );
    for (const { headers } of server.requests.filter(({ message }) => message)) {
      expect(headers.authorization).toBe(`Bearer session-of-${headers['x-user']}-1`);
    }
  });

  test('a config of a user gets no session', async () => {
    const { server, runtime } = await setup();
    const session = createSession();
    const serverConfig = server.config({ ...FORWARDED, source: 'user', dbId: '1' });
    const params = { user: idleUser(), serverConfig, upstreamTokenProvider: session.provider };
    await runtime.manager.callTool({ ...ECHO, ...params, serverName: 'own' });
    expect(session.asked).toEqual([]);
    for (const { headers } of server.requests) expect(headers.authorization).not.toContain('session-1');
  });

  test('a redirect to another origin does not take the token along', async () => {
    const { call, server } = await setup({ config: FORWARDED });
    const other = await fixtures.server();
    server.fault = ({ response, message }) =>
      message?.method === 'tools/call' && response.writeHead(307, { location: other.url }).end();
    await rejection(call(login().params));
    expect(other.requests.filter(({ headers }) => JSON.stringify(headers).includes('session-1'))).toEqual([]);
  });

  test('in headers of tool calls alone', async () => {
    const { call, server } = await setup({ config: { requestHeaders: FORWARDED.headers } });
    await call(login().params);
    for (const { message, headers } of server.requests.filter((entry) => entry.message)) {
      expect(headers.authorization).toBe(message.method === 'tools/call' ? 'Bearer session-1' : undefined);
    }
  });

  test('on behalf of the user comes first', async () => {
    const { call, bearers } = await setup({ config: { ...FORWARDED, ...OBO } });
    await call(login().params);
    expect(bearers()).toEqual(['Bearer for-session-1-1']);
  });

  test('without a session, as before: the token of the login', async () => {
    const { call, bearers } = await setup({ config: FORWARDED });
    const user = idleUser();
    user.federatedTokens.expires_at = now() + 3600;
    await call({ user });
    expect(bearers()).toEqual(['Bearer token-of-the-login']);
  });
});
