/** Servers that no configuration has: their address, or their command, stands on the command line. */

const { useCli } = require('./support/cli');
const { everythingOverStdio } = require('./support/everything');
const { tlsOptions, useCertificates } = require('./support/certificates');

const { fixtures, cli } = useCli();
const certificates = useCertificates();

const { command, args } = everythingOverStdio();
/** Behind every option, as a shell gives it. */
const EVERYTHING = ['--', command, ...args];

describe('an address', () => {
  test('check: Streamable HTTP unless --type says otherwise; headers', async () => {
    const server = await fixtures.server();
    const { run } = cli({ '.env': 'CLI_TEST_KEY=from-file\n' });
    const headers = ['--header', 'X-Key: ${CLI_TEST_KEY}', '--header', 'X-Time: 10:30'];
    const http = await run(['check', `${server.url}?key=secret-in-url`, ...headers]);
    expect(http).toMatchObject({ code: 0, stderr: '', stdout: expect.not.stringContaining('secret-in-url') });
    expect(http.stdout).toContain(`✓ ${server.address}  http`);
    const [{ headers: sent, url }] = server.received('initialize');
    expect(url).toBe('/mcp?key=secret-in-url');
    expect(sent).toMatchObject({ 'x-key': 'from-file', 'x-time': '10:30' });

    const { code, json } = await run(['check', server.sseUrl, '--type', 'sse', '--json']);
    expect(code).toBe(0);
    expect(json().servers).toEqual([expect.objectContaining({ name: server.address, transport: 'sse' })]);
  });

  test('tools and call', async () => {
    const { url } = await fixtures.server();
    const { run } = cli({});
    expect(await run(['tools', url])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^echo$/m) });
    const called = await run(['call', url, 'echo', '{"text":"Hello"}']);
    expect(called).toMatchObject({ code: 0, stdout: 'Hello\n' });
  });

  test('a private address that is typed is allowed, and no other', async () => {
    const other = await fixtures.server();
    const server = await fixtures.server({
      fault: ({ response }) => {
        response.writeHead(307, { location: other.url }).end();
        return true;
      },
    });
    expect(await cli({}).run(['check', server.url])).toMatchObject({ code: 1 });
    expect(server.requests.length).toBeGreaterThan(0);
    expect(other.requests).toEqual([]);
  });

  test('what is said of a login names the address, without its query', async () => {
    const server = await fixtures.server();
    const metadata = '/.well-known/oauth-protected-resource';
    server.fault = ({ request, response }) => {
      if (request.url.startsWith(metadata)) {
        const document = { resource: server.url, authorization_servers: [`http://${server.address}`] };
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document));
      } else {
        const challenge = `Bearer resource_metadata="http://${server.address}${metadata}/mcp"`;
        response.writeHead(401, { 'www-authenticate': challenge }).end();
      }
      return true;
    };
    const { code, json } = await cli({}).run(['check', `${server.url}?key=secret-in-url`, '--json']);
    expect(code).toBe(1);
    const [{ authorization, error }] = json().servers;
    expect({ type: authorization.type, hint: error.hint }).toEqual({
      type: 'oauth',
      hint: `You are not logged in to this server yet. Run: npx librechat-mcp-native login ${server.url}`,
    });
  });

  test('a file of a configuration is not read', async () => {
    const { url } = await fixtures.server();
    const { run } = cli({ 'librechat.yaml': 'mcpServers:\n  a: {\n' });
    expect(await run(['check', url])).toMatchObject({ code: 0 });
  });

  test('a certificate that nobody trusts is refused as ever', async () => {
    const secure = await fixtures.server({ tls: tlsOptions(certificates.selfSigned('localhost')) });
    const { code, stdout } = await cli({}).run(['check', secure.url]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: expect.stringContaining('self-signed') });
  });
});

describe('a command', () => {
  test('check, and what it is told of its environment', async () => {
    const { run } = cli({});
    const env = ['--env', 'CLI_TEST_ONE=1=one', '--env', 'CLI_TEST_TWO='];
    const { code, json } = await run(['check', '--json', ...env, ...EVERYTHING]);
    expect(code).toBe(0);
    expect(json().servers).toEqual([expect.objectContaining({ name: 'node', transport: 'stdio', ok: true })]);
    const { stdout } = await run(['call', 'get-env', ...env, ...EVERYTHING]);
    expect(JSON.parse(stdout)).toMatchObject({ CLI_TEST_ONE: '1=one', CLI_TEST_TWO: '' });
  });

  test('tools and call; the tool and its arguments stand before it', async () => {
    const { run } = cli({});
    expect(await run(['tools', ...EVERYTHING])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^echo$/m) });
    const called = await run(['call', 'echo', '{"message":"Hello"}', ...EVERYTHING]);
    expect(called).toMatchObject({ code: 0, stdout: 'Echo: Hello\n' });
  });

  test('what is behind -- is the server’s alone', async () => {
    const { code, stdout } = await cli({}).run(['check', '--', '/nonexistent/command', '--json', '--help']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^✗ command {2}stdio .*\n .*\/nonexistent\/command/);
  });

  test('a file of the same name is no configuration', async () => {
    const { run } = cli({ node: 'mcpServers: {}' });
    expect(await run(['check', ...EVERYTHING])).toMatchObject({ code: 0 });
  });
});

describe('exit code 2', () => {
  const URL = 'https://192.0.2.1/mcp';
  test.each([
    ['no command behind --', ['check', '--'], /After -- stands the command/],
    ['no command of ours', ['--', 'npx'], /unknown command/],
    ['a header without an address', ['check', 'srv', '--header', 'A: b'], /--header needs the address/],
    ['a transport without an address', ['check', '--type', 'sse', '--', 'x'], /--type needs the address/],
    ['a variable without a command', ['check', URL, '--env', 'A=b'], /--env needs the command/],
    ['a variable without a value', ['check', '--env', 'A', '--', 'x'], /--env expects NAME=value/],
    ['a header without a value', ['check', URL, '--header', 'secret'], /--header expects 'Name: value'/],
    ['a transport that nobody knows', ['check', URL, '--type', 'bogus'], /Allowed choices are streamable-http, sse/],
    ['another server besides', ['check', URL, 'everything'], /Besides 192\.0\.2\.1 no server can be named/],
    ['no URL', ['check', 'https://'], /is no URL/],
    ['a file besides', ['check', URL, '--config', 'librechat.yaml'], /--config needs the name/],
  ])('%s', async (_, given, expected) => {
    const { code, stdout, stderr } = await cli({}).run(given);
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(expected) });
    expect(stderr).not.toContain('secret');
  });
});
