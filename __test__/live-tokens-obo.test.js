/** Tokens of the login session, asked for when they are needed: on behalf of users. */

const { AsyncLocalStorage } = require('node:async_hooks');
const { OBO, createSession, idleUser, login, now, rejection, useLiveTokens } = require('./support/live-tokens');

const { setup } = useLiveTokens();

describe('on behalf of a user', () => {
  test('who idled past the life of the token of the login', async () => {
    const { idp, call, reinit, runtime, bearers } = await setup({ config: OBO });
    const { user, params } = login();
    expect(await reinit({ user })).toMatchObject({ success: false, error: { code: 'OBO_MISSING_UPSTREAM_TOKEN' } });
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
    const { session, params } = login();
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
    const session = createSession();
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
    const [user, session, oboIdentityContext] = [idleUser(), createSession(), { appUserId: 'u' }];
    await call({ user, upstreamTokenProvider: session.provider, oboIdentityContext });
    const [first] = oboTokenResolver.mock.calls;
    expect(first.slice(0, 4)).toEqual([user, 'session-1', OBO.obo.scopes, true]);
    expect(first[4]).toBe(oboIdentityContext);
  });

  test('the session is asked in the call’s own context, and not after the call', async () => {
    const { call, runtime, server } = await setup({ config: OBO });
    const storage = new AsyncLocalStorage();
    const seen = [];
    const session = createSession();
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
