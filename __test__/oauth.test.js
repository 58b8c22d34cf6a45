/** Users who authorize with a real authorization server, their tokens in LibreChat's own collection. */

const { subscribe, unsubscribe } = require('node:diagnostics_channel');
const { completeAuthorization, useAuthorization } = require('./support/authorization');
const { createUser } = require('./support/host');
const { startProcess } = require('./support/processes');
const { connected } = require('./support/results');
const { decryptV2, encryptV2 } = require('./support/token-store');
const { TOOLS } = require('./support/tools');

const suite = useAuthorization();

const requestsTo = (path) => suite.authorizationServer.requests.filter((request) => request.path === path);
const refreshes = () => suite.authorizationServer.refreshes().length;

describe('signing in', () => {
  test('the next reinit lists the tools', async () => {
    const host = await suite.host();
    const first = await host.reinit();
    expect(first).toMatchObject({ success: true, oauthRequired: true, tools: null });
    expect(first.oauthUrl).toMatch(`${suite.authorizationServer.issuer}/auth?`);
    expect(first.oauthExpiresAt).toBeGreaterThan(Date.now());

    const { tokens } = await host.authorize();
    expect(tokens).toMatchObject({ access_token: expect.any(String), refresh_token: expect.any(String) });
    expect(await host.reinit()).toEqual(connected('srv', TOOLS));
    expect(new Set(host.bearers('tools/list'))).toEqual(new Set([tokens.access_token]));
  });

  test('a call that waits goes on when the user has come back, and stores the tokens', async () => {
    const host = await suite.host();
    const events = [];
    const { runtime, flowManager } = host;
    const oauthStart = async (url) => {
      events.push('start');
      const parameters = await suite.authorizationServer.signIn(url);
      const [code, state, iss] = ['code', 'state', 'iss'].map((name) => parameters.get(name));
      const flowId = await runtime.oauth.resolveStateToFlowId(state, flowManager);
      await runtime.oauth.completeOAuthFlow(flowId, code, flowManager, {}, { state, iss });
    };
    const oauthEnd = () => events.push('end');
    expect(await host.reinit({ returnOnOAuth: false, oauthStart, oauthEnd })).toEqual(connected('srv', TOOLS));
    expect(events).toEqual(['start', 'end']);
    const { mcp_oauth: access, mcp_oauth_client: client } = await host.store.plain(host.user.id);
    expect(host.bearers('tools/list')).toEqual([access]);
    expect(JSON.parse(client)).toMatchObject({ client_id: expect.any(String) });
  });

  test('calls at the same time get one URL, and the client is registered once', async () => {
    const host = await suite.host();
    const before = requestsTo('/reg').length;
    const results = await Promise.all(Array.from({ length: 10 }, () => host.reinit()));
    expect(new Set(results.map(({ oauthUrl }) => oauthUrl)).size).toBe(1);
    expect(requestsTo('/reg')).toHaveLength(before + 1);
  });

  test('a flow that nobody completed in two minutes is replaced, and its URL leads nowhere', async () => {
    const host = await suite.host();
    const { runtime, flowManager } = host;
    const first = await host.reinit();
    const key = flowManager.key(runtime.oauth.generateFlowId(host.user.id, 'srv'), 'mcp_oauth');
    const flow = await flowManager.keyv.get(key);
    await flowManager.keyv.set(key, { ...flow, createdAt: flow.createdAt - 2 * 60 * 1000 });
    const second = await host.reinit();
    const stateOf = ({ oauthUrl }) => new URL(oauthUrl).searchParams.get('state');
    expect(stateOf(second)).not.toBe(stateOf(first));
    expect(await runtime.oauth.resolveStateToFlowId(stateOf(first), flowManager)).toBeNull();
    await completeAuthorization(host, await suite.authorizationServer.signIn(second.oauthUrl));
    expect(await host.reinit()).toEqual(connected('srv', TOOLS));
  });

  test('how long a user has, and that the flow lives longer, by the environment', async () => {
    const { server } = await suite.host();
    const allow = [server.address, suite.authorizationServer.address];
    const parameters = { mongo: suite.mongo, config: server.config(), allow, user: createUser() };
    const worker = suite.fixtures.keep(startProcess('authorization-time.js', parameters));
    for (const [variables, minutes] of [
      [{}, 2],
      [{ MCP_OAUTH_HANDLING_TIMEOUT: '5 * 60 * 1000' }, 5],
      [{ MCP_OAUTH_HANDLING_TIMEOUT: '1800000' }, 30],
      [{ MCP_OAUTH_HANDLING_TIMEOUT: 'soon' }, 2],
      // Were it believed, the flow would be over before the second call.
      [{ MCP_OAUTH_FLOW_TTL: '1' }, 2],
    ]) {
      const { left, urls } = await worker.ask({ variables });
      // A minute for a busy machine.
      expect(left).toBeGreaterThan((minutes - 1) * 60_000);
      expect(left).toBeLessThanOrEqual(minutes * 60_000);
      expect(urls).toEqual([expect.stringContaining('/auth?'), urls[0]]);
    }
  });

  test('what the client asks for: a code with a proof key, for this server, with refresh tokens', async () => {
    const host = await suite.host();
    const { oauthUrl } = await host.reinit();
    expect(Object.fromEntries(new URL(oauthUrl).searchParams)).toMatchObject({
      response_type: 'code',
      code_challenge_method: 'S256',
      resource: host.server.url,
      scope: 'mcp offline_access',
      redirect_uri: 'http://localhost:3080/api/mcp/srv/oauth/callback',
    });
    expect(requestsTo('/reg').at(-1).body).toMatchObject({
      client_name: 'LibreChat MCP Client',
      response_types: ['code'],
      grant_types: ['authorization_code', 'refresh_token'],
    });
  });
});

