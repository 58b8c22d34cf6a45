/** The policy functions of the module; validation compared with LibreChat's published schemas. */

const { spawnSync } = require('node:child_process');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { pathToFileURL } = require('node:url');
const { types } = require('node:util');
const { runInThisContext } = require('node:vm');
const schemas = require('librechat-data-provider');
const { testAddonPath } = require('../scripts/addon-path');
const addon = require('./support/addon');
const { createHost } = require('./support/host');

const VARIABLES = {
  POLICY_HOST: 'example.com',
  POLICY_URL: 'https://example.com',
  POLICY_SOCKET: 'wss://example.com',
  POLICY_EMPTY: '',
};

/** Jest gives a suite a copy of the environment; the addon reads the process's own. */
const environments = [process.env, runInThisContext('process').env];
beforeAll(() => {
  for (const environment of environments) Object.assign(environment, VARIABLES);
});
afterAll(() => {
  for (const environment of environments) for (const name of Object.keys(VARIABLES)) delete environment[name];
});

describe('validateServerConfig', () => {
  const URLS = [
    'https://a.example/mcp',
    'http://127.0.0.1:3000',
    'HTTPS://A.EXAMPLE',
    'ws://a.example',
    'WSS://a.example/x',
    'ftp://a.example',
    'file:///etc/passwd',
    'javascript:alert(1)',
    ' https://a.example ',
    'https://',
    'nonsense',
    '',
    '/relative',
    'https://a b/',
    'https://[::1]/x',
    'https://a.example/?k=${POLICY_HOST}',
    'https://${POLICY_HOST}/x',
    '${POLICY_URL}',
    '${POLICY_SOCKET}',
    '${POLICY_EMPTY}',
    '${POLICY_UNSET}',
    '${CREDS_KEY}',
    'https://a.example/{{USER_VAR}}',
    'https://a.example/$HOME/${}',
    5,
    null,
    ['https://a.example'],
    { href: 'https://a.example' },
  ];
  const TYPES = [undefined, 'stdio', 'websocket', 'sse', 'streamable-http', 'http', 'SSE', 'grpc', '', null, 7];

  /** One member at a time, each over several good configs. */
  const MEMBERS = {
    title: ['A title', 'Größe 2’s', '-x', '', 'a.b', 'e\u0301', '\u0301e', 'Ⓐ', 5, null],
    description: ['d', '', 5, null],
    iconPath: ['/x.png', 1],
    startup: [true, 'yes', null],
    timeout: [0, 1, 1.5, -1, 1e20, '1', null, Number.NaN],
    sseReadTimeout: [0, 1, 300_000, -1, 0.5],
    initTimeout: [0, 10, -1, 2.5],
    oauthRefreshWaitTimeout: [0, 1, 'x'],
    oauthRefreshCoordination: [true, 1],
    oauthPersistenceWaitTimeout: [1, 840_000, 840_001, 0],
    chatMenu: [false, 0],
    serverInstructions: [true, 'text', '', 5, null, {}],
    requiresOAuth: [true, 'true'],
    oauth_headers: [{}, { A: 'b' }, { A: 1 }, [], 'x', null],
    headers: [{}, { A: 'b', B: '${X}' }, { A: 1 }, { A: null }, ['a'], 'x', null],
    requestHeaders: [{ A: 'b' }, { A: 1 }],
    customUserVars: [
      {},
      { A: { title: 't', description: 'd' } },
      { A: { title: 't', description: 'd', sensitive: false, extra: 1 } },
      { A: { title: 't' } },
      { A: { title: 1, description: 'd' } },
      { A: { title: 't', description: 'd', sensitive: 'no' } },
      { A: 'x' },
      'x',
    ],
    apiKey: [
      { source: 'admin', authorization_type: 'bearer', key: 'k' },
      { source: 'user', authorization_type: 'custom', custom_header: 'X' },
      { source: 'admin', authorization_type: 'digest' },
      { source: 'nobody', authorization_type: 'basic' },
      { authorization_type: 'basic' },
      { source: 'admin', authorization_type: 'basic', key: 1 },
      {},
      null,
      'k',
    ],
    obo: [
      { scopes: 'api://x/.default' },
      { scopes: 'a', extra: true },
      { scopes: ' ' },
      { scopes: '' },
      { scopes: 5 },
      { scopes: ['a'] },
      {},
      null,
      'x',
    ],
    proxy: [
      'http://p:8080',
      'https://p',
      'socks://p',
      'socks5://p',
      'socks5h://p',
      'ftp://p',
      '${POLICY_URL}',
      'nonsense',
      '',
      5,
      null,
    ],
    oauth: [
      {},
      { client_id: 'a' },
      { client_id: '' },
      { client_secret: 's' },
      { client_secret: '' },
      { client_id: 'a', client_secret: 's' },
      { client_id: 'a', client_secret: 's', authorization_url: 'https://x/a' },
      { client_id: 'a', client_secret: 's', authorization_url: 'https://x/a', token_url: 'https://x/t' },
      { authorization_url: 'nonsense' },
      { authorization_url: '${POLICY_URL}' },
      { authorization_url: 'https://x/?audience=y' },
      { token_url: 'https://x/?resource' },
      { token_url: 'https://x/?resources=y' },
      { revocation_endpoint: 'https://x/?audience=' },
      { revocation_endpoint: 'https://x/${A}' },
      { redirect_uri: 'https://x/?audience=y' },
      { redirect_uri: '${A}' },
      { redirect_uri: 5 },
      { scope: 5 },
      { token_exchange_method: 'default_post' },
      { token_exchange_method: 'basic_auth_header' },
      { token_exchange_method: 'DefaultPost' },
      { grant_types_supported: ['a'], response_types_supported: [], code_challenge_methods_supported: ['S256'] },
      { grant_types_supported: [1] },
      { token_endpoint_auth_methods_supported: 'none' },
      { revocation_endpoint_auth_methods_supported: [null] },
      { skip_code_challenge_check: true },
      { skip_code_challenge_check: 'yes' },
      { audience: 'a' },
      { audience: '' },
      { forward_audience_on_refresh: false },
      { forward_audience_on_refresh: 0 },
      { send_resource_parameter: true },
      { send_resource_parameter: 'x' },
      { unknown: 1 },
      null,
      [],
      'x',
    ],
    command: ['node', '', 5],
    args: [[], ['a'], ['a', 1], 'a', null],
    env: [{}, { A: 'b' }, { A: 1 }, null, []],
    stderr: ['pipe', 'ignore', 'inherit', 'none', 0, 3, -1, 1.5, true, null],
    cwd: ['/x', 5],
    unknown: [1, null],
    source: ['user', 'yaml'],
    dbId: ['x'],
  };
  const GOOD = [
    { command: 'node', args: ['x'] },
    { type: 'stdio', command: 'node', args: [] },
    { type: 'websocket', url: 'wss://a.example' },
    { type: 'sse', url: 'https://a.example' },
    { type: 'streamable-http', url: 'https://a.example' },
    { type: 'http', url: 'https://a.example' },
    { url: 'https://a.example' },
    { url: 'ws://a.example' },
  ];

  const configs = [
    ...TYPES.flatMap((type) => URLS.map((url) => ({ ...(type === undefined ? {} : { type }), url }))),
    ...TYPES.map((type) => ({ type, command: 'node', args: [] })),
    ...Object.entries(MEMBERS).flatMap(([name, values]) =>
      values.flatMap((value) => GOOD.map((config) => ({ ...config, [name]: value }))),
    ),
    {},
    [],
    null,
    'x',
    5,
    { url: 'https://a.example', command: 'node', args: [] },
    { url: 'https://a.example', command: 'node' },
    { type: 'http', url: 'https://a.example', command: 'node', args: [], env: { A: 'b' } },
    { type: 'sse', url: '${POLICY_URL}', headers: { Host: 'x' }, oauth: { token_url: '${POLICY_URL}/t', extra: 1 } },
    { type: 'sse', url: 'https://a.example', headers: JSON.parse('{"__proto__":"x","A":"b"}') },
    JSON.parse('{"url":"https://a.example","__proto__":{"command":"node"}}'),
  ];

  /**
   * A published schema throws where a refinement parses a URL that another rule has already refused. Such a config is
   * as good as refused, and the addon says so without throwing.
   */
  const accepts = (schema, config) => {
    try {
      return schema.safeParse(config).success;
    } catch (error) {
      if (error.message !== 'Invalid URL') throw error;
      return false;
    }
  };

  /** A schema strips members that it does not know; in a user's config they are refused. */
  const OWN_HEADERS = /^(host|content-length|accept)$/i;
  const isComplete = (config, stored) =>
    Object.entries(config).every(([name, value]) => value === undefined || Object.hasOwn(stored, name)) &&
    Object.keys(config.headers ?? {}).every((name) => name !== '__proto__' && !OWN_HEADERS.test(name));

  test.each([
    ['yaml', 'MCPOptionsSchema'],
    ['user', 'MCPServerUserInputSchema'],
  ])('source %s: accepts, refuses and stores what %s does', (source, name) => {
    const counts = { accepted: 0, refused: 0 };
    const differences = configs.flatMap((config) => {
      const stored = accepts(schemas[name], config) ? schemas[name].parse(config) : undefined;
      const expected = stored !== undefined && (source === 'yaml' || isComplete(config, stored));
      const issues = addon.validateServerConfig(config, { source });
      const parsed = addon.parseServerConfig(config, { source });
      counts[expected ? 'accepted' : 'refused'] += 1;
      if (expected) expect(parsed).toEqual({ success: true, config: stored });
      else expect(parsed).toEqual({ success: false, issues });
      return (issues.length === 0) === expected ? [] : [{ config, expected, issues }];
    });
    expect(differences).toEqual([]);
    expect(configs.length).toBeGreaterThan(500);
    expect(counts.accepted).toBeGreaterThan(100);
    expect(counts.refused).toBeGreaterThan(100);
  });

  test('says where and what', () => {
    expect(
      addon.validateServerConfig({ type: 'sse', url: 'https://a', obo: { scopes: '' } }, { source: 'user' }),
    ).toEqual([{ path: ['obo', 'scopes'], message: 'String must contain at least 1 character(s)' }]);
    expect(addon.validateServerConfig({ command: 'a', args: ['b', 1] }, { source: 'yaml' })).toEqual([
      { path: ['args', 1], message: 'Expected string, received number' },
    ]);
  });

  test('whoever is not named an administrator is a user', () => {
    const config = { command: 'sh', args: [], source: 'yaml' };
    for (const options of [undefined, null, {}, { source: 'user' }, { source: 'else' }]) {
      expect(addon.validateServerConfig(config, options)).not.toEqual([]);
    }
    expect(addon.validateServerConfig(config, { source: 'config' })).toEqual([]);
  });

  test('what a user sends is all there is to see', () => {
    const url = 'https://a.example';
    const remote = (members) => ({ type: 'sse', url, ...members });
    const withGetter = (object, name) => Object.defineProperty(object, name, { enumerable: true, get: () => 'sh' });
    class Config {
      url = url;
      get command() {
        return 'sh';
      }
    }
    const cycle = remote({});
    cycle.oauth = cycle;
    const cases = [
      [Object.assign(Object.create({ command: 'sh' }), { url }), 'command'],
      [Object.assign(Object.create(Object.create(null, { command: { value: 'sh' } })), { url }), 'command'],
      [new Config(), 'command'],
      [withGetter(remote({}), 'command'), 'command'],
      [withGetter(remote({}), 'title'), 'title'],
      [remote({ headers: withGetter({}, 'X-A') }), 'headers'],
      [remote({ oauth: Object.create({ client_secret: 's' }) }), 'oauth'],
      [Object.defineProperty(remote({}), 'command', { value: 'sh' }), 'command'],
      [remote({ [Symbol('command')]: 'sh' }), 'Symbol(command)'],
      [remote({ command: () => 'sh' }), 'command'],
      [remote({ title: 5n }), 'title'],
      [remote({ headers: JSON.parse('{"__proto__":"x"}') }), 'headers'],
      [JSON.parse(`{"url":"${url}","__proto__":{"command":"sh"}}`), '__proto__'],
      [remote({ headers: new Proxy({}, {}) }), 'headers'],
      [cycle, 'oauth'],
    ];
    for (const [config, member] of cases) {
      const issues = addon.validateServerConfig(config, { source: 'user' });
      expect(issues.map(({ path }) => path[0])).toContain(member);
      expect(addon.parseServerConfig(config)).toEqual({ success: false, issues });
    }
    const good = Object.assign(
      Object.create(null),
      remote({ title: 'A', description: undefined, headers: { 'X-A': 'b' } }),
    );
    expect(addon.parseServerConfig(good)).toEqual({
      success: true,
      config: remote({ title: 'A', headers: { 'X-A': 'b' } }),
    });
  });

  test("headers of the transport are no user's", () => {
    const OWN = ['Host', 'content-length', 'Transfer-Encoding', 'CONNECTION', 'Keep-Alive', 'Upgrade', 'TE', 'Trailer'];
    OWN.push('Proxy-Authorization', 'Expect', 'Mcp-Session-Id', 'Mcp-Protocol-Version', 'Last-Event-ID', ' host ');
    for (const name of [...OWN, 'Accept', 'Content-Type', 'Sec-WebSocket-Key']) {
      for (const member of ['headers', 'requestHeaders']) {
        const config = { type: 'http', url: 'https://a.example', [member]: { [name]: 'x', 'X-A': 'b' } };
        const issues = addon.validateServerConfig(config, { source: 'user' });
        expect(issues.map(({ path }) => path)).toEqual([[member, name]]);
        expect(addon.validateServerConfig(config, { source: 'yaml' })).toEqual([]);
      }
    }
    const custom = { source: 'user', authorization_type: 'custom', custom_header: 'HOST' };
    const [issue] = addon.validateServerConfig({ url: 'https://a.example', apiKey: custom });
    expect(issue.path).toEqual(['apiKey', 'custom_header']);
  });

  test('the fields that lock are those of the schema', () => {
    const existing = { obo: { scopes: 's' } };
    const locked = [...schemas.MCP_USER_INPUT_FIELDS].filter((field) => {
      const incoming = { obo: { scopes: 's' }, [field]: { changed: true } };
      return !addon.checkOboPermission({ existing, incoming, canConfigureObo: false }).allowed;
    });
    const free = ['title', 'description', 'iconPath'];
    expect(locked.sort()).toEqual([...schemas.MCP_USER_INPUT_FIELDS].filter((field) => !free.includes(field)).sort());
  });
});

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
    expect(() => addon.backfillOboPermission('h'.repeat(1e6))).toThrow('rolePermissions must be an object');
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

