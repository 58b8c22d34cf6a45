/** What is a server's config and what is not, compared with LibreChat's published schemas. */

const schemas = require('librechat-data-provider');
const addon = require('./support/addon');
const { useEnvironment } = require('./support/environment');

useEnvironment({
  POLICY_HOST: 'example.com',
  POLICY_URL: 'https://example.com',
  POLICY_SOCKET: 'wss://example.com',
  POLICY_EMPTY: '',
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

  test('grants are an operator’s, and complete', () => {
    const issuesOf = (oauth, options = { source: 'yaml' }, members = {}) =>
      addon.validateServerConfig({ type: 'http', url: 'https://a.example', ...members, oauth }, options);
    const paths = (...of) => issuesOf(...of).map(({ path }) => path.join('.'));
    const client = { client_id: 'c', client_secret: 's', issuer: 'https://as.example' };
    const machine = { grant: 'client_credentials', ...client };
    const { client_secret, ...unproved } = machine;
    const keyed = { ...unproved, private_key_jwt: { key_file: '/key.pem' } };
    const provider = { client_id: 'i', issuer: 'https://idp.example', private_key_jwt: {} };
    const enterprise = { grant: 'enterprise', client_id: 'c', identity_provider: provider };
    const workload = { grant: 'workload', assertion: { file: '/token' } };
    for (const oauth of [machine, keyed, enterprise, workload, { dpop: true }]) {
      expect(paths(oauth)).toEqual([]);
      expect(
        addon.parseServerConfig({ type: 'http', url: 'https://a.example', oauth }, { source: 'yaml' }),
      ).toMatchObject({
        config: { oauth },
      });
      const members = Object.keys(oauth).filter((name) => !['client_id', 'client_secret'].includes(name));
      expect(paths(oauth, { source: 'user' })).toEqual(expect.arrayContaining(members.map((name) => `oauth.${name}`)));
    }
    for (const [oauth, path] of [
      [{ grant: 'password' }, 'oauth.grant'],
      [{ grant: 'client_credentials' }, 'oauth.client_id'],
      [{ ...machine, issuer: undefined }, 'oauth.client_secret'],
      [{ ...machine, scope: '{{LIBRECHAT_USER_ID}}' }, 'oauth.scope'],
      [{ ...keyed, issuer: undefined }, 'oauth.private_key_jwt'],
      [{ ...enterprise, private_key_jwt: {} }, 'oauth.private_key_jwt'],
      [{ ...enterprise, token_url: 'https://{{HOST}}/' }, 'oauth.token_url'],
      [{ ...keyed, private_key_jwt: { key: 'k', key_file: 'f' } }, 'oauth.private_key_jwt'],
      [{ ...keyed, private_key_jwt: { keyfile: 'f' } }, 'oauth.private_key_jwt.keyfile'],
      [{ ...enterprise, identity_provider: { ...provider, client_id: '' } }, 'oauth.identity_provider.client_id'],
      [{ ...workload, assertion: {} }, 'oauth.assertion'],
    ]) {
      expect(paths(oauth)).toEqual([path]);
    }
    expect(paths(machine, {}, { url: 'https://{{HOST}}/' })).toContain('oauth.grant');
    expect(paths(machine, { source: 'yaml' }, { url: 'https://{{HOST}}/' })).toEqual(['url']);
    expect(paths(machine, { source: 'yaml' }, { headers: { authorization: 'x' } })).toEqual(['headers.authorization']);
    expect(issuesOf({ grant: 'password' })[0].message).toBe(
      'This must be one of `client_credentials`, `enterprise`, `workload`',
    );
    expect(addon.isOAuthServer({ type: 'http', url: 'https://a.example', oauth: machine, requiresOAuth: true })).toBe(
      false,
    );
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