describe('a token that ends', () => {
  test('expired: refreshed before connecting, every time with the refresh token that came last', async () => {
    const host = await suite.host();
    const first = await host.authorize();
    const seen = new Set([first.tokens.refresh_token]);
    const before = refreshes();
    for (const round of [1, 2, 3]) {
      await host.store.expire(host.user.id);
      await host.restart();
      expect(await host.reinit()).toEqual(connected('srv', TOOLS));
      const stored = await host.store.plain(host.user.id);
      expect(host.bearers('tools/list').at(-1)).toBe(stored.mcp_oauth);
      seen.add(stored.mcp_oauth_refresh);
      expect(seen.size).toBe(1 + round);
    }
    expect(refreshes()).toBe(before + 3);
  });

  test('a refresh is counted, and told to subscribers without a token', async () => {
    const host = await suite.host();
    await host.authorize();
    await host.store.expire(host.user.id);
    await host.restart();
    const events = [];
    const listener = (event) => events.push(event);
    subscribe('librechat-mcp-native:token-refresh', listener);
    expect(await host.reinit()).toEqual(connected('srv', TOOLS));
    unsubscribe('librechat-mcp-native:token-refresh', listener);
    const { id: userId } = host.user;
    expect(events).toEqual([{ serverName: 'srv', userId, outcome: 'ok', durationMs: expect.any(Number) }]);
    expect(host.runtime.stats().oauthRefreshes).toEqual({ srv: { ok: 1 } });
    expect(host.runtime.metrics()).toContain('librechat_mcp_oauth_refreshes_total{server="srv",outcome="ok"} 1\n');
  });

  test('gone from the collection: refreshed as well', async () => {
    const host = await suite.host();
    await host.authorize();
    await host.store.services.tokenMethods.deleteTokens({ userId: host.user.id, type: 'mcp_oauth' });
    expect(await host.reinit()).toEqual(connected('srv', TOOLS));
  });

  test('about to expire: refreshed already', async () => {
    const host = await suite.host();
    const { tokens } = await host.authorize();
    await host.store.expire(host.user.id, 20_000);
    expect(await host.reinit()).toEqual(connected('srv', TOOLS));
    expect(host.bearers('tools/list')).not.toContain(tokens.access_token);
  });

  test('about to expire, and it cannot be refreshed: used while it lasts', async () => {
    const host = await suite.host();
    const { tokens } = await host.authorize();
    await host.store.services.tokenMethods.updateToken(
      { userId: host.user.id, type: 'mcp_oauth_refresh' },
      { token: await encryptV2('not-a-refresh-token') },
    );
    await host.store.expire(host.user.id, 20_000);
    expect(await host.reinit()).toEqual(connected('srv', TOOLS));
    expect(host.bearers('tools/list')).toEqual([tokens.access_token]);
    expect(host.logger.messages('error')).toEqual([expect.stringContaining('Failed to refresh tokens')]);
  });

  test('refused during a session: twenty calls share one refresh, and all succeed', async () => {
    const host = await suite.host();
    const { tokens } = await host.authorize();
    expect(await host.echo('before')).toContain('before');
    host.server.refused.add(tokens.access_token);
    const before = refreshes();
    const texts = Array.from({ length: 20 }, (_, index) => `call ${index}`);
    const answers = await Promise.all(texts.map((text) => host.echo(text)));
    for (const [index, text] of texts.entries()) expect(answers[index]).toContain(text);
    expect(refreshes()).toBe(before + 1);
    expect(host.server.received('initialize').filter(({ headers }) => headers.authorization)).toHaveLength(1);
  });

  test('revoked with the whole grant: the user is asked again, and the client is still known', async () => {
    const host = await suite.host();
    const { tokens, clientInfo, metadata } = await host.authorize();
    await host.runtime.oauth.revokeOAuthToken(
      'srv',
      tokens.refresh_token,
      'refresh',
      {
        serverUrl: host.server.url,
        clientId: clientInfo.client_id,
        clientSecret: clientInfo.client_secret,
        revocationEndpoint: metadata.revocation_endpoint,
      },
      {},
      null,
      [suite.authorizationServer.address],
    );
    const registered = requestsTo('/reg').length;
    const again = await host.reinit();
    expect(again).toMatchObject({ success: true, oauthRequired: true });
    expect(new URL(again.oauthUrl).searchParams.get('client_id')).toBe(clientInfo.client_id);
    expect(requestsTo('/reg')).toHaveLength(registered);
    await completeAuthorization(host, await suite.authorizationServer.signIn(again.oauthUrl));
    expect(await host.reinit()).toEqual(connected('srv', TOOLS));
  });
});