describe('error classes', () => {
  const made = {
    MCPDomainNotAllowedError: [
      new addon.MCPDomainNotAllowedError('a.example'),
      {
        message: 'Domain "a.example" is not allowed',
        code: 'MCP_DOMAIN_NOT_ALLOWED',
        statusCode: 403,
        domain: 'a.example',
      },
    ],
    MCPInspectionFailedError: [
      new addon.MCPInspectionFailedError('srv', new Error('x')),
      {
        message: 'Failed to connect to MCP server "srv"',
        code: 'MCP_INSPECTION_FAILED',
        statusCode: 400,
        serverName: 'srv',
      },
    ],
    MCPTokenRefreshUnavailableError: [
      new addon.MCPTokenRefreshUnavailableError('srv', new Error('x')),
      {
        message: 'OAuth token refresh is temporarily unavailable for "srv"',
        code: 'MCP_TOKEN_REFRESH_UNAVAILABLE',
        retryable: true,
      },
    ],
    MCPTokenStorageUnavailableError: [
      new addon.MCPTokenStorageUnavailableError('srv', new Error('x')),
      {
        message: 'OAuth token storage is unavailable for "srv"',
        code: 'MCP_TOKEN_STORAGE_UNAVAILABLE',
        retryable: true,
      },
    ],
    OboTokenResolutionError: [
      new addon.OboTokenResolutionError('exchange_failed', 'No.', true),
      { message: 'No.', reason: 'exchange_failed', retryable: true, userMessage: 'No.', code: 'OBO_EXCHANGE_FAILED' },
    ],
    ReauthenticationRequiredError: [
      new addon.ReauthenticationRequiredError('srv', 'expired'),
      {
        message: 'Re-authentication required for "srv": access token expired and no refresh token available',
        code: 'MCP_REAUTHENTICATION_REQUIRED',
      },
    ],
  };

  test.each(Object.entries(made))('%s', (name, [error, members]) => {
    expect({ ...members, name }).toEqual(
      Object.fromEntries(Object.keys({ ...members, name }).map((key) => [key, error[key]])),
    );
    expect(types.isNativeError(error)).toBe(true);
    expect(error).toBeInstanceOf(addon[name]);
    expect(String(error)).toBe(`${name}: ${error.message}`);
    expect(error.stack).toContain('policy.test.js');
    for (const other of Object.keys(made)) {
      const [otherError] = made[other];
      expect(addon[`is${name}`](otherError)).toBe(other === name);
    }
    for (const value of [undefined, null, 'x', {}, new Error('x'), { name }])
      expect(addon[`is${name}`](value)).toBe(false);
    expect(() => addon[name]('x', 'y')).toThrow(/cannot be invoked without 'new'/);
  });

  test('an argument of another type is no reason to throw', () => {
    const { OboTokenResolutionError, ReauthenticationRequiredError } = addon;
    expect(String(new addon.MCPDomainNotAllowedError(7))).toBe('MCPDomainNotAllowedError: Domain "7" is not allowed');
    for (const reason of ['__proto__', 'constructor', undefined, {}])
      expect(new OboTokenResolutionError(reason, 'No.', null)).toMatchObject({
        code: 'OBO_EXCHANGE_FAILED',
        retryable: false,
      });
    expect(new ReauthenticationRequiredError('srv', 'constructor').message).toContain('access token constructor and');
    expect(new addon.MCPInspectionFailedError('srv', null)).not.toHaveProperty('cause');
  });

  test('every name of the declarations is exported, to `import` as well', async () => {
    const declared = readFileSync(join(__dirname, '..', 'index.d.ts'), 'utf8');
    const names = [...declared.matchAll(/^export declare (?:function|class) (\w+)/gm)].map(([, name]) => name);
    expect(names.length).toBeGreaterThan(30);
    expect(names.filter((name) => typeof addon[name] !== 'function')).toEqual([]);
    const script = `import * as addon from ${JSON.stringify(pathToFileURL(join(__dirname, '..', 'index.js')))};
      console.log(JSON.stringify(Object.keys(addon)));`;
    const env = { ...process.env, NAPI_RS_NATIVE_LIBRARY_PATH: process.env.MCP_TEST_ADDON ?? testAddonPath() };
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { env, encoding: 'utf8' });
    const imported = JSON.parse(stdout);
    expect(names.filter((name) => !imported.includes(name))).toEqual([]);
  });

  test('errors of a runtime are instances', async () => {
    const runtime = addon.createMCPRuntime({ ...createHost().services, credentialsKey: '0'.repeat(64) });
    const [user, server] = ['u', 's'];
    const missing = runtime.tokens.getTokens({ userId: user, serverName: server, findToken: async () => null });
    await expect(missing).rejects.toBeInstanceOf(addon.ReauthenticationRequiredError);
    await runtime.close();
  });

  test('can be extended', () => {
    class Mine extends addon.MCPDomainNotAllowedError {
      mine = true;
    }
    const error = new Mine('x');
    expect([error instanceof Mine, error instanceof addon.MCPDomainNotAllowedError, error.mine]).toEqual([
      true,
      true,
      true,
    ]);
  });
});
