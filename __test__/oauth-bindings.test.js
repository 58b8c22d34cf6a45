/**
 * What belongs to one server, one flow or one credential set, while something else takes its place.
 */

const { startMcpServer } = require('./support/mcp-server');
const { useAuthorization } = require('./support/authorization');

const serverName = 'srv';
const suite = useAuthorization();

/** Stores tokens as LibreChat's route does since August 2026: with the server that they are for. */
async function authorize({ runtime, flowManager, services, reinit }) {
  const { oauth, tokens } = runtime;
  const { oauthUrl } = await reinit();
  const parameters = await suite.authorizationServer.signIn(oauthUrl);
  const [code, state, iss] = ['code', 'state', 'iss'].map((name) => parameters.get(name));
  const flowId = await oauth.resolveStateToFlowId(state, flowManager);
  const { userId, clientInfo, metadata, resourceMetadata, serverUrl, clientSource } = await oauth.getFlowState(
    flowId,
    flowManager,
  );
  const client = oauth.buildStoredClientMetadata(metadata, resourceMetadata, serverUrl, clientSource);
  const persist = (exchanged) =>
    tokens.storeTokens({
      userId,
      serverName,
      tokens: exchanged,
      clientInfo,
      metadata: client,
      ...services.tokenMethods,
    });
  return oauth.completeOAuthFlow(flowId, code, flowManager, {}, persist, { state, iss });
}

describe('a stored access token', () => {
  const carried = (server, token) =>
    server.requests.filter(({ headers }) => headers.authorization?.includes(token)).map(({ path }) => path);

  test('is not shown to a server whose URL has changed', async () => {
    const host = await suite.host();
    const { access_token: token } = await authorize(host);
    const other = suite.fixtures.keep(await startMcpServer());
    host.registry.allowedAddresses.push(other.address);
    Object.assign(host.registry.servers[serverName], { url: other.url });
    host.flowManager.deleteFlow(`${host.user.id}:${serverName}`, 'mcp_oauth');
    other.fault = async ({ response }) => Boolean(response.writeHead(401).end());
    await host.reinit();
    expect(other.requests.length).toBeGreaterThan(0);
    expect(carried(other, token)).toEqual([]);
  });

  test('that is being refreshed is not shared with a server of the same name', async () => {
    const host = await suite.host();
    await authorize(host);
    const other = suite.fixtures.keep(await startMcpServer());
    host.registry.allowedAddresses.push(other.address);
    other.fault = async ({ response }) => Boolean(response.writeHead(401).end());
    await host.runtime.manager.disconnectUserConnections(host.user.id);
    await host.store.expire(host.user.id);
    const moved = { ...host.registry.servers[serverName], url: other.url };
    const [own] = await Promise.all([host.reinit(), host.reinit({ serverConfig: moved })]);
    expect(own).toMatchObject({ success: true });
    const { mcp_oauth: token } = await host.store.plain(host.user.id);
    expect(carried(other, token)).toEqual([]);
  });
});

describe('the state that a callback came with', () => {
  test.each([[undefined], [null]])('is looked at after %p in the place of a function', async (persist) => {
    const host = await suite.host();
    const { oauthUrl } = await host.reinit();
    const { runtime, flowManager, user } = host;
    const parameters = await suite.authorizationServer.signIn(oauthUrl);
    const complete = (received) =>
      runtime.oauth.completeOAuthFlow(
        `${user.id}:${serverName}`,
        parameters.get('code'),
        flowManager,
        {},
        persist,
        received,
      );
    const wrong = complete({ state: 'of-somebody-else', iss: parameters.get('iss') });
    await expect(wrong).rejects.toMatchObject({ code: 'MCP_OAUTH_FLOW_FAILED' });
    const tokens = await complete({ state: parameters.get('state'), iss: parameters.get('iss') });
    expect(tokens).toMatchObject({ access_token: expect.any(String) });
  });

  test('is not left out where it is no object', async () => {
    const { runtime, flowManager } = await suite.host();
    const complete = (...last) => runtime.oauth.completeOAuthFlow('u:srv', 'code', flowManager, {}, ...last);
    await expect(complete('state')).rejects.toThrow('received must be an object');
    await expect(complete(() => {}, 'state')).rejects.toThrow('received must be an object');
  });
});

