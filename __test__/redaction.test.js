/** What users of the API may see of configs. */

const { spawnSync } = require('node:child_process');
const addon = require('./support/addon');

describe('what a config shows', () => {
  test('an allowlist, with the values themselves', () => {
    const updatedAt = new Date();
    const toolFunctions = { a: {} };
    const config = {
      type: 'sse',
      url: 'https://a',
      updatedAt,
      toolFunctions,
      headers: { Authorization: 'secret' },
      env: { KEY: 'secret' },
      oauth: { client_id: 'id', client_secret: 'secret' },
      apiKey: { source: 'admin', authorization_type: 'bearer', key: 'secret' },
      obo: { scopes: 's' },
      invented: 'secret',
    };
    const safe = addon.redactServerSecrets(config, { canEdit: true });
    expect(safe).toEqual({
      type: 'sse',
      url: 'https://a',
      updatedAt,
      toolFunctions,
      oauth: { client_id: 'id' },
      apiKey: { source: 'admin', authorization_type: 'bearer' },
      obo: { scopes: 's' },
    });
    expect(safe.toolFunctions).toBe(toolFunctions);
    expect(config.oauth.client_secret).toBe('secret');
    const canEditByServer = new Map([['one', true]]);
    expect(addon.redactAllServerSecrets({ one: config }, { canEditByServer })).toEqual({ one: safe });
  });

  test('the tools that an inspection found, and no rule of an operator', () => {
    const rules = { pinTools: 'block', limits: { perUser: '60/m' }, maxResultBytes: 2048, overflow: 'cut' };
    const config = (tools) => ({ type: 'sse', tools, ...rules });
    for (const options of [{}, { canEdit: true }]) {
      expect(addon.redactServerSecrets(config('get, put'), options)).toEqual({ type: 'sse', tools: 'get, put' });
      expect(addon.redactServerSecrets(config({ deny: ['delete_*'] }), options)).toEqual({ type: 'sse' });
    }
  });

  test('where a server is, to those alone who may change its config', () => {
    const config = { type: 'sse', url: 'https://a', oauth: { client_id: 'id', scope: 's', redirect_uri: 'https://r' } };
    for (const name of ['authorization_url', 'token_url', 'revocation_endpoint'])
      config.oauth[name] = `https://a/${name}`;
    const hidden = { type: 'sse', oauth: { client_id: 'id', scope: 's', redirect_uri: 'https://r' } };
    expect(addon.redactServerSecrets(config, { canEdit: true })).toEqual(config);
    for (const options of [{}, { canEdit: false }, { canEdit: undefined }])
      expect(addon.redactServerSecrets(config, options)).toEqual(hidden);
    const canEditByServer = new Map([
      ['mine', true],
      ['yours', false],
    ]);
    const all = { mine: config, yours: config, unknown: config };
    expect(addon.redactAllServerSecrets(all, { canEditByServer })).toEqual({
      mine: config,
      yours: hidden,
      unknown: hidden,
    });
    expect(addon.redactAllServerSecrets(all, {})).toEqual({ mine: hidden, yours: hidden, unknown: hidden });
    const noMap = () => addon.redactAllServerSecrets(all, { canEditByServer: { mine: true } });
    expect(noMap).toThrow('redactAllServerSecrets: canEditByServer must be a Map');
  });

  test('how a token is asked for, and nothing that proves who asks', () => {
    const oauth = {
      grant: 'enterprise',
      client_id: 'id',
      issuer: 'https://user:password@as.example/?key=secret',
      dpop: true,
      private_key_jwt: { key: 'secret', kid: 'secret' },
      identity_provider: { client_id: 'id', client_secret: 'secret', token_url: 'https://secret' },
    };
    const shown = (canEdit) => addon.redactServerSecrets({ type: 'sse', oauth }, { canEdit }).oauth;
    expect(shown(false)).toEqual({ grant: 'enterprise', client_id: 'id', dpop: true });
    expect(shown(true)).toEqual({ ...shown(false), issuer: 'https://as.example/?key=***' });
  });

  test('one of no use, beside the others', () => {
    const good = { type: 'sse', title: 'good' };
    const bad = (oauth, rest) => ({ type: 'sse', url: 'https://a', source: 'user', dbId: '1', oauth, ...rest });
    const all = {
      good,
      grant: bad({ grant: 'workload', assertion: { file: 'secret' } }),
      unknown: bad({ grant: 'secret' }, { source: 'yaml' }),
      key: bad({ private_key_jwt: null, dpop: true, issuer: 'https://a' }),
      beside: bad({ grant: 'client_credentials' }, { apiKey: { source: 'admin', key: 'secret' } }),
    };
    const shown = addon.redactAllServerSecrets(all, {});
    expect(Object.keys(shown)).toEqual(Object.keys(all));
    expect(shown.good).toEqual(good);
    expect(shown.grant).toEqual({ type: 'sse', source: 'user', dbId: '1', oauth: { grant: 'workload' } });
    expect(JSON.stringify({ ...shown, unknown: null })).not.toContain('secret');
    for (const [name, config] of Object.entries(all)) {
      expect(addon.redactServerSecrets(config, {})).toEqual(shown[name]);
      expect(addon.isUserSourced(config)).toBe(config.source === 'user');
    }
  });

  test('without options: hidden, but where every LibreChat of the process knows no editors', () => {
    const script = `
      const addon = require(${JSON.stringify(require.resolve('./support/addon'))});
      const { createHost } = require(${JSON.stringify(require.resolve('./support/host'))});
      const config = { type: 'sse', url: 'https://a', source: 'yaml' };
      const shown = () => ['url' in addon.redactServerSecrets(config), 'url' in addon.redactAllServerSecrets({ config }).config];
      const seen = [shown()];
      for (const host of [createHost({}), { ...createHost({}), getMCPToolsCacheGeneration: () => 'one' }]) {
        addon.createMCPRuntime(host);
        seen.push(shown());
      }
      console.log(JSON.stringify(seen));`;
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    expect([stderr, JSON.parse(stdout)]).toEqual([
      '',
      [
        [false, false],
        [true, true],
        [false, false],
      ],
    ]);
  });

  test('whether a server needs a chat request', () => {
    const isScoped = (members) => {
      const config = { type: 'http', url: 'https://a', ...members };
      const { requestScoped } = addon.redactServerSecrets(config, {});
      expect(addon.requiresEphemeralUserConnection(config)).toBe(requestScoped === true);
      return requestScoped;
    };
    const body = '{{LIBRECHAT_BODY_CONVERSATIONID}}';
    for (const members of [
      { url: `https://a/${body}` },
      { headers: { X: body } },
      { oauth_headers: { X: body } },
      { env: { X: body } },
      { args: [body] },
      { oauth: { scope: body } },
      { oauth: { list: [body] } },
    ]) {
      expect(isScoped(members)).toBe(true);
      for (const source of ['user', 'plugin']) expect(isScoped({ ...members, source })).toBeUndefined();
    }
    for (const text of ['{{LIBRECHAT_BODY_TENANT}}', '{{LIBRECHAT_USER_ID}}', '{{LIBRECHAT_BODY_messageId}}', 'x'])
      expect(isScoped({ headers: { X: text } })).toBeUndefined();
  });

  test('URLs without secrets', () => {
    const shown = (members) => addon.redactServerSecrets({ type: 'sse', ...members }, { canEdit: true });
    const secrets = [
      'https://user:s3cret@a.example/x',
      'https://a.example/x?api_key=s3cret',
      'https://a.example/x#s3cret',
    ];
    secrets.push('https://a.example/x?X-Amz-Signature=s3cret', 'https://a.example/x?anything=s3cret', 's3cret');
    for (const url of [...secrets, new URL(secrets[0])]) {
      const oauth = {};
      for (const name of ['authorization_url', 'token_url', 'revocation_endpoint', 'redirect_uri']) oauth[name] = url;
      const safe = shown({ url, oauth });
      expect(JSON.stringify(safe)).not.toMatch(/s3cret|user/);
      expect(Object.keys(safe.oauth)).toHaveLength(4);
    }
    expect(JSON.stringify(shown({ iconPath: 'https://u:s3cret@a.example/x.png?sig=s3cret' }))).not.toContain('s3cret');
    const harmless = { url: 'https://a.example/sse?page=2&lang=en', iconPath: 'data:image/png;base64,aaaa' };
    expect(shown(harmless)).toEqual({ type: 'sse', ...harmless });
    const inherited = Object.assign(Object.create({ url: 'https://a.example' }), {
      oauth: JSON.parse('{"__proto__":{"a":1},"private":"s3cret"}'),
    });
    expect(shown({ ...inherited })).toEqual({ type: 'sse', oauth: {} });
    expect(addon.redactServerSecrets(inherited, { canEdit: true })).toEqual({ oauth: {} });
  });
});
