/** Tokens of the login session, asked for when they are needed: on behalf of users, and the users' own. */

const { AsyncLocalStorage } = require('node:async_hooks');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { startIdentityProvider } = require('./support/identity-provider');
const { registerSecrets } = require('./support/secrets');
const { until } = require('./support/wait');

const fixtures = useFixtures();
const provider = 'openai';
const now = () => Math.floor(Date.now() / 1000);
const OBO = { obo: { scopes: 'api://server/.default' } };
const FORWARDED = { headers: { Authorization: 'Bearer {{LIBRECHAT_OPENID_ACCESS_TOKEN}}' } };

/** A user whose token of login time has run out long ago, as that of one who went away for lunch. */
function idleUser(token = 'token-of-the-login') {
  registerSecrets(token);
  const federatedTokens = { access_token: token, expires_at: now() - 3600 };
  const user = createUser({ provider: 'openid', federatedTokens });
  return { ...user, openidId: `subject-${user.id}` };
}

/** A login session: `name-N`, the N counting its refreshes. */
function createSession(name) {
  const session = {
    asked: [],
    refreshes: 1,
    token: () => `${name}-${session.refreshes}`,
    provider: async (options) => {
      session.asked.push(options);
      if (options?.forceRefresh) session.refreshes += 1;
      registerSecrets(session.token());
      return { access_token: session.token(), expires_at: now() + 3600 };
    },
  };
  return session;
}

async function setup({ config, services, ...options } = {}) {
  const idp = fixtures.keep(await startIdentityProvider(options));
  const server = await fixtures.server();
  const serverConfig = server.config(config);
  if (serverConfig.type === 'sse') serverConfig.url = server.sseUrl;
  const host = fixtures.runtime({
    servers: { srv: serverConfig },
    allow: [server],
    services: { openIdConfig: () => idp.config, ...services },
  });
  const call = (params) =>
    host.runtime.manager.callTool({
      serverName: 'srv',
      toolName: 'echo',
      provider,
      toolArguments: { text: 'a' },
      ...params,
    });
  const reinit = (params) => host.runtime.reinitMCPServer({ serverName: 'srv', ...params });
  const bearers = (what = 'tools/call') =>
    server.requests.filter(({ message }) => message?.method === what).map(({ headers }) => headers.authorization);
  /** Answers requests with one of these tokens with this status. */
  const refuse = (status, ...tokens) => {
    server.fault = ({ request, response, message }) => {
      if (!message || !tokens.some((token) => request.headers.authorization?.endsWith(` ${token}`))) return false;
      response.writeHead(status).end();
      return true;
    };
  };
  return { ...host, idp, server, call, reinit, bearers, refuse };
}

const rejection = (promise) =>
  promise.then(
    () => {
      throw new Error('It must not work');
    },
    (error) => error,
  );

