/** The command line tool and servers that nobody logs in to. */

const { useCli } = require('./support/cli');
const { startEnterpriseProvider, startServersProvider } = require('./support/enterprise');
const { startProtectedServer } = require('./support/protected-server');
const { assertionFor, startMetadataService, startWorkloadAuthorizationServer } = require('./support/workload');

const { fixtures, cli, withServers } = useCli();

/** A protected server, an authorization server for workloads, and a folder with the file `token`, relative to it. */
async function workload({ assertion, oauth } = {}) {
  const as = fixtures.keep(await startWorkloadAuthorizationServer());
  const server = fixtures.keep(await startProtectedServer(as));
  const config = {
    mcpServers: {
      srv: {
        type: 'streamable-http',
        url: server.url,
        oauth: { grant: 'workload', scope: 'mcp', assertion: { file: 'token' }, ...oauth },
      },
    },
    mcpSettings: { allowedAddresses: [server.address, as.address] },
  };
  return { as, server, ...cli({ 'librechat.yaml': config, token: assertion?.(as) ?? as.assertion() }) };
}

describe('login', () => {
  test('says that nobody does, and what the token of the program is', async () => {
    const { as, run } = await workload({ oauth: { client_id: 'program' } });
    const { code, stdout, stderr } = await run(['login', 'srv']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/Nobody logs in to srv: the program gets a token itself \(workload identity\)/);
    expect(stdout).toMatch(new RegExp(`authorization server +│ ${as.issuer}`));
    expect(stdout).toMatch(/scope +│ mcp/);
    expect(stdout).toMatch(/lasts +│ 3\d\d\d s/);
    expect(stdout).toMatch(/for +│ the assertion of token, the client program/);
    for (const token of as.tokens()) expect(stdout).not.toContain(token);
  });

  test('--json', async () => {
    const { as, server, run } = await workload();
    const { code, json, stdout } = await run(['login', 'srv', '--json']);
    expect(code).toBe(0);
    expect(json()).toEqual({
      version: 1,
      name: 'srv',
      ok: true,
      asked: false,
      issuer: as.issuer,
      tokenEndpoint: `${as.issuer}/token`,
      scope: 'mcp',
      expiresIn: expect.any(Number),
    });
    for (const token of as.tokens()) expect(stdout).not.toContain(token);
    // The token alone is asked for.
    expect(server.received('initialize')).toEqual([]);
  });

  test('what stands in the way: exit code 1, and who mends it', async () => {
    const { run } = await workload({ assertion: (as) => as.assertion(-60) });
    const { code, json } = await run(['login', 'srv', '--json']);
    expect(code).toBe(1);
    expect(json()).toMatchObject({
      ok: false,
      error: {
        code: 'MCP_GRANT_FAILED',
        message: expect.stringMatching(/invalid_grant.*the assertion of token has expired/),
        // Not that this command is to be run.
        hint: expect.not.stringContaining('login'),
      },
    });
  });
});

