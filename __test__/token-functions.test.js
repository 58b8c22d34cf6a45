/** `runtime.tokens`: LibreChat's `MCPTokenStorage`, function by function. */

const { serverName, useOAuthFunctions } = require('./support/oauth-functions');
const { connected } = require('./support/results');
const { TOOLS } = require('./support/tools');

const { authorized } = useOAuthFunctions();

describe('runtime.tokens', () => {
  test('storeTokens and getTokens', async () => {
    const { tokens, login, row, given, store, user, reinit } = await authorized();
    await tokens.storeTokens(login);
    expect(Object.keys(await store.rows(user.id)).sort()).toEqual([
      'mcp_oauth',
      'mcp_oauth_client',
      'mcp_oauth_refresh',
    ]);
    const read = await tokens.getTokens(row);
    expect(read).toMatchObject({
      access_token: given.access_token,
      refresh_token: given.refresh_token,
      token_type: 'Bearer',
    });
    expect(Math.abs(read.expires_at - given.expires_at)).toBeLessThan(60_000);
    expect(await reinit()).toEqual(connected(serverName, TOOLS));
  });

  test('storeTokens without a refresh token leaves none of before', async () => {
    const { tokens, row, given, store, user } = await authorized();
    await tokens.storeTokens({ ...row, tokens: given });
    const { refresh_token: _, credential_set_id: __, ...rest } = given;
    await tokens.storeTokens({ ...row, tokens: { ...rest, access_token: 'another-access-token' } });
    expect(await store.plain(user.id)).toEqual({ mcp_oauth: 'another-access-token' });
  });

  test('storeTokens refuses what has no access token', async () => {
    const { tokens, row } = await authorized();
    await expect(tokens.storeTokens({ ...row, tokens: {} })).rejects.toMatchObject({ code: 'MCP_INVALID_ARGUMENT' });
  });

  test('getTokens refreshes what has expired, with the stored client, and stores what comes back', async () => {
    const { tokens, login, row, clientInfo, metadata, store, user, refresh } = await authorized();
    await tokens.storeTokens(login);
    await store.expire(user.id);
    expect(await tokens.getTokens(row)).toBeNull();
    const seen = [];
    const refreshTokens = async (token, known) => {
      seen.push(known);
      return refresh(token);
    };
    const refreshed = await tokens.getTokens({ ...row, refreshTokens });
    expect(seen).toEqual([
      {
        userId: user.id,
        serverName,
        identifier: `mcp:${serverName}`,
        clientInfo,
        storedTokenEndpoint: metadata.token_endpoint,
        storedAuthMethods: metadata.token_endpoint_auth_methods_supported,
      },
    ]);
    expect(await store.plain(user.id)).toMatchObject({
      mcp_oauth: refreshed.access_token,
      mcp_oauth_refresh: refreshed.refresh_token,
    });
  });

  test('getTokens where there is nothing to refresh with', async () => {
    const { tokens, row } = await authorized();
    await expect(tokens.getTokens(row)).rejects.toMatchObject({
      name: 'ReauthenticationRequiredError',
      code: 'MCP_REAUTHENTICATION_REQUIRED',
      message: `Re-authentication required for "${serverName}": access token missing and no refresh token available`,
    });
  });

  test('getTokens where the server has forgotten the client: its rows go', async () => {
    const { tokens, login, row, store, user } = await authorized();
    await tokens.storeTokens(login);
    await store.expire(user.id);
    const refreshTokens = () => Promise.reject(new Error('invalid_client: client not found'));
    await expect(tokens.getTokens({ ...row, refreshTokens })).rejects.toMatchObject({
      name: 'ReauthenticationRequiredError',
    });
    expect(Object.keys(await store.rows(user.id))).toEqual(['mcp_oauth']);
  });

  const binding = {
    name: 'ReauthenticationRequiredError',
    message: `Re-authentication required for "${serverName}": stored OAuth binding metadata is missing or no longer valid`,
  };

  /** Credential sets of a user's rows, by type. */
  async function sets({ store, user }) {
    const rows = Object.entries(await store.rows(user.id));
    return Object.fromEntries(rows.map(([type, { metadata }]) => [type, metadata.credential_set_id]));
  }

  test('storeTokens makes all rows of one credential set, and says which', async () => {
    const host = await authorized();
    const { tokens, login, given, metadata, store, user } = host;
    const forged = { ...metadata, credential_set_id: 'of-the-provider' };
    const stored = await tokens.storeTokens({ ...login, metadata: forged });
    const { credential_set_id } = stored;
    expect(stored).toMatchObject({ ...given, credential_set_id: expect.not.stringMatching('provider') });
    const rows = await store.rows(user.id);
    expect(rows.mcp_oauth.metadata).toEqual({ credential_set_id });
    expect(rows.mcp_oauth_refresh.metadata).toEqual({ credential_set_id });
    expect(rows.mcp_oauth_client.metadata).toEqual({ ...metadata, credential_set_id });

    const { credential_set_id: _, ...unnamed } = given;
    const renamed = await tokens.storeTokens({ ...login, tokens: unnamed });
    expect(renamed.credential_set_id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(new Set(Object.values(await sets(host)))).toEqual(new Set([renamed.credential_set_id]));
  });

  test('storeTokens of a refresh wants the rows that were refreshed', async () => {
    const host = await authorized();
    const { tokens, login, given } = host;
    const { credential_set_id: first } = await tokens.storeTokens(login);
    const { credential_set_id: _, refresh_token: __, ...rest } = given;
    const refresh = (expectedCredentialSetId, more) =>
      tokens.storeTokens({ ...login, tokens: { ...rest, ...more }, expectedCredentialSetId });
    await expect(refresh('another')).rejects.toMatchObject(binding);
    await expect(refresh(first, { credential_set_id: 'another' })).rejects.toMatchObject(binding);
    const { credential_set_id: second } = await refresh(first);
    expect(second).not.toBe(first);
    expect(await sets(host)).toEqual({ mcp_oauth: second, mcp_oauth_refresh: second, mcp_oauth_client: second });
    await expect(refresh(first)).rejects.toMatchObject(binding);
  });

  test('storeTokens that loses to another writer leaves what that stored', async () => {
    const host = await authorized();
    const { tokens, login, row, given, store, user } = host;
    await tokens.storeTokens(login);
    const { credential_set_id: _, ...rest } = given;
    const as = (name) => ({ ...login, tokens: { ...rest, access_token: name } });
    const updates = [];
    const updateToken = async (filter, update) => {
      // Between what this one has read and what it writes.
      if (updates.push(filter.type) === 1) await tokens.storeTokens(as('the-other'));
      return row.updateToken(filter, update);
    };
    await expect(tokens.storeTokens({ ...as('late'), updateToken })).rejects.toMatchObject(binding);
    expect(updates).toEqual(['mcp_oauth']);
    expect(await store.plain(user.id)).toMatchObject({ mcp_oauth: 'the-other' });
    expect(new Set(Object.values(await sets(host))).size).toBe(1);
  });

  test('storeTokens takes what its caller has looked up', async () => {
    const { tokens, login, row, store, user } = await authorized();
    await tokens.storeTokens(login);
    const rows = await store.rows(user.id);
    const existingTokens = {
      accessToken: rows.mcp_oauth,
      refreshToken: rows.mcp_oauth_refresh,
      clientInfoToken: rows.mcp_oauth_client,
    };
    const findToken = jest.fn(row.findToken);
    await tokens.storeTokens({ ...login, findToken, existingTokens });
    expect(findToken).not.toHaveBeenCalled();
  });

  test('forceRefreshTokens: one refresh for all who ask, and for those who stop waiting', async () => {
    const { tokens, login, row, refresh, store, user } = await authorized();
    await tokens.storeTokens(login);
    let open;
    const gate = new Promise((resolve) => {
      open = resolve;
    });
    const refreshTokens = jest.fn(async (token) => {
      await gate;
      return refresh(token);
    });
    const onRefreshSuccess = jest.fn();
    const controller = new AbortController();
    const params = { ...row, refreshTokens };
    const impatient = tokens.forceRefreshTokens({ ...params, onRefreshSuccess, signal: controller.signal });
    const others = [tokens.forceRefreshTokens(params), tokens.forceRefreshTokens(params)];
    controller.abort();
    expect(await impatient).toBeNull();
    open();
    const [one, other] = await Promise.all(others);
    expect(one).toEqual(other);
    expect(await store.plain(user.id)).toMatchObject({ mcp_oauth: one.access_token });
    expect(refreshTokens).toHaveBeenCalledTimes(1);
    expect(refreshTokens.mock.calls[0][2]).toBeInstanceOf(AbortSignal);
    expect(onRefreshSuccess.mock.calls).toEqual([[one]]);
    await expect(tokens.forceRefreshTokens({ ...params, createToken: undefined })).resolves.toBeNull();
  });

  test('hasStoredAuthorization, isCurrentAccessToken and assertCredentialSetBinding', async () => {
    const { tokens, login, row, given, clientInfo, metadata, store, user } = await authorized();
    const has = (validateClientBinding = () => undefined) =>
      tokens.hasStoredAuthorization({ ...row, validateClientBinding });
    expect(await has()).toBe(false);
    const { credential_set_id } = await tokens.storeTokens(login);
    const validate = jest.fn();
    expect(await has(validate)).toBe(true);
    expect(validate).toHaveBeenCalledWith(clientInfo, { ...metadata, credential_set_id });
    const refuse = () => {
      throw new Error('another client');
    };
    expect(await has(refuse)).toBe(false);

    const isCurrent = (accessToken, credentialSetId) =>
      tokens.isCurrentAccessToken({ ...row, accessToken, credentialSetId });
    expect(await isCurrent(given.access_token, credential_set_id)).toBe(true);
    expect(await isCurrent(given.access_token, 'another')).toBe(false);
    expect(await isCurrent(given.access_token, undefined)).toBe(false);
    expect(await isCurrent('another', credential_set_id)).toBe(false);

    const assert = (id, client) => tokens.assertCredentialSetBinding(serverName, id, client);
    expect(assert('a', { credential_set_id: 'a' })).toBeUndefined();
    for (const [id, client] of [
      ['a', { credential_set_id: 'b' }],
      ['a', {}],
      ['a'],
      [undefined, {}],
      ['', { credential_set_id: '' }],
    ]) {
      expect(() => assert(id, client)).toThrow(expect.objectContaining(binding));
    }

    await store.expire(user.id);
    expect(await has()).toBe(true);
    expect(await isCurrent(given.access_token, credential_set_id)).toBe(false);
    await row.deleteTokens({ userId: user.id, type: 'mcp_oauth_refresh', identifier: `mcp:${serverName}:refresh` });
    expect(await has()).toBe(false);
  });

  test('deleteClientRegistration of one credential set leaves others', async () => {
    const host = await authorized();
    const { tokens, login, row } = host;
    const { credential_set_id } = await tokens.storeTokens(login);
    await tokens.deleteClientRegistration({ ...row, credentialSetId: 'another' });
    expect(Object.keys(await sets(host))).toContain('mcp_oauth_client');
    await tokens.deleteClientRegistration({ ...row, credentialSetId: credential_set_id });
    expect(Object.keys(await sets(host))).not.toContain('mcp_oauth_client');
    await expect(tokens.getTokens(row)).rejects.toMatchObject(binding);
  });

  test('getClientInfoAndMetadata, deleteClientRegistration, deleteUserTokens', async () => {
    const { tokens, login, row, clientInfo, metadata, store, user } = await authorized();
    expect(await tokens.getClientInfoAndMetadata(row)).toBeNull();
    const stored = await tokens.storeTokens(login);
    const clientMetadata = { ...metadata, credential_set_id: stored.credential_set_id };
    expect(await tokens.getClientInfoAndMetadata(row)).toEqual({ clientInfo, clientMetadata });
    await tokens.deleteClientRegistration(row);
    expect(Object.keys(await store.rows(user.id)).sort()).toEqual(['mcp_oauth', 'mcp_oauth_refresh']);
    await tokens.deleteUserTokens({ ...row, deleteToken: row.deleteTokens });
    expect(await store.rows(user.id)).toEqual({});
  });
});