describe('on behalf of a user', () => {
  test('who idled past the life of the token of the login', async () => {
    const { idp, call, reinit, runtime, bearers } = await setup({ config: OBO });
    const [user, session] = [idleUser(), createSession('session')];
    expect(await reinit({ user })).toMatchObject({ success: false, error: { code: 'OBO_MISSING_UPSTREAM_TOKEN' } });
    const params = { user, upstreamTokenProvider: session.provider };
    expect(await reinit(params)).toMatchObject({ success: true });
    await call(params);
    const connection = await runtime.manager.getConnection({ ...params, serverName: 'srv' });
    expect(await connection.fetchTools()).not.toHaveLength(0);
    expect(await runtime.manager.discoverServerTools({ ...params, serverName: 'srv' })).toMatchObject({
      tools: expect.arrayContaining([expect.anything()]),
    });
    expect(idp.exchanges.map(({ assertion }) => assertion)).toEqual(['session-1']);
    expect(bearers()).toEqual(['Bearer for-session-1-1']);
  });

  test('a session that was refreshed meanwhile: the next call exchanges the new token, over the same connection', async () => {
    const { idp, call, bearers, server } = await setup({ config: OBO });
    const [user, session] = [idleUser(), createSession('session')];
    const params = { user, upstreamTokenProvider: session.provider };
    await call(params);
    session.refreshes = 2;
    await call(params);
    expect(idp.exchanges.map(({ assertion }) => assertion)).toEqual(['session-1', 'session-2']);
    expect(bearers()).toEqual(['Bearer for-session-1-1', 'Bearer for-session-2-1']);
    expect(server.received('initialize')).toHaveLength(1);
  });

  test('a session that has nothing to say: the user’s token counts', async () => {
    const { idp, call } = await setup({ config: OBO });
    const user = idleUser('token-of-a-bearer');
    user.federatedTokens.expires_at = now() + 3600;
    await call({ user, upstreamTokenProvider: async () => null });
    expect(idp.exchanges.map(({ assertion }) => assertion)).toEqual(['token-of-a-bearer']);
  });

  test.each([
    ['gives no token', async () => ({})],
    ['gives one that has run out', async () => ({ access_token: 'session-old', expires_at: now() - 1 })],
  ])('a session that %s: not the token of the login', async (_, upstreamTokenProvider) => {
    const { idp, call } = await setup({ config: OBO });
    const user = idleUser();
    user.federatedTokens.expires_at = now() + 3600;
    const error = await rejection(call({ user, upstreamTokenProvider }));
    expect(error).toMatchObject({ reason: 'missing_upstream_token', code: 'OBO_MISSING_UPSTREAM_TOKEN' });
    expect(idp.exchanges).toEqual([]);
  });

  test.each([
    [
      new Error('invalid_grant'),
      false,
      /Your sign-in session expired and could not be refreshed\. Please sign in again\./,
    ],
    [
      Object.assign(new Error('busy'), { status: 503 }),
      true,
      /Temporary sign-in session refresh failure\..* Please retry\./,
    ],
  ])('a refresh that fails (%s)', async (thrown, retryable, message) => {
    const { call, reinit, idp } = await setup({ config: OBO });
    const params = { user: idleUser(), upstreamTokenProvider: () => Promise.reject(thrown) };
    const error = await rejection(call(params));
    expect(error).toMatchObject({
      reason: 'session_refresh_failed',
      retryable,
      message: expect.stringMatching(message),
    });
    expect(await reinit(params)).toMatchObject({
      success: false,
      error: { code: 'OBO_SESSION_REFRESH_FAILED', retryable, message: expect.stringMatching(message) },
    });
    expect(idp.exchanges).toEqual([]);
  });

  test('a resolver: asked once in a call, with what it is for', async () => {
    const { idp, call } = await setup({ config: OBO });
    const session = createSession('session');
    const upstreamTokenProviderResolver = jest.fn(async () => session.provider);
    const { signal } = new AbortController();
    await call({ user: idleUser(), upstreamTokenProviderResolver, options: { signal } });
    expect(upstreamTokenProviderResolver).toHaveBeenCalledTimes(1);
    expect(upstreamTokenProviderResolver).toHaveBeenCalledWith({
      signal,
      target: { mcpServer: 'srv', scopes: OBO.obo.scopes },
    });
    expect(session.asked[0].signal).toBe(signal);
    expect(idp.exchanges).toHaveLength(1);
  });

  test('a resolver that finds no provider', async () => {
    const { call, reinit, idp } = await setup({ config: OBO });
    const params = { user: idleUser(), upstreamTokenProviderResolver: () => undefined };
    expect(await rejection(call(params))).toMatchObject({
      reason: 'missing_upstream_provider',
      retryable: false,
      message: expect.stringContaining('Configure a renewable upstream credential provider before retrying.'),
    });
    expect(await reinit(params)).toMatchObject({ error: { code: 'OBO_MISSING_UPSTREAM_PROVIDER' } });
    expect(idp.exchanges).toEqual([]);
  });

  test.each([
    ['upstreamTokenProvider', () => 'a-token'],
    ['upstreamTokenProviderResolver', () => ({ access_token: 'a' })],
  ])('%s that resolves to something else: the error says so', async (name, wrong) => {
    const { call } = await setup({ config: OBO });
    const error = await rejection(call({ user: idleUser(), [name]: wrong }));
    expect(error.reason).toBe('session_refresh_failed');
    expect(`${error.cause?.cause?.message} ${error.cause?.message}`).toContain(`${name} must resolve to`);
    await expect(call({ user: idleUser(), [name]: 5 })).rejects.toThrow(
      `params.${name} must be a function, got a number`,
    );
  });

  test('an abort ends the wait for a session that never answers', async () => {
    const { call } = await setup({ config: OBO });
    const controller = new AbortController();
    const upstreamTokenProvider = () => {
      setImmediate(() => controller.abort(new Error('the user has gone')));
      return new Promise((resolve) => setTimeout(resolve, 60_000).unref());
    };
    const { signal } = controller;
    const error = await rejection(call({ user: idleUser(), upstreamTokenProvider, options: { signal } }));
    expect(error).toMatchObject({ name: 'AbortError', cause: signal.reason });
  });

  test('fifty users at once: each call has its own session’s token', async () => {
    const { idp, call, server, logger } = await setup({ config: OBO });
    const users = Array.from({ length: 50 }, (_, index) => [idleUser(), createSession(`session-of-${index}`)]);
    await Promise.all(
      users.map(([user, session], index) =>
        call({ user, upstreamTokenProvider: session.provider, toolArguments: { text: `${index}` } }),
      ),
    );
    for (const { headers, message } of server.received('tools/call')) {
      expect(headers.authorization).toBe(`Bearer for-session-of-${message.params.arguments.text}-1-1`);
    }
    expect(idp.exchanges).toHaveLength(50);
    expect(logger.text()).not.toMatch(/session-of-\d|token-of-the-login/);
  });

  test('one token, two identities: exchanged for each', async () => {
    const { idp, call } = await setup({ config: OBO });
    const session = createSession('shared');
    const user = idleUser();
    for (const appUserId of ['one', 'two', 'one']) {
      const oboIdentityContext = { appUserId, openidSubject: 'subject', tenantId: 't' };
      await call({ user, upstreamTokenProvider: session.provider, oboIdentityContext });
    }
    expect(idp.exchanges).toHaveLength(2);
  });

  test('a host’s own resolver gets the live token and the identity', async () => {
    const oboTokenResolver = jest.fn(async () => ({ access_token: 'of-the-host', expires_in: 60 }));
    const { call } = await setup({ config: OBO, services: { oboTokenResolver } });
    const [user, session, oboIdentityContext] = [idleUser(), createSession('session'), { appUserId: 'u' }];
    await call({ user, upstreamTokenProvider: session.provider, oboIdentityContext });
    const [first] = oboTokenResolver.mock.calls;
    expect(first.slice(0, 4)).toEqual([user, 'session-1', OBO.obo.scopes, true]);
    expect(first[4]).toBe(oboIdentityContext);
  });

  test('the session is asked in the call’s own context, and not after the call', async () => {
    const { call, runtime, server } = await setup({ config: OBO });
    const storage = new AsyncLocalStorage();
    const seen = [];
    const session = createSession('session');
    const upstreamTokenProvider = (options) => {
      seen.push(storage.getStore());
      return session.provider(options);
    };
    const user = idleUser();
    await Promise.all(['one', 'two'].map((tenant) => storage.run(tenant, () => call({ user, upstreamTokenProvider }))));
    expect(new Set(seen)).toEqual(new Set(['one', 'two']));
    const asked = seen.length;
    const connection = await runtime.manager.getConnection({ user, serverName: 'srv' }).catch(() => undefined);
    await connection?.fetchTools();
    await server.notify('notifications/tools/list_changed');
    expect(seen).toHaveLength(asked);
  });
});

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
    const [user, session] = [idleUser(), createSession('session')];
    const params = { user, upstreamTokenProvider: session.provider };
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
    const [user, session] = [idleUser(), createSession('session')];
    const params = { user, upstreamTokenProvider: session.provider };
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
    const [user, session] = [idleUser(), createSession('session')];
    const params = { user, upstreamTokenProvider: session.provider };
    await call(params);
    refuse(401, 'session-1');
    await call(params);
    expect(bearers()).toEqual(['Bearer session-1', 'Bearer session-1', 'Bearer session-2']);
    expect(session.asked.filter((options) => options.forceRefresh)).toHaveLength(1);
  });

  test('already on the handshake', async () => {
    const { reinit, bearers, refuse } = await setup({ config: FORWARDED });
    const session = createSession('session');
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
      const [user, session] = [idleUser(), createSession('session')];
      const params = { user, upstreamTokenProvider: session.provider };
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
    const [user, session] = [idleUser(), createSession('session')];
    const params = { user, upstreamTokenProvider: session.provider };
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
    const session = createSession('session');
    const serverConfig = server.config({ ...FORWARDED, source: 'user', dbId: '1' });
    const params = { user: idleUser(), serverConfig, upstreamTokenProvider: session.provider };
    await runtime.manager.callTool({ ...params, serverName: 'own', toolName: 'echo', provider });
    expect(session.asked).toEqual([]);
    for (const { headers } of server.requests) expect(headers.authorization).not.toContain('session-1');
  });

  test('a redirect to another origin does not take the token along', async () => {
    const { call, server } = await setup({ config: FORWARDED });
    const other = await fixtures.server();
    server.fault = ({ response, message }) =>
      message?.method === 'tools/call' && response.writeHead(307, { location: other.url }).end();
    await rejection(call({ user: idleUser(), upstreamTokenProvider: createSession('session').provider }));
    expect(other.requests.filter(({ headers }) => JSON.stringify(headers).includes('session-1'))).toEqual([]);
  });

  test('in headers of tool calls alone', async () => {
    const { call, server } = await setup({ config: { requestHeaders: FORWARDED.headers } });
    await call({ user: idleUser(), upstreamTokenProvider: createSession('session').provider });
    for (const { message, headers } of server.requests.filter((entry) => entry.message)) {
      expect(headers.authorization).toBe(message.method === 'tools/call' ? 'Bearer session-1' : undefined);
    }
  });

  test('on behalf of the user comes first', async () => {
    const { call, bearers } = await setup({ config: { ...FORWARDED, ...OBO } });
    await call({ user: idleUser(), upstreamTokenProvider: createSession('session').provider });
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

describe('other parameters of newer LibreChat', () => {
  test.each([
    [{ mcpApps: 'on' }, /params\.mcpApps must be an object/],
    [{ scheduledMCPInvocation: {} }, /params\.scheduledMCPInvocation is not supported/],
    [{ scheduledBearerInvocation: {} }, /params\.scheduledBearerInvocation is not supported/],
    [{ recoveryPolicy: 5 }, /params\.recoveryPolicy must be an object/],
    [{ streamId: 5 }, /params\.streamId must be a string/],
    [{ jobCreatedAt: 'now' }, /params\.jobCreatedAt must be a number/],
    [{ connectionTarget: {} }, /params\.connectionTarget must have a serverConfig/],
    [{ connectionTarget: { serverConfig: {} } }, /params\.connectionTarget must have a connectionOwner/],
    [
      { connectionTarget: { serverConfig: {}, connectionOwner: 'operator' }, serverConfig: {} },
      /params\.connectionTarget cannot be given beside serverConfig/,
    ],
  ])('refused: %j', async (params, message) => {
    const { call, reinit, server } = await setup();
    const user = createUser();
    await expect(call({ user, ...params })).rejects.toThrow(message);
    await expect(reinit({ user, ...params })).rejects.toThrow(message);
    expect(server.requests).toEqual([]);
  });

  test('taken, without an effect on the connection', async () => {
    const { call, reinit } = await setup();
    const params = {
      user: createUser(),
      mcpApps: { enabled: false },
      recoveryPolicy: {},
      streamId: null,
      jobCreatedAt: 5,
    };
    expect(await reinit(params)).toMatchObject({ success: true });
    await call({ ...params, streamId: 'stream' });
  });

  test('MCP Apps: LibreChat’s policy comes with every call, and is warned of once', async () => {
    const { call, reinit, logger } = await setup();
    const params = { user: createUser(), mcpApps: { enabled: true, legacyHtmlEnabled: true } };
    expect(await reinit(params)).toMatchObject({ success: true });
    await call(params);
    const told = logger.entries.filter(({ message }) => message.includes('MCP Apps'));
    expect(told).toMatchObject([{ level: 'warn', message: expect.stringContaining('enabled, and not supported') }]);
  });

  test('connectionTarget: a connection of the user’s own, or the one that all share', async () => {
    const { call, server, runtime } = await setup();
    const users = [createUser(), createUser()];
    const target = (connectionOwner) => ({ serverConfig: server.config(), connectionOwner });
    for (const user of users) await call({ user, connectionTarget: target('operator') });
    expect(runtime.manager.getConnectionStats()).toMatchObject({ appConnectionCount: 1, totalConnections: 0 });
    for (const user of users) await call({ user, connectionTarget: target('principal') });
    expect(runtime.manager.getConnectionStats()).toMatchObject({ trackedUsers: 2, totalConnections: 2 });
  });
});
