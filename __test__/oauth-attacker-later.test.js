/**
 * MCP servers that come into an attacker's hands when a user has signed in, and want refresh tokens and client secrets. The
 * honest authorization server is a real one; the attacker's MCP server notes every request.
 */

const { LURES, itself, useAttacks } = require('./support/attacks');
const { completeAuthorization } = require('./support/authorization');
const { ECHO } = require('./support/calls');
const { connected } = require('./support/results');
const { TOOLS } = require('./support/tools');

const { honest, signedIn } = useAttacks();

describe('a user who has signed in', () => {
  /** How a refresh comes about once the server has changed: `(host) => value`, and what it comes to. */
  const REFRESHES = {
    'a restart': async (host) => {
      await host.store.expire(host.user.id);
      await host.restart();
      expect(await host.reinit()).toEqual(connected('srv', TOOLS));
    },
    'the reconnection manager': async (host) => {
      await host.store.expire(host.user.id);
      await host.restart();
      const { runtime, flowManager, store, user } = host;
      const manager = await runtime.OAuthReconnectionManager.createInstance(flowManager, store.services.tokenMethods);
      expect(await manager.reconnectServer(user.id, 'srv')).toBe(true);
    },
  };

  const cases = LURES.map(([name, lure]) => [name, 'a restart', lure]);
  // It takes the same way.
  cases.push([LURES[0][0], 'the reconnection manager', LURES[0][1]]);

  test.each(cases)('%s, then %s: the refresh token goes to its issuer', async (_, way, lure) => {
    const { host, attacker, real, secrets } = await signedIn();
    attacker.publish(lure(attacker, host, real));
    const before = honest().refreshes().length;
    await REFRESHES[way](host);
    expect(honest().refreshes()).toHaveLength(before + 1);
    const { mcp_oauth_refresh: rotated } = await host.store.plain(host.user.id);
    expect(attacker.carried(...secrets, rotated)).toEqual([]);
  });

  test('a 401 in a session that names another resource document', async () => {
    const { host, attacker, tokens, secrets } = await signedIn();
    expect(await host.echo('before')).toContain('before');
    const document = `${attacker.origin}/.well-known/oauth-protected-resource/other`;
    attacker.publish({
      ...itself(attacker, host),
      challenge: ({ headers }) =>
        headers.authorization === `Bearer ${tokens.access_token}` && {
          status: 401,
          header: `Bearer error="invalid_token", resource_metadata="${document}"`,
        },
    });
    expect(await host.echo('after')).toContain('after');
    expect(attacker.carried(...secrets)).toEqual([]);
  });

  test('a 403 that wants more scopes and names another resource document', async () => {
    const { host, attacker, secrets } = await signedIn();
    expect(await host.echo('before')).toContain('before');
    const document = `${attacker.origin}/.well-known/oauth-protected-resource/other`;
    attacker.publish({
      ...itself(attacker, host),
      challenge: (_, message) =>
        message?.method === 'tools/call' && {
          status: 403,
          header: `Bearer error="insufficient_scope", scope="more", resource_metadata="${document}"`,
        },
    });
    let offered;
    const oauthStart = async (url) => {
      offered = url;
      throw new Error('the user does not go there');
    };
    await expect(host.runtime.manager.callTool({ ...ECHO, user: host.user, oauthStart })).rejects.toThrow();
    expect(offered).toMatch(attacker.origin);
    expect(attacker.carried(...secrets)).toEqual([]);
  });

  test.each(LURES)('%s: a new flow does not take the stored client there', async (_, lure) => {
    const { host, attacker, real, clientInfo, secrets } = await signedIn();
    await host.store.services.tokenMethods.deleteTokens({ userId: host.user.id, type: 'mcp_oauth' });
    await host.store.services.tokenMethods.deleteTokens({ userId: host.user.id, type: 'mcp_oauth_refresh' });
    await host.flowManager.deleteFlow(`${host.user.id}:srv`, 'mcp_oauth');
    attacker.publish(lure(attacker, host, real));
    const { oauthUrl } = await host.reinit();
    if (oauthUrl) expect(new URL(oauthUrl).searchParams.get('client_id')).not.toBe(clientInfo.client_id);
    expect(attacker.carried(...secrets)).toEqual([]);
  });

  test.each([
    ['deleteTokens', ({ tokenMethods }) => tokenMethods],
    ['no deleteTokens', ({ tokenMethods: { deleteTokens, ...others } }) => others],
  ])('a login with the attacker that brings no refresh token, the callback has %s', async (_, methods) => {
    const { host, attacker, secrets } = await signedIn();
    attacker.publish(itself(attacker, host));
    const { server, user, flowManager } = host;
    const { oauth } = host.runtime;
    const allowed = [server.address, honest().address];
    const flow = await oauth.initiateOAuthFlow('srv', server.url, user.id, {}, {}, null, undefined, allowed);
    await flowManager.initFlow(flow.flowId, 'mcp_oauth', flow.flowMetadata);
    await oauth.storeStateMapping(flow.flowMetadata.state, flow.flowId, flowManager);
    const services = { ...host.services, tokenMethods: methods(host.services) };
    const parameters = new URLSearchParams({ code: 'of-the-attacker', state: flow.flowMetadata.state });
    await completeAuthorization({ ...host, services }, parameters);
    await host.store.expire(user.id);
    await host.restart();
    expect((await host.reinit()).oauthUrl).toMatch(attacker.origin);
    expect(attacker.carried(...secrets)).toEqual([]);
  });

  /** What the client's row says about the grant, and where the refresh token may go. */
  const ROWS = [
    ['a token endpoint', ({ token_endpoint }) => ({ token_endpoint }), 'issuer'],
    ['an issuer', ({ issuer }) => ({ issuer }), 'issuer'],
    ['nothing', () => ({}), 'nobody'],
    ['no text for either', () => ({ issuer: 5, token_endpoint: ['x'] }), 'nobody'],
    ['the MCP server’s URL as the issuer', (_, { server }) => ({ issuer: server.url }), 'nobody'],
    [
      'another MCP server',
      ({ token_endpoint }) => ({ token_endpoint, server_url: 'https://mcp.example/mcp' }),
      'nobody',
    ],
    ['no row', null, 'nobody'],
  ];

  test.each(ROWS)('the client’s row has %s', async (_, metadata, expected) => {
    const { host, attacker, real, secrets } = await signedIn();
    const row = { userId: host.user.id, type: 'mcp_oauth_client' };
    const { tokenMethods } = host.store.services;
    await (metadata
      ? tokenMethods.updateToken(row, { metadata: metadata(real, host) })
      : tokenMethods.deleteTokens(row));
    await host.store.expire(host.user.id);
    await host.restart();
    // The attacker is an authorization server of its own; the resource document still names the honest one.
    attacker.publish({ metadata: attacker.metadata({ issuer: host.server.url }) });
    const before = honest().refreshes().length;
    const result = await host.reinit();
    expect(honest().refreshes()).toHaveLength(before + (expected === 'issuer' ? 1 : 0));
    expect(Boolean(result.oauthUrl)).toBe(expected === 'nobody');
    expect(attacker.carried(...secrets)).toEqual([]);
  });

  test('a client’s row that cannot be read: nothing is sent', async () => {
    const { host, attacker, secrets } = await signedIn();
    const row = { userId: host.user.id, type: 'mcp_oauth_client' };
    await host.store.services.tokenMethods.updateToken(row, { token: 'ab:cd' });
    await host.store.expire(host.user.id);
    await host.restart();
    attacker.publish(itself(attacker, host));
    expect((await host.reinit()).oauthUrl).toMatch(attacker.origin);
    expect(attacker.carried(...secrets)).toEqual([]);
  });

  test('refreshOAuthTokens sends nothing where it is not told whose the token is', async () => {
    const { host, attacker, tokens, clientInfo, real, secrets } = await signedIn();
    attacker.publish(itself(attacker, host));
    const { server, runtime } = host;
    const allowed = [server.address, honest().address];
    const known = { serverName: 'srv', serverUrl: server.url, clientInfo };
    const refresh = (metadata, config) =>
      runtime.oauth.refreshOAuthTokens(tokens.refresh_token, metadata, {}, config, null, allowed);
    const stored = { ...known, storedTokenEndpoint: real.token_endpoint };
    const before = honest().refreshes().length;
    for (const [metadata, config] of [
      [known],
      [{ serverName: 'srv', serverUrl: server.url }],
      [stored, { token_url: `${attacker.origin}/token` }],
      [{ ...stored, storedServerUrl: 'https://mcp.example/mcp' }],
    ]) {
      await expect(refresh(metadata, config)).rejects.toMatchObject({ code: 'MCP_REAUTHENTICATION_REQUIRED' });
    }
    expect(honest().refreshes()).toHaveLength(before);
    expect(attacker.carried(...secrets)).toEqual([]);
    const more = { storedServerUrl: server.url, clientSource: 'dynamic', resource: server.url };
    expect(await refresh({ ...stored, ...more })).toMatchObject({ access_token: expect.any(String) });
    expect(attacker.carried(...secrets)).toEqual([]);
  });

  test('revokeOAuthToken asks the issuer for its endpoint, and nobody else', async () => {
    const { host, attacker, tokens, clientInfo, real, secrets } = await signedIn();
    attacker.publish({ metadata: attacker.metadata({ issuer: host.server.url }) });
    const { server, runtime } = host;
    const known = {
      serverUrl: server.url,
      clientId: clientInfo.client_id,
      clientSecret: clientInfo.client_secret,
    };
    const revoke = (more) =>
      runtime.oauth.revokeOAuthToken('srv', tokens.refresh_token, 'refresh', { ...known, ...more }, {}, null, [
        server.address,
        honest().address,
      ]);
    for (const more of [{}, { issuer: server.url }]) {
      await expect(revoke(more)).rejects.toMatchObject({ code: 'MCP_OAUTH_REVOCATION_FAILED' });
    }
    // Metadata that is not the issuer's own.
    await expect(revoke({ issuer: attacker.origin })).rejects.toMatchObject({ code: 'MCP_OAUTH_DISCOVERY_FAILED' });
    expect(attacker.carried(...secrets)).toEqual([]);
    await revoke({ issuer: real.issuer });
    expect(await honest().introspect(tokens.refresh_token)).toMatchObject({ active: false });
    expect(attacker.carried(...secrets)).toEqual([]);
  });
});