test('a rotated refresh token survives a store that cannot be read for a moment', async () => {
  let failures = 0;
  const wrapped = (tokenMethods) => ({
    ...tokenMethods,
    async findToken(...query) {
      if (failures > 0) {
        failures -= 1;
        throw new Error('the database fails over');
      }
      return tokenMethods.findToken(...query);
    },
  });
  const host = await suite.host();
  await authorize(host);
  host.services.tokenMethods = wrapped(host.services.tokenMethods);
  await host.runtime.manager.disconnectUserConnections(host.user.id);
  await host.store.expire(host.user.id);
  const used = suite.authorizationServer.refreshes().length;
  const held = suite.authorizationServer.hold('carried out');
  const reinit = host.reinit();
  const goOn = await held;
  failures = 1;
  goOn();
  expect(await reinit).toMatchObject({ success: true, oauthRequired: false });
  expect(failures).toBe(0);
  expect(suite.authorizationServer.refreshes()).toHaveLength(used + 1);
});

test.each([
  ['at once', 0],
  ['after the expired token was read', 1],
])('a token store that is away, %s, is no reason to sign in again', async (_, reads) => {
  const host = await suite.host();
  await authorize(host);
  const { tokenMethods } = host.services;
  await host.runtime.manager.disconnectUserConnections(host.user.id);
  if (reads > 0) await host.store.expire(host.user.id);
  let left = reads;
  host.services.tokenMethods = {
    ...tokenMethods,
    async findToken(query) {
      if (query.type === 'mcp_oauth' && left-- <= 0) throw new Error('the database fails over');
      return tokenMethods.findToken(query);
    },
  };
  const unavailable = { code: 'MCP_TOKEN_STORAGE_UNAVAILABLE', retryable: true };
  expect(await host.reinit()).toMatchObject({
    success: false,
    oauthRequired: false,
    oauthUrl: null,
    error: unavailable,
  });
  host.services.tokenMethods = tokenMethods;
  expect(await host.reinit()).toMatchObject({ success: true, oauthRequired: false });
});

describe('one browser, several callbacks', () => {
  test('the code is redeemed once, and everybody gets the tokens', async () => {
    const { runtime, flowManager, reinit } = await suite.host();
    const { oauthUrl } = await reinit();
    const parameters = await suite.authorizationServer.signIn(oauthUrl);
    const [code, state, iss] = ['code', 'state', 'iss'].map((name) => parameters.get(name));
    const flowId = await runtime.oauth.resolveStateToFlowId(state, flowManager);
    const persist = jest.fn(async (tokens) => tokens);
    const complete = () => runtime.oauth.completeOAuthFlow(flowId, code, flowManager, {}, persist, { state, iss });
    const all = await Promise.all([complete(), complete(), complete()]);
    expect(persist).toHaveBeenCalledTimes(1);
    expect(new Set(all.map((tokens) => tokens.access_token)).size).toBe(1);
    expect((await flowManager.getFlowState(flowId, 'mcp_oauth')).status).toBe('COMPLETED');
  });
});