describe('check', () => {
  test('a server that works shows its grant, and what of it has no effect', async () => {
    const { run } = await workload({ oauth: { client_id: 'program', dpopp: true } });
    const { code, json } = await run(['check', '--json']);
    expect(code).toBe(0);
    expect(json().servers).toEqual([
      expect.objectContaining({
        ok: true,
        tools: expect.arrayContaining(['echo']),
        authorization: { type: 'workload', ready: true, reason: 'the assertion of token, the client program' },
        warnings: ['oauth.dpopp is not known, and has no effect'],
      }),
    ]);
    const { stdout } = await run(['check']);
    expect(stdout).toMatch(/token accepted, workload identity/);
    expect(stdout).toContain('  ! oauth.dpopp is not known');
  });

  test('what fails, with the cause and what to do', async () => {
    const { address } = fixtures.keep(await startMetadataService(() => ({ body: {} })));
    const as = fixtures.keep(await startWorkloadAuthorizationServer());
    const server = fixtures.keep(await startProtectedServer(as));
    const config = (oauth) => ({ type: 'streamable-http', url: server.url, oauth: { client_id: 'program', ...oauth } });
    const { issuer } = as;
    const metadata = { metadata_url: `http://${address}/identity` };
    const keyed = { grant: 'client_credentials', private_key_jwt: {}, issuer };
    const { run } = withServers(
      {
        missing: config({ grant: 'workload', assertion: { file: 'no-such-file' } }),
        closed: config({ grant: 'workload', assertion: metadata }),
        refused: config({ grant: 'client_credentials', client_secret: 'secret-of-the-program', issuer }),
        workloadOfHost: config({ grant: 'workload' }),
        keyOfHost: config({ ...keyed, dpop: true }),
        wrong: config({ grant: 'password' }),
      },
      { allowedAddresses: [server.address, as.address] },
    );
    const { code, json, stdout } = await run(['check', '--json']);
    expect(code).toBe(1);
    const errors = Object.fromEntries(json().servers.map(({ name, error }) => [name, error]));
    const error = (errorCode, message, hint) => ({
      code: errorCode,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
    expect(errors).toEqual({
      missing: error('MCP_GRANT_FAILED', /no-such-file\) cannot be read/, /login missing$/),
      closed: error(
        'MCP_ADDRESS_NOT_ALLOWED',
        /metadata service/,
        new RegExp(`"${address}" to mcpSettings.allowedAddresses`),
      ),
      refused: error('MCP_GRANT_FAILED', /unsupported_grant_type/, /login refused$/),
      workloadOfHost: error('MCP_INVALID_CONFIG', /needs getWorkloadAssertion/, /oauth\.assertion\.file/),
      keyOfHost: error('MCP_INVALID_CONFIG', /needs getClientAssertion/, /private_key_jwt\.key_file/),
      wrong: error('MCP_INVALID_CONFIG', /librechat\.yaml:\d+: oauth\.grant/, /validate/),
    });
    expect(stdout).not.toContain('secret-of-the-program');
    const authorization = Object.fromEntries(json().servers.map((checked) => [checked.name, checked.authorization]));
    expect(authorization.refused).toEqual({ type: 'clientCredentials', ready: false, reason: 'the client program' });
    expect(authorization.keyOfHost.reason).toBe('the client program, private_key_jwt, DPoP');
  });

  test('a server that takes no token of this authorization server', async () => {
    const { server, run } = await workload();
    server.fault = ({ request, response }) => {
      if (request.url !== '/mcp') return false;
      response.writeHead(403, { 'www-authenticate': 'Bearer error="insufficient_scope"' }).end();
      return true;
    };
    const { code, json } = await run(['check', '--json', 'srv'], {});
    expect(code).toBe(1);
    expect(json().servers[0].error.hint).toEqual(expect.any(String));
    expect(json().servers[0].authorization).toMatchObject({ type: 'workload', ready: false });
  });
});

test('an assertion for somebody else is sent to nobody', async () => {
  const { as, run } = await workload({ assertion: () => assertionFor('https://other.test') });
  const { code, stdout } = await run(['login', 'srv']);
  expect(code).toBe(1);
  expect(stdout).toMatch(/gets no assertion: the assertion of token .*https:\/\/other\.test/);
  expect(as.forms()).toEqual([]);
});

describe('obo, for an enterprise grant', () => {
  async function enterprise() {
    const idp = fixtures.keep(await startEnterpriseProvider());
    const as = fixtures.keep(await startServersProvider(idp));
    const server = fixtures.keep(await startProtectedServer(as));
    const oauth = {
      grant: 'enterprise',
      issuer: as.issuer,
      client_id: as.client.id,
      client_secret: as.client.secret,
      scope: 'mcp',
      identity_provider: { issuer: idp.issuer, client_id: idp.client.id, client_secret: idp.client.secret },
    };
    const srv = { type: 'streamable-http', url: server.url, oauth };
    return { idp, as, server, ...withServers({ srv }, { allowedAddresses: [server.address, as.address] }) };
  }

  test('both steps, with the claims of the ID token and of the ID-JAG, and no token', async () => {
    const { idp, as, server, run } = await enterprise();
    const input = idp.idToken('alice');
    const { code, stdout, stderr } = await run(['obo', 'srv', '--json'], { input });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({
      version: 1,
      name: 'srv',
      ok: true,
      expiresIn: expect.any(Number),
      idToken: expect.objectContaining({ sub: 'alice', aud: idp.client.id }),
      idJag: expect.objectContaining({ sub: 'alice', aud: as.issuer, resource: server.url }),
    });
    const shown = await run(['obo', 'srv'], { input });
    expect(shown.stdout).toMatch(/1\. the identity provider took this ID token/);
    expect(shown.stdout).toMatch(/2\. the authorization server of srv took the ID-JAG; its token lasts 3\d\d\d s/);
    const signatures = as.requests.map(({ form }) => form.assertion.split('.')[2]);
    for (const secret of [input.split('.')[2], ...signatures]) expect(stdout + shown.stdout).not.toContain(secret);
  });

  test.each([
    ['the identity provider', ({ idp }) => idp, 'invalid_client', /^Identity provider: /, 'operator'],
    ['the authorization server', ({ as }) => as, 'invalid_grant', /^Authorization server: /, 'server'],
  ])('%s refuses: exit code 1, and its word', async (_, partyOf, error, step, mendedBy) => {
    const world = await enterprise();
    partyOf(world).answer = () => ({ status: 400, error, access_token: undefined });
    const { code, json } = await world.run(['obo', 'srv', '--json'], { input: world.idp.idToken('alice') });
    expect(code).toBe(1);
    expect(json()).toMatchObject({
      ok: false,
      error: { message: expect.stringMatching(step), hint: expect.any(String), mendedBy },
    });
    expect(json().error.message).toContain(error);
  });

  test('login says that nobody logs in', async () => {
    const { run } = await enterprise();
    const { code, stdout } = await run(['login', 'srv']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/Users do not log in to this server.*librechat-mcp-native obo srv /s);
  });
});
