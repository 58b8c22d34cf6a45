/** The policy functions of the module. */

const addon = require('./support/addon');
const { useEnvironment } = require('./support/environment');

useEnvironment({ POLICY_HOST: 'example.com', POLICY_URL: 'https://example.com' });

describe('what a config is', () => {
  test('OAuth', () => {
    const cases = [
      [{}, false, false],
      [{ requiresOAuth: true }, true, true],
      [{ requiresOAuth: false, oauth: {} }, false, false],
      [{ oauth: {} }, true, true],
      [{ oauth: null }, false, false],
      [{ obo: { scopes: 's' } }, false, true],
      [{ requiresOAuth: 'yes' }, false, false],
    ];
    for (const [config, isOAuth, machinery] of cases) {
      expect([config, addon.isOAuthServer(config), addon.requiresOAuthMachinery(config)]).toEqual([
        config,
        isOAuth,
        machinery,
      ]);
    }
  });

  test('whose connection', () => {
    expect(addon.requiresUserScopedConnection({})).toBe(false);
    expect(addon.requiresUserScopedConnection({ obo: {} })).toBe(true);
    expect(addon.requiresUserScopedConnection({ requiresOAuth: true })).toBe(true);
    expect(addon.requiresUserScopedConnection({ customUserVars: {} })).toBe(false);
    expect(addon.requiresUserScopedConnection({ customUserVars: { A: {} } })).toBe(true);
    expect(addon.requiresUserScopedConnection({ headers: { A: '{{LIBRECHAT_USER_ID}}', B: 1 } })).toBe(true);
    expect(addon.requiresUserScopedConnection({ url: 'https://a/{{LIBRECHAT_BODY_TENANT}}' })).toBe(false);
    expect(addon.requiresUserScopedConnection({ oauth_headers: { A: '{{LIBRECHAT_OPENID_TOKEN}}' } })).toBe(true);
    for (const [config, isShared] of [
      [{}, true],
      [{ startup: true }, true],
      [{ startup: false }, false],
      [{ shared: false }, false],
      [{ shared: 'no' }, true],
      [{ source: 'user' }, false],
      [{ dbId: 'x' }, false],
      [{ source: 'yaml', dbId: 'x' }, true],
      [{ obo: {} }, false],
      [{ args: ['{{LIBRECHAT_BODY_MESSAGEID}}'] }, false],
      [{ source: 'plugin', args: ['{{LIBRECHAT_BODY_MESSAGEID}}'] }, true],
    ])
      expect([config, addon.canUseAppConnection(config)]).toEqual([config, isShared]);
    expect(addon.isUserSourced({ dbId: 'x' })).toBe(true);
    expect(addon.isUserSourced({ source: 'yaml', dbId: 'x' })).toBe(false);
    expect(addon.isUserSourced({ source: 'user' })).toBe(true);
    expect(addon.hasCustomUserVars({ customUserVars: {} })).toBe(false);
    expect(addon.getMissingCustomUserVars({ customUserVars: { A: {}, B: {}, C: {} } }, { A: 'x', B: ' ' })).toEqual([
      'B',
      'C',
    ]);
    expect(addon.getMissingCustomUserVars({}, null)).toEqual([]);
  });

  test('a prototype adds nothing to a config', () => {
    const inherits = (inherited, own) => Object.assign(Object.create(inherited), own);
    expect(addon.isUserSourced(inherits({ source: 'yaml' }, { dbId: 'x' }))).toBe(true);
    expect(addon.isUserSourced(inherits({ source: 'user' }, {}))).toBe(true);
    expect(addon.isUserSourced(inherits({ dbId: 'x' }, {}))).toBe(true);
    expect(addon.isOAuthServer(inherits({ requiresOAuth: true }, {}))).toBe(false);
    const options = inherits({ source: 'yaml', headers: { X: 'y' } }, { dbId: 'x', url: '${POLICY_URL}' });
    expect(addon.processMCPEnv({ options }).url).toBe('${POLICY_URL}');
  });

  test('nothing in the config of a plugin is filled in', () => {
    const options = { source: 'plugin', url: 'https://${POLICY_HOST}/{{K}}', headers: { X: '{{LIBRECHAT_USER_ID}}' } };
    for (const dbSourced of [undefined, false, true]) {
      const odd = { ...options, env: { N: 5, at: new Date(), none: undefined }, args: [1] };
      const processed = addon.processMCPEnv({
        options: odd,
        user: { id: 'u1' },
        customUserVars: { K: 'k' },
        dbSourced,
      });
      expect(processed).toStrictEqual(odd);
      expect(processed.headers).not.toBe(options.headers);
    }
    expect(addon.requiresUserScopedConnection(options)).toBe(false);
  });

  test('which instructions are for the model', () => {
    const resolvedInstructions = 'From the server.';
    for (const [serverInstructions, expected] of [
      [true, resolvedInstructions],
      ['true', resolvedInstructions],
      [' TRUE ', resolvedInstructions],
      ['Be brief.', 'Be brief.'],
      ['false', 'false'],
      ['', ''],
      [false, undefined],
      [undefined, undefined],
      [null, undefined],
      [5, undefined],
    ])
      expect(addon.resolveServerInstructions({ serverInstructions, resolvedInstructions })).toBe(expected);
    expect(addon.resolveServerInstructions({ serverInstructions: true })).toBeUndefined();
  });

  test('names and URLs', () => {
    expect(addon.normalizeServerName('my server')).toBe('my_server');
    expect(addon.buildOAuthToolCallName('my server')).toBe('oauth_mcp_my_server');
    expect(addon.sanitizeUrlForLogging('https://u:p@a.example/x?y=z#w')).toBe('https://a.example/x');
    expect(addon.sanitizeUrlForLogging(new URL('https://a.example/x?y'))).toBe('https://a.example/x');
    expect(addon.sanitizeUrlForLogging('nonsense')).toBe('[invalid URL]');
  });

  test('domains', async () => {
    const allowed = (url, ...rest) => addon.isMCPDomainAllowed({ url }, ...rest);
    await expect(allowed('https://a.example/x', ['*.example'])).resolves.toBe(true);
    await expect(allowed('https://a.test/x', ['*.example'])).resolves.toBe(false);
    await expect(allowed('http://127.0.0.1:3000')).resolves.toBe(false);
    await expect(allowed('http://127.0.0.1:3000', null, ['127.0.0.1:3000'])).resolves.toBe(true);
    await expect(allowed('{{HOST}}', ['a.example'])).resolves.toBe(false);
    await expect(addon.isMCPDomainAllowed({ command: 'node' }, ['a.example'])).resolves.toBe(true);
  });
});

