/** The command line tool, run as users run it, on real servers. */

const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { HINTS, hintFor } = require('../cli/hints');
const { tlsOptions, useCertificates } = require('./support/certificates');
const { useCli } = require('./support/cli');
const { everythingOverStdio } = require('./support/everything');
const { closedAddress } = require('./support/mcp-server');

const { fixtures, cli, withServers } = useCli();
const certificates = useCertificates();

async function stdioAndHttp() {
  const everything = await fixtures.everything('streamableHttp');
  const mcpServers = { local: everythingOverStdio(), web: { type: 'streamable-http', url: everything.url } };
  return withServers(mcpServers, { allowedAddresses: [everything.address] });
}

describe('check', () => {
  test('every server works: a line for each, exit code 0', async () => {
    const { run } = await stdioAndHttp();
    const { code, stdout, stderr } = await run(['check']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const inOrder = stdout
      .replace(/ +\d+(\.\d)? m?s\b/g, ' TIME')
      .split('\n')
      .sort();
    expect(inOrder).toEqual([
      '',
      '2 of 2 servers work ✓',
      '✓ local  stdio TIME   13 tools  no login',
      '✓ web    http TIME   13 tools  no login',
    ]);
  });

  test('--json: one object for each server', async () => {
    const { run } = await stdioAndHttp();
    const { code, json } = await run(['check', '--json']);
    expect(code).toBe(0);
    expect(json().servers).toEqual(
      [
        ['local', 'stdio'],
        ['web', 'streamable-http'],
      ].map(([name, transport]) => ({
        name,
        ok: true,
        transport,
        protocolVersion: expect.stringMatching(/^20\d\d-\d\d-\d\d$/),
        latencyMs: expect.any(Number),
        tools: expect.arrayContaining(['echo']),
        authorization: { type: 'none', reason: '', ready: true },
      })),
    );
  });

  test.each([['check'], ['tools', 'srv'], ['call', 'srv', 'echo']])(
    '%s: how a process ended, and what it said last',
    async (...args) => {
      const say = 'FATAL: no \u001b[31mdatabase\n';
      const server = [join(__dirname, 'support', 'odd-stdio-server.js'), JSON.stringify({ say, code: 3 })];
      const { run } = withServers({ srv: { command: process.execPath, args: server } });
      const { code, stdout, stderr } = await run(args);
      expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
      expect(stdout).toMatch(/exited with status 3; last lines of its stderr: FATAL: no \\u\{1b\}\[31mdatabase/);
    },
  );

  test('what fails, with the cause and what to do; exit code 1', async () => {
    const { address } = await closedAddress();
    const plain = await fixtures.server();
    const secure = await fixtures.server({ tls: tlsOptions(certificates.selfSigned('localhost')) });
    const { run } = withServers(
      {
        tls: { type: 'streamable-http', url: plain.url.replace('http:', 'https:') },
        certificate: { type: 'streamable-http', url: secure.url },
        lacking: { command: 'sh', args: ['-c', 'exec no-such-command'] },
        down: { type: 'streamable-http', url: `http://${address}/mcp` },
        private: { type: 'streamable-http', url: 'http://10.0.0.1/mcp' },
        missing: { command: '/nonexistent/command', args: [] },
        variable: { command: 'x', args: ['${CLI_TEST_NOT_SET}'] },
        personal: {
          type: 'streamable-http',
          url: `http://${address}/mcp`,
          headers: { 'X-Key': '{{KEY}}' },
          customUserVars: { KEY: { title: 'Key', description: 'Your key' } },
        },
        obo: { type: 'streamable-http', url: `http://${address}/mcp`, obo: { scopes: 'api://x/.default' } },
        wrong: { type: 'streamable-http' },
      },
      { allowedAddresses: [address, plain.address, secure.address] },
    );
    const { code, json } = await run(['check', '--json']);
    expect(code).toBe(1);
    const errors = Object.fromEntries(json().servers.map(({ name, ok, error }) => [name, { ok, ...error }]));
    const error = (errorCode, message, hint) => ({
      ok: false,
      code: errorCode,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
    expect(errors).toEqual({
      tls: error('MCP_CONNECTION_FAILED', /does not speak TLS/, /write http:\/\//),
      certificate: error('MCP_CONNECTION_FAILED', /self-signed/, /`tls: \{ ca: .*openssl s_client/),
      lacking: error('MCP_CONNECTION_LOST', /status 127.*no-such-command/, /was not found/),
      down: error('MCP_CONNECTION_FAILED', /refused/, /Start the server/),
      private: error('MCP_ADDRESS_NOT_ALLOWED', /10\.0\.0\.1/, /"10\.0\.0\.1:80" to mcpSettings\.allowedAddresses/),
      missing: error('MCP_SPAWN_FAILED', /nonexistent/, /no such file: correct the path/),
      variable: error('MCP_MISSING_ENV', /CLI_TEST_NOT_SET/, /in the environment or in \.env/),
      personal: error('MCP_MISSING_USER_VARS', /KEY/, /--user-vars .*"personal": \{ KEY: /),
      obo: error('OBO_MISSING_UPSTREAM_TOKEN', /token/, /librechat-mcp-native obo obo /),
      wrong: error('MCP_INVALID_CONFIG', /librechat\.yaml:\d+: url/, /validate/),
    });
    const authorization = Object.fromEntries(json().servers.map((server) => [server.name, server.authorization]));
    expect(authorization.personal).toEqual({ type: 'userVariables', reason: 'each user sets KEY', ready: false });
    expect(authorization.obo).toMatchObject({ type: 'obo', ready: false, reason: expect.stringContaining('api://x') });

    const shown = await run(['check', 'librechat.yaml', 'down', 'wrong']);
    expect(shown.code).toBe(1);
    expect(shown.stdout).toMatch(/✗ down +http .*\n {2}.*refused \(MCP_CONNECTION_FAILED\)\n {2}→ Start the server/);
    expect(shown.stdout).not.toContain('personal');
  });

  test('the .env beside the file counts; what is set already stays', async () => {
    const server = await fixtures.server();
    const { run } = cli({
      '.env': 'CLI_TEST_KEY=from-file\nCLI_TEST_OTHER=from-file\n',
      'librechat.yaml': {
        mcpServers: {
          srv: {
            type: 'streamable-http',
            url: server.url,
            headers: { 'X-Key': '${CLI_TEST_KEY}', 'X-Other': '${CLI_TEST_OTHER}' },
          },
        },
        mcpSettings: { allowedAddresses: [server.address] },
      },
    });
    const { code } = await run(['check'], { env: { CLI_TEST_OTHER: 'set-already' } });
    expect(code).toBe(0);
    const [{ headers }] = server.received('initialize');
    expect(headers).toMatchObject({ 'x-key': 'from-file', 'x-other': 'set-already' });
  });

  test('a server that wants a key: why, what to do, and no secret', async () => {
    const server = await fixtures.server({
      fault: ({ response }) => {
        response.writeHead(401).end('no');
        return true;
      },
    });
    const url = `${server.url}?key=secret-in-url`;
    const { run } = withServers(
      { srv: { type: 'streamable-http', url, headers: { Authorization: 'Bearer secret-in-header' } } },
      { allowedAddresses: [server.address] },
    );
    for (const json of [[], ['--json']]) {
      const { code, stdout, stderr } = await run(['check', ...json], { env: { MCP_NATIVE_LOG: 'debug' } });
      expect(code).toBe(1);
      expect(stdout).toContain('refuses the credentials of `headers`');
      expect(stdout + stderr).not.toContain('secret-in');
    }
  });

  test('no servers', async () => {
    const { run } = withServers({});
    expect(await run(['check'])).toMatchObject({ code: 0, stdout: 'librechat.yaml has no mcpServers.\n' });
  });
});

describe('tools and call', () => {
  test('what a server offers', async () => {
    const { run } = await stdioAndHttp();
    const text = await run(['tools', 'local']);
    expect(text).toMatchObject({ code: 0, stdout: expect.stringMatching(/echo\n(.*\n)* {2}- message \(string\)/) });
    const { code, json } = await run(['tools', 'web', '--json']);
    expect(code).toBe(0);
    expect(json().map(({ name }) => name)).toContain('echo');
  });

  test('a call, and its result as it was sent', async () => {
    const { run } = await stdioAndHttp();
    const text = await run(['call', 'local', 'echo', '{"message":"hello"}']);
    expect(text).toMatchObject({ code: 0, stdout: 'Echo: hello\n' });
    const { code, json } = await run(['call', 'web', 'echo', '{"message":"hello"}', '--json']);
    expect(code).toBe(0);
    expect(json()).toMatchObject({ content: [{ type: 'text', text: 'Echo: hello' }] });
  });

  test('a tool that fails: exit code 1', async () => {
    const { run } = withServers({ local: everythingOverStdio() });
    expect(await run(['call', 'local', 'no-such-tool'])).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('no-such-tool'),
    });
  });
});

describe('validate', () => {
  test('a good file', async () => {
    const { run } = withServers({ local: everythingOverStdio() });
    expect(await run(['validate'])).toMatchObject({ code: 0, stdout: '1 server, 0 errors, 0 warnings\n' });
  });

  test('what is wrong, and on which line; exit code 2', async () => {
    const { run } = cli({
      'librechat.yaml': `mcpSettings:
  allowedDomains: example.com
mcpServers:
  first:
    type: streamable-http
    timeout: soon
    url: https://example.com/mcp
  second:
    command: npx
    args: [-y, server, '\${CLI_TEST_NOT_SET}']
`,
    });
    const { code, json } = await run(['validate', '--json']);
    expect(code).toBe(2);
    const { issues } = json();
    expect(issues.map(({ line, severity, path }) => [line, severity, path])).toEqual([
      [2, 'error', 'mcpSettings.allowedDomains'],
      [6, 'error', 'mcpServers.first.timeout'],
      [8, 'warning', 'mcpServers.second'],
    ]);
    const text = await run(['validate', 'librechat.yaml']);
    expect(text.stdout).toContain('librechat.yaml:6: error: mcpServers.first.timeout: ');
  });

  test('a misspelt member of oauth is a warning, a misspelt grant an error of its own alone', async () => {
    const at = (oauth, rest) => ({ type: 'streamable-http', url: 'https://192.0.2.1/mcp', oauth, ...rest });
    const { run } = withServers(
      {
        member: at({ dpopp: true, dpop: true, scope: 'a' }),
        grant: at({ grant: 'client_credential', client_id: 'a', client_secret: 'b' }),
        plain: { ...at({}), url: 'http://192.0.2.1/mcp', tls: { ca: '/authority.pem' } },
        process: { command: 'npx', args: [], tls: { ca: '/authority.pem' } },
      },
      { allowedDomains: ['192.0.2.1'] },
    );
    const { code, json } = await run(['validate', '--json']);
    expect(code).toBe(2);
    expect(json().issues.map(({ severity, path, message }) => [severity, path, message])).toEqual([
      ['warning', 'mcpServers.member.oauth.dpopp', 'is not known, and has no effect'],
      ['error', 'mcpServers.grant.oauth.grant', expect.stringContaining('`client_credentials`')],
      ['error', 'mcpServers.plain.url', expect.stringContaining('`tls`')],
      ['error', 'mcpServers.process.tls', expect.any(String)],
    ]);
  });

  test('addresses and domains that the rules refuse', async () => {
    const servers = { private: { type: 'sse', url: 'http://127.0.0.1:9/sse' } };
    const refused = await withServers(servers).run(['validate']);
    expect(refused).toMatchObject({ code: 2, stdout: expect.stringMatching(/yaml:5: error: .*allowedAddresses/) });
    const listed = await withServers(servers, { allowedAddresses: ['127.0.0.1:9'] }).run(['validate']);
    expect(listed.code).toBe(0);
    const other = await withServers(servers, { allowedDomains: ['example.com'] }).run(['validate']);
    expect(other).toMatchObject({ code: 2, stdout: expect.stringContaining('not in mcpSettings.allowedDomains') });
  });
});

describe('exit code 2', () => {
  test.each([
    ['bad YAML', ['check'], 'mcpServers:\n  a: {\n', /librechat\.yaml:3:1: /],
    ['a server twice', ['check'], 'mcpServers:\n  a: {}\n  a: {}\n', /librechat\.yaml:3:\d+: .*unique/],
    ['servers that are a list', ['check'], 'mcpServers: []', /librechat\.yaml:1: mcpServers must be an object/],
    ['an unknown server', ['tools', 'b'], 'mcpServers: { a: { command: a, args: [] } }', /has no server "b"/],
    ['arguments that are no JSON', ['call', 'a', 't', '{'], 'mcpServers: { a: { command: a, args: [] } }', /no JSON/],
    ['a file that is not there', ['check', 'none.yaml'], '', /none\.yaml cannot be read/],
    ['an unknown command', ['frobnicate'], '', /unknown command/],
    ['a timeout that is none', ['check', '--timeout', 'soon'], '', /Expected seconds/],
  ])('%s', async (_, args, yaml, expected) => {
    const { code, stderr } = await cli({ 'librechat.yaml': yaml }).run(args);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(expected) });
  });

  test('with --json the error is JSON too', async () => {
    const { code, json } = await cli({ 'librechat.yaml': 'mcpServers:\n  a: {\n' }).run(['check', '--json']);
    expect(code).toBe(2);
    expect(json()).toMatchObject({ ok: false, error: { code: 'MCP_INVALID_CONFIG', line: 3 } });
  });
});

test('hints are for codes that there are, and every code of docs/errors.md that a command can meet has one', () => {
  const page = readFileSync(join(__dirname, '..', 'docs', 'errors.md'), 'utf8');
  const codes = [...page.matchAll(/^\| `((?:MCP|OBO)_\w+)`/gm)].map((match) => match[1]);
  const ownToTheTool = ['MCP_MISSING_ENV'];
  expect(Object.keys(HINTS).filter((code) => ![...codes, ...ownToTheTool].includes(code))).toEqual([]);
  // What only programs that embed the runtime can cause.
  const ofPrograms = ['ABORTED', 'CLOSED', 'HOST_TIMEOUT', 'INSPECTION_FAILED', 'INTERNAL', 'INVALID_ARGUMENT'];
  ofPrograms.push('APP_BINDING_INVALID', 'APP_INVALID');
  const others = [...ofPrograms, 'USER_REQUIRED'].map((name) => `MCP_${name}`);
  others.push('OBO_MISSING_UPSTREAM_PROVIDER', 'OBO_SESSION_REFRESH_FAILED');
  // What only hosts with leases get.
  others.push('MCP_TOKEN_REFRESH_UNAVAILABLE', 'MCP_TOKEN_STORAGE_UNAVAILABLE');
  expect(codes.filter((code) => !HINTS[code] && !others.includes(code))).toEqual([]);
});

test('--version and --help', async () => {
  const { run } = cli({});
  expect(await run(['--version'])).toMatchObject({ code: 0, stdout: `${require('../package.json').version}\n` });
  const help = await run(['--help']);
  for (const command of ['check', 'tools', 'call', 'login', 'obo', 'validate']) expect(help.stdout).toContain(command);
});

test('nobody is sent to log in for what an operator has to mend', () => {
  const known = { oauth: true, login: 'login srv' };
  const hint = (code, message) => hintFor(code, { ...known, message });
  expect(hint('MCP_AUTHORIZATION_REQUIRED', 'HTTP 401: it refuses a token that was just issued, so …')).toMatch(
    /Correct/,
  );
  expect(hint('MCP_AUTHORIZATION_REQUIRED', 'HTTP 401')).toMatch(
    /^You are not logged in to this server yet\. Run: login srv$/,
  );
  expect(hint('MCP_OAUTH_FLOW_FAILED', 'invalid_client. An operator has to check …')).toMatch(/^Correct/);
  expect(hint('MCP_OAUTH_FLOW_FAILED', 'access_denied')).toMatch(/^The user declined.* Begin again: login srv$/);
});
