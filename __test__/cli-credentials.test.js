/** The command line tool with what belongs to a user: `--user-vars`, and `obo`. */

const { useCli } = require('./support/cli');
const { startIdentityProvider } = require('./support/identity-provider');

const { fixtures, cli, withServers } = useCli();

describe('--user-vars', () => {
  const KEY = 'secret-of-the-user';

  async function withVariables(userVars) {
    const server = await fixtures.server();
    const srv = {
      type: 'streamable-http',
      url: server.url,
      headers: { 'X-Key': '{{KEY}}', 'X-Region': '{{REGION}}' },
      customUserVars: {
        KEY: { title: 'Key', description: 'Your key' },
        REGION: { title: 'Region', description: 'Your region' },
      },
    };
    const config = { mcpServers: { srv }, mcpSettings: { allowedAddresses: [server.address] } };
    return { server, ...cli({ 'librechat.yaml': config, 'my-vars.yaml': userVars }) };
  }

  test('the server gets the values, and nothing shows them', async () => {
    const { server, run } = await withVariables({ srv: { KEY, REGION: 'eu' } });
    const commands = [
      ['check'],
      ['check', '--json'],
      ['tools', 'srv'],
      ['call', 'srv', 'echo', '{"text":"hello"}'],
      ['login', 'srv'],
    ];
    for (const command of commands) {
      const env = { MCP_NATIVE_LOG: 'debug' };
      const { code, stdout, stderr } = await run([...command, '--user-vars', 'my-vars.yaml'], { env });
      expect({ command, code, stdout }).toEqual({ command, code: 0, stdout: expect.not.stringContaining(KEY) });
      expect(stderr).not.toContain(KEY);
    }
    const sent = server.received('initialize').map(({ headers }) => [headers['x-key'], headers['x-region']]);
    expect(sent).toEqual(commands.map(() => [KEY, 'eu']));
  });

  test('what is missing, and where to put it', async () => {
    const { run, server } = await withVariables({ srv: { KEY } });
    const { code, json } = await run(['check', '--json', '--user-vars', 'my-vars.yaml']);
    expect(code).toBe(1);
    expect(json().servers).toMatchObject([
      {
        ok: false,
        authorization: { type: 'userVariables', ready: false },
        error: {
          code: 'MCP_MISSING_USER_VARS',
          message: 'The server needs values that each user sets: REGION',
          hint: expect.stringContaining('--user-vars names a YAML file with the values: "srv": { REGION: "…" }'),
        },
      },
    ]);
    expect(server.requests).toEqual([]);
  });

  test.each([
    ['a server that is not there', { other: { KEY } }, /librechat\.yaml has no server "other"/],
    [
      'a variable that is not declared',
      { srv: { KYE: KEY } },
      /my-vars\.yaml:3: srv\.KYE is not among .*\n.*KEY, REGION/,
    ],
    ['a value that is no text', 'srv:\n  KEY: 007\n', /my-vars\.yaml:2: srv\.KEY must be a text\n.*quotes/],
    ['no variables', 'srv: x\n', /my-vars\.yaml:1: srv must be a mapping/],
    ['no servers', '[]', /my-vars\.yaml:1: expected servers/],
    ['bad YAML', `srv:\n  KEY: |${KEY}\n`, /my-vars\.yaml:2:\d+: this is not the YAML.*\n.*quotes/],
    ['an alias', `srv:\n  KEY: *${KEY}\n`, /my-vars\.yaml: this is not the YAML/],
    ['a tag', `srv:\n  KEY: !${KEY} x\n`, /my-vars\.yaml:2:\d+: this is not the YAML/],
  ])('%s: exit code 2', async (_, userVars, expected) => {
    const { run } = await withVariables(userVars);
    const { code, stdout, stderr } = await run(['check', '--user-vars', 'my-vars.yaml']);
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(expected) });
    expect(stderr).not.toContain(KEY);
  });

  test('a file that is not there: exit code 2', async () => {
    const { run } = await withVariables({});
    const { code, stderr } = await run(['tools', 'srv', '--user-vars', 'none.yaml']);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/none\.yaml cannot be read.*\n.*--user-vars/),
    });
  });
});

describe('obo', () => {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { aud: 'api://x', scp: 'read' };
  const ASSERTION = 'assertion-secret';
  const EXCHANGED = `${encode({ alg: 'none' })}.${encode(claims)}.signature-secret`;

  /** An identity provider with metadata, which LibreChat's variables point to. */
  async function identityProvider(answer) {
    const provider = fixtures.keep(await startIdentityProvider({ answer }));
    return {
      provider,
      env: {
        OPENID_ISSUER: provider.config.issuer,
        OPENID_CLIENT_ID: 'client',
        OPENID_CLIENT_SECRET: 'secret-of-the-client',
      },
    };
  }

  const servers = () => {
    const srv = { type: 'streamable-http', url: 'https://example.com/mcp', obo: { scopes: 'api://x/.default' } };
    return withServers({ srv, plain: { command: 'x', args: [] } });
  };

  test('the claims of the exchanged token, and no token', async () => {
    const { provider, env } = await identityProvider({ access_token: EXCHANGED });
    const { run } = servers();
    const input = `${ASSERTION}\n`;
    const { code, stdout, stderr } = await run(['obo', 'srv', '--json'], { env, input });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ name: 'srv', ok: true, expiresIn: expect.any(Number), claims });
    const text = await run(['obo', 'srv'], { env: { ...env, MCP_NATIVE_LOG: 'debug' }, input });
    expect(text.stdout).toMatch(/aud +│ api:\/\/x/);
    for (const shown of [stdout, text.stdout, text.stderr]) expect(shown).not.toMatch(/secret/);
    expect(provider.exchanges[0]).toMatchObject({ assertion: ASSERTION, scope: 'api://x/.default' });
  });

  test('what the identity provider refuses: exit code 1, its reason, no token', async () => {
    const answer = { error: 'invalid_grant', error_description: 'AADSTS65001: consent is missing' };
    const { env } = await identityProvider(answer);
    const { code, json, stdout } = await servers().run(['obo', 'srv', '--json'], { env, input: ASSERTION });
    expect(code).toBe(1);
    expect(json()).toMatchObject({ ok: false, error: { code: 'OBO_EXCHANGE_FAILED', hint: expect.any(String) } });
    expect(stdout).not.toContain(ASSERTION);
  });

  test.each([
    ['no OpenID settings', ['obo', 'srv'], {}, ASSERTION, /OPENID_ISSUER and OPENID_CLIENT_ID are not set/],
    ['a server without obo', ['obo', 'plain'], {}, ASSERTION, /no obo\.scopes/],
  ])('%s: exit code 2', async (_, args, env, input, expected) => {
    const { code, stderr } = await servers().run(args, { env, input });
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(expected) });
  });

  test('no token on stdin: exit code 2', async () => {
    const { env } = await identityProvider();
    const { code, stderr } = await servers().run(['obo', 'srv'], { env });
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('No access token on stdin') });
  });
});