describe('processMCPEnv', () => {
  test('processMCPEnv fills in a copy', () => {
    const startedAt = new Date();
    const options = {
      type: 'sse',
      url: 'https://${POLICY_HOST}/{{KEY}}',
      headers: { X: '{{LIBRECHAT_USER_ID}}' },
      startedAt,
    };
    const params = { options, user: { id: 'u1' }, customUserVars: { KEY: 'k' } };
    expect(addon.processMCPEnv(params)).toEqual({
      type: 'sse',
      url: 'https://example.com/k',
      headers: { X: 'u1' },
      startedAt,
    });
    expect(options.headers.X).toBe('{{LIBRECHAT_USER_ID}}');
    const oauth_headers = { X: '{{LIBRECHAT_USER_NAME}}', Y: '${POLICY_HOST}' };
    const gateway = addon.processMCPEnv({ options: { oauth_headers }, user: { name: 'Marić' } });
    expect(gateway.oauth_headers).toEqual({ X: 'b64:TWFyacSH', Y: 'example.com' });
    expect(addon.processMCPEnv({ options: { oauth_headers, source: 'user' } }).oauth_headers).toEqual(oauth_headers);
    expect(addon.processMCPEnv({ ...params, dbSourced: true }).url).toBe('https://${POLICY_HOST}/k');
    expect(addon.processMCPEnv({ options: undefined })).toBeUndefined();
  });
});