describe('a host that completes a flow within its own transaction', () => {
  const begin = async () => {
    const host = await suite.host();
    const { oauthUrl } = await host.reinit();
    const parameters = await suite.authorizationServer.signIn(oauthUrl);
    const { oauth } = host.runtime;
    const flowId = await oauth.resolveStateToFlowId(parameters.get('state'), host.flowManager);
    const { createdAt, metadata } = await host.flowManager.getFlowState(flowId, 'mcp_oauth');
    const attempt = { createdAt, state: metadata.state };
    const complete = (...last) =>
      oauth.completeOAuthFlow(flowId, parameters.get('code'), host.flowManager, {}, ...last);
    return { ...host, flowId, attempt, complete, state: () => host.flowManager.getFlowState(flowId, 'mcp_oauth') };
  };

  test('the flow has the tokens before the function returns, and is not completed again', async () => {
    const { flowManager, attempt, complete, state } = await begin();
    const completed = jest.spyOn(flowManager, 'completeFlow');
    const rollBack = jest.fn();
    const persist = async (tokens, completePersistedFlow) => {
      await completePersistedFlow(tokens);
      expect((await state()).status).toBe('COMPLETED');
      return tokens;
    };
    const tokens = await complete(persist, rollBack, attempt);
    expect((await state()).result.access_token).toBe(tokens.access_token);
    expect(completed).toHaveBeenCalledTimes(1);
    expect(rollBack).not.toHaveBeenCalled();
  });

  /** As LibreChat's flow manager since autumn: what has taken the place of an attempt is left alone. */
  const comparing = (flowManager) => {
    const guarded = (settle) => async (id, kind, createdAt, state, outcome) => {
      const flow = await flowManager.getFlowState(id, kind);
      if (!flow) return 'missing';
      if (flow.createdAt !== createdAt || flow.metadata.state !== state) return 'stale';
      await settle(id, kind, outcome);
      return 'updated';
    };
    flowManager.completeFlowIfCurrent = guarded((...flow) => flowManager.completeFlow(...flow));
    flowManager.failFlowIfCurrent = guarded((...flow) => flowManager.failFlow(...flow));
  };
  const cancelled = 'OAuth flow was cancelled before completion';

  test.each([
    ['by itself', async (tokens) => tokens],
    ['within the function', async (tokens, completePersistedFlow) => completePersistedFlow(tokens)],
    [
      'within a function that does not mind',
      async (tokens, completePersistedFlow) => {
        await completePersistedFlow(tokens).catch(() => {});
        return tokens;
      },
    ],
  ])('a flow that has taken the place is neither completed nor failed: %s', async (_, store) => {
    const { flowManager, flowId, attempt, complete, state } = await begin();
    comparing(flowManager);
    const persist = async (tokens, completePersistedFlow) => {
      await flowManager.initFlow(flowId, 'mcp_oauth', { state: 'of another attempt' });
      return store(tokens, completePersistedFlow);
    };
    await expect(complete(persist, jest.fn(), attempt)).rejects.toThrow(cancelled);
    expect(await state()).toMatchObject({ status: 'PENDING', metadata: { state: 'of another attempt' } });
  });

  test('what was stored is undone where the flow was deleted meanwhile', async () => {
    const { flowManager, flowId, attempt, complete, state } = await begin();
    comparing(flowManager);
    const rollBack = jest.fn();
    const persist = async (tokens) => {
      await flowManager.deleteFlow(flowId, 'mcp_oauth');
      return tokens;
    };
    await expect(complete(persist, rollBack, attempt)).rejects.toThrow(cancelled);
    expect(rollBack).toHaveBeenCalledTimes(1);
    expect(await state()).toBeFalsy();
  });

  test('a flow is completed once, however often the function asks for it', async () => {
    const { flowManager, attempt, complete, state } = await begin();
    comparing(flowManager);
    const persist = async (tokens, completePersistedFlow) => {
      await Promise.all([completePersistedFlow(tokens), completePersistedFlow(tokens)]);
      return tokens;
    };
    await complete(persist, undefined, attempt);
    expect((await state()).status).toBe('COMPLETED');
  });

  test('the attempt and what the browser brought are looked at without a function that undoes', async () => {
    const { attempt, complete } = await begin();
    const persist = jest.fn(async (tokens) => tokens);
    await expect(complete(persist, undefined, { ...attempt, state: 'another' })).rejects.toThrow(
      'attempt was replaced',
    );
    await expect(complete(persist, undefined, attempt, { state: 'another' })).rejects.toThrow('does not belong');
    expect(persist).not.toHaveBeenCalled();
  });

  test('what was stored is undone where the flow cannot be completed', async () => {
    const { flowManager, attempt, complete } = await begin();
    flowManager.completeFlow = async () => {
      throw new Error('no room');
    };
    const rollBack = jest.fn();
    await expect(complete(async (tokens) => tokens, rollBack, attempt)).rejects.toThrow('no room');
    expect(rollBack).toHaveBeenCalledWith(expect.objectContaining({ credential_set_id: expect.any(String) }));
  });

  test('a code is not redeemed for a flow that was replaced', async () => {
    const { attempt, complete, state } = await begin();
    const persist = jest.fn();
    const other = complete(persist, jest.fn(), { ...attempt, createdAt: attempt.createdAt - 1 });
    await expect(other).rejects.toThrow('OAuth flow attempt was replaced before token exchange');
    expect(persist).not.toHaveBeenCalled();
    expect((await state()).status).toBe('PENDING');
    await complete(async (tokens) => tokens, jest.fn(), attempt);
    expect((await state()).status).toBe('COMPLETED');
  });

  test('a cancelled flow fails with its state, and another in its place is left alone', async () => {
    const { runtime, flowManager, flowId, attempt, state } = await begin();
    const fail = (flow) =>
      runtime.oauth.failFlowAndDeleteStateMapping(flowId, flow, flowManager, new Error('cancelled'));
    const mapped = () => runtime.oauth.resolveStateToFlowId(attempt.state, flowManager);
    const observed = await state();
    await fail({ ...observed, createdAt: observed.createdAt - 1, metadata: { state: 'another' } });
    expect([(await state()).status, await mapped()]).toEqual(['PENDING', flowId]);
    await fail(observed);
    expect([(await state()).status, (await state()).error, await mapped()]).toEqual(['FAILED', 'cancelled', null]);
  });
});