describe('the collection shared with LibreChat', () => {
  const year = 365 * 24 * 60 * 60;

  /** The rows as LibreChat's `MCPTokenStorage` writes them. */
  async function writeAsLibreChat({ store, user }, { tokens, clientInfo, metadata }, expiresIn) {
    const row = async (type, suffix, plain, rest) => {
      const token = await encryptV2(plain);
      const identifier = `mcp:srv${suffix}`;
      await store.services.tokenMethods.createToken({
        userId: user.id,
        type,
        identifier,
        token,
        expiresIn: year,
        ...rest,
      });
    };
    await row('mcp_oauth', '', tokens.access_token, { expiresIn });
    await row('mcp_oauth_refresh', ':refresh', tokens.refresh_token);
    await row('mcp_oauth_client', ':client', JSON.stringify(clientInfo), { metadata });
  }

  async function authorizedByLibreChat(expiresIn) {
    const host = await suite.host();
    const authorized = await host.authorize();
    await host.store.services.tokenMethods.deleteTokens({ userId: host.user.id });
    await writeAsLibreChat(host, authorized, expiresIn);
    await host.restart();
    return { host, ...authorized };
  }

  test('LibreChat’s rows are read: nobody signs in again, nothing is registered or refreshed', async () => {
    const { host, tokens } = await authorizedByLibreChat(3600);
    const before = suite.authorizationServer.requests.length;
    expect(await host.reinit()).toEqual(connected('srv', TOOLS));
    expect(host.bearers('tools/list')).toEqual([tokens.access_token]);
    expect(suite.authorizationServer.requests).toHaveLength(before);
  });

  test('LibreChat’s refresh token and client are used, and the rows stay its own', async () => {
    const { host, tokens } = await authorizedByLibreChat(-60);
    expect(await host.reinit()).toEqual(connected('srv', TOOLS));
    const [rows, plain] = [await host.store.rows(host.user.id), await host.store.plain(host.user.id)];
    expect(Object.keys(rows).sort()).toEqual(['mcp_oauth', 'mcp_oauth_client', 'mcp_oauth_refresh']);
    expect(plain.mcp_oauth_refresh).not.toBe(tokens.refresh_token);
    expect(host.bearers('tools/list')).toEqual([plain.mcp_oauth]);
  });

  test('LibreChat’s client is found when the user has to authorize again', async () => {
    const { host, clientInfo } = await authorizedByLibreChat(-60);
    const userId = host.user.id;
    await host.store.services.tokenMethods.deleteTokens({ userId, type: 'mcp_oauth_refresh' });
    const { oauthUrl } = await host.reinit();
    expect(new URL(oauthUrl).searchParams.get('client_id')).toBe(clientInfo.client_id);
  });

  test('our rows are LibreChat’s: names, encryption, lifetimes, metadata', async () => {
    const host = await suite.host();
    const { tokens } = await host.authorize();
    const userId = host.user.id;
    const find = (type, suffix) =>
      host.store.services.tokenMethods.findToken({ userId, type, identifier: `mcp:srv${suffix}` });
    const access = await find('mcp_oauth', '');
    const refresh = await find('mcp_oauth_refresh', ':refresh');
    const client = await find('mcp_oauth_client', ':client');

    for (const row of [access, refresh, client]) expect(row.token).toMatch(/^[0-9a-f]{32}:([0-9a-f]{32})+$/);
    expect(await decryptV2(access.token)).toBe(tokens.access_token);
    expect(await decryptV2(refresh.token)).toBe(tokens.refresh_token);
    expect(JSON.parse(await decryptV2(client.token))).toMatchObject({
      client_id: expect.any(String),
      client_secret: expect.any(String),
      redirect_uris: ['http://localhost:3080/api/mcp/srv/oauth/callback'],
    });
    const { issuer } = suite.authorizationServer;
    expect(client.metadata).toMatchObject({
      issuer,
      token_endpoint: `${issuer}/token`,
      token_endpoint_auth_methods_supported: expect.arrayContaining(['client_secret_basic']),
    });
    const seconds = ({ expiresAt, createdAt }) => Math.round((expiresAt - createdAt) / 1000);
    expect([access, refresh, client].map(seconds)).toEqual([expect.closeTo(3600, -1), year, year]);
  });

  test('our rows after a refresh are LibreChat’s too', async () => {
    const host = await suite.host();
    await host.authorize();
    await host.store.expire(host.user.id);
    await host.restart();
    await host.reinit();
    const { mcp_oauth: access, mcp_oauth_refresh: refresh } = await host.store.plain(host.user.id);
    const { tokenMethods } = host.store.services;
    // What LibreChat's getTokens does with a row that has not expired.
    const found = await tokenMethods.findToken({ userId: host.user.id, type: 'mcp_oauth', identifier: 'mcp:srv' });
    expect(found.expiresAt.getTime()).toBeGreaterThan(Date.now());
    const { active } = await suite.authorizationServer.introspect(access);
    expect(active).toBe(true);
    expect(await suite.authorizationServer.introspect(refresh)).toMatchObject({ active: true });
  });
});

test('a call that is refused with 403, without a word on how to authorize, says that the user has to', async () => {
  const host = await suite.host();
  await host.authorize();
  const { fault } = host.server;
  host.server.fault = async (exchange) => {
    const { request, response, message } = exchange;
    const status = request.url.startsWith('/.well-known/') ? 404 : message?.method === 'tools/call' && 403;
    if (!status) return fault(exchange);
    response.writeHead(status).end();
    return true;
  };
  // LibreChat knows by these words that it has to offer the sign-in.
  await expect(host.echo('x')).rejects.toThrow('OAuth authentication required');
});