describe('who may configure on-behalf-of', () => {
  test('checkOboPermission', () => {
    const existing = { type: 'sse', url: 'https://a', obo: { scopes: 's' }, dbId: 'x' };
    const check = (incoming, rest) => addon.checkOboPermission({ existing, incoming, canConfigureObo: false, ...rest });
    expect(check({ ...existing, title: 'T', url: 'https://attacker' })).toEqual({
      allowed: false,
      status: 403,
      lockedFields: ['url'],
    });
    expect(check({ ...existing, title: 'T' })).toEqual({ allowed: true });
    expect(check({ ...existing, url: 'https://b' }, { canConfigureObo: true })).toEqual({ allowed: true });
    expect(check({ url: 'https://a', obo: { scopes: 's' } }, { existing: undefined })).toEqual({
      allowed: false,
      status: 403,
      lockedFields: ['obo'],
    });
    expect(check({ url: 'https://a' }, { existing: null })).toEqual({ allowed: true });
  });

  test('whatever is not known to be harmless is locked', () => {
    const existing = {
      type: 'sse',
      url: 'https://a',
      obo: { scopes: 's' },
      source: 'user',
      dbId: 'x',
      requiresOAuth: false,
    };
    const check = (incoming) => addon.checkOboPermission({ existing, incoming, canConfigureObo: false });
    const { source, dbId, requiresOAuth, ...sent } = existing;
    expect(check(sent)).toEqual({ allowed: true });
    const changes = [
      ['routeTo', { ...sent, routeTo: 'x' }],
      ['command', { ...sent, command: 'sh' }],
      ['command', { ...sent, command: () => 'sh' }],
      ['command', Object.assign(Object.create({ command: 'sh' }), sent)],
      ['proxy', Object.defineProperty({ ...sent }, 'proxy', { value: 'http://p' })],
      ['dbId', { ...sent, dbId: 'y' }],
      ['requiresOAuth', { ...sent, requiresOAuth: true }],
      ['__proto__', Object.assign(JSON.parse('{"__proto__":{"url":"https://b"}}'), sent)],
    ];
    for (const [name, incoming] of changes) {
      const answer = check(incoming);
      expect([name, answer.allowed, answer.lockedFields]).toEqual([name, false, [name]]);
    }
    expect(
      addon.checkOboPermission({ existing: Object.create(existing), incoming: sent, canConfigureObo: false }).allowed,
    ).toBe(false);
    const incoming = Object.create({ obo: { scopes: 's' } });
    expect(addon.checkOboPermission({ incoming, canConfigureObo: false }).allowed).toBe(false);
    expect(
      addon.checkOboPermission(Object.assign(Object.create({ canConfigureObo: true }), { incoming })).allowed,
    ).toBe(false);
  });

  test('what is no server name is not repeated in the error', () => {
    for (const name of ['normalizeServerName', 'buildOAuthToolCallName'])
      for (const value of [{ token: 'hush' }, ['hush'], 7, undefined, () => 'hush'])
        expect(() => addon[name](value)).toThrow(RegExp(`^${name}: serverName must be a string$`));
  });

  test('backfillOboPermission', () => {
    const roles = {
      ADMIN: { MCP_SERVERS: { USE: true }, OTHER: { USE: true } },
      USER: { MCP_SERVERS: { USE: true } },
      custom: { MCP_SERVERS: { CONFIGURE_OBO: true } },
      revoked: { MCP_SERVERS: { CONFIGURE_OBO: false } },
      without: { OTHER: {} },
    };
    for (const wrong of ['h'.repeat(1e6), null, () => {}])
      expect(() => addon.backfillOboPermission(wrong)).toThrow(
        expect.objectContaining({
          code: 'MCP_INVALID_ARGUMENT',
          message: expect.stringMatching(/rolePermissions must be an object$/),
        }),
      );
    expect(addon.backfillOboPermission(roles)).toEqual({
      ...roles,
      ADMIN: { MCP_SERVERS: { USE: true, CONFIGURE_OBO: true }, OTHER: { USE: true } },
      USER: { MCP_SERVERS: { USE: true, CONFIGURE_OBO: false } },
    });
    expect(roles.ADMIN.MCP_SERVERS).toEqual({ USE: true });
  });

  test('isOboConfigStillTrusted', async () => {
    const ask = (role, permissions, authorId = 'a') =>
      addon.isOboConfigStillTrusted({ authorId, getUserRoleByAuthorId: role, getRolePermissions: permissions });
    const granted = async () => ({ MCP_SERVERS: { CONFIGURE_OBO: true } });
    const role = jest.fn(async () => 'ADMIN');
    const permissions = jest.fn(granted);
    await expect(ask(role, permissions)).resolves.toBe(true);
    expect(role).toHaveBeenCalledWith('a');
    expect(permissions).toHaveBeenCalledWith('ADMIN');
    await expect(
      ask(
        () => 'ADMIN',
        () => ({ MCP_SERVERS: { CONFIGURE_OBO: true } }),
      ),
    ).resolves.toBe(true);
    const fail = () => {
      throw new Error('down');
    };
    for (const refused of [
      ask(role, granted, null),
      ask(role, granted, ''),
      ask(async () => null, granted),
      ask(role, async () => null),
      ask(role, async () => ({})),
      ask(role, async () => ({ MCP_SERVERS: { CONFIGURE_OBO: 'true' } })),
      ask(fail, granted),
      ask(async () => fail(), granted),
      ask(role, fail),
      ask(role, async () => fail()),
    ]) {
      await expect(refused).resolves.toBe(false);
    }
  });
});
