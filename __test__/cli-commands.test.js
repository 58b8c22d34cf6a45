/** Commands for what servers offer besides tools, arguments by name, logins that are stored, and completion. */

const { execFileSync } = require('node:child_process');
const { readFileSync, readdirSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { jsonArguments, pairedArguments } = require('../cli/arguments');
const { EXAMPLES } = require('../cli/examples');
const { startAuthorizationServer } = require('./support/authorization-server');
const { BINARY, useCli } = require('./support/cli');
const { everythingOverStdio } = require('./support/everything');
const { startProtectedServer } = require('./support/protected-server');

const { fixtures, cli, withServers } = useCli();

const withEverything = () => withServers({ everything: everythingOverStdio() });

describe('resources and prompts', () => {
  test('what there is to read, as text and as one object', async () => {
    const { run } = withEverything();
    const text = await run(['resources', 'everything']);
    expect(text.code).toBe(0);
    expect(text.stdout).toContain('demo://resource/static/document/features.md\n  features.md, text/markdown\n');
    expect(text.stdout).toMatch(
      /demo:\/\/resource\/dynamic\/text\/\{resourceId\}\n[\s\S]*\d+ resources, 2 templates\n$/,
    );
    const { code, json } = await run(['resources', 'everything', '--json']);
    expect(code).toBe(0);
    const { resources, resourceTemplates, ...rest } = json();
    expect(rest).toEqual({ version: 1, name: 'everything', ok: true });
    expect(resources.map(({ name }) => name)).toContain('features.md');
    expect(resourceTemplates).toHaveLength(2);
  });

  test('a text and a blob, shown and saved', async () => {
    const { run, folder } = withEverything();
    const uri = 'demo://resource/static/document/features.md';
    const text = await run(['read', 'everything', uri]);
    expect(text).toMatchObject({ code: 0, stdout: expect.stringMatching(/^# Everything Server/) });
    const { json } = await run(['read', 'everything', uri, '--json']);
    const whole = json().contents[0].text;
    expect(json()).toMatchObject({ version: 1, name: 'everything', ok: true });
    expect(await run(['read', 'everything', uri, '--save', 'copy.md'])).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'resource text/markdown saved to copy.md\n',
    });
    expect(readFileSync(join(folder, 'copy.md'), 'utf8')).toBe(whole);
    const blob = await run(['read', 'everything', 'demo://resource/dynamic/blob/1']);
    expect(blob.stdout).toMatch(/^\[resource \S+, \d+ characters of base64\]\n$/);
    await run(['read', 'everything', 'demo://resource/dynamic/blob/1', '--save', 'blob']);
    expect(readFileSync(join(folder, 'blob'), 'utf8')).toMatch(/^Resource 1/);
  });

  test('prompts, and one with its arguments filled in', async () => {
    const { run } = withEverything();
    const text = await run(['prompts', 'everything']);
    expect(text.code).toBe(0);
    expect(text.stdout).toMatch(/args-prompt\n.*\n {2}- city: .*\n {2}- state \(optional\)\n/);
    const { json } = await run(['prompts', 'everything', '--json']);
    expect(json()).toMatchObject({ version: 1, ok: true, prompts: expect.any(Array) });
    const shown = await run(['get', 'everything', 'args-prompt', 'city=Paris', 'state=a=b']);
    expect(shown).toMatchObject({ code: 0, stdout: "user\n  What's weather in Paris, a=b?\n" });
    const got = await run(['get', 'everything', 'args-prompt', 'city=Paris', '--json']);
    expect(got.json()).toMatchObject({ version: 1, name: 'everything', messages: [{ role: 'user' }] });
  });

  test('a server that has neither; one that does not have what is asked for', async () => {
    const server = await fixtures.server();
    const { run } = withServers(
      { srv: { type: 'streamable-http', url: server.url }, everything: everythingOverStdio() },
      { allowedAddresses: [server.address] },
    );
    expect(await run(['resources', 'srv'])).toMatchObject({ code: 0, stdout: '0 resources, 0 templates\n' });
    expect(await run(['prompts', 'srv'])).toMatchObject({ code: 0, stdout: '0 prompts\n' });
    const missing = await run(['read', 'everything', 'demo://no-such']);
    expect(missing).toMatchObject({ code: 1, stdout: expect.stringContaining('✗ everything: ') });
    expect(missing.stdout).toContain('→ What there is to read: npx librechat-mcp-native resources everything');
    expect(missing.stdout).not.toMatch(/(MCP error -\d+: )\1/);
    const lacking = await run(['get', 'everything', 'args-prompt']);
    expect(lacking).toMatchObject({ code: 1, stdout: expect.stringContaining('→ The prompt needs city=…\n') });
    expect(lacking.stdout).not.toMatch(/(MCP error -\d+: )\1/);
    const prompt = await run(['get', 'everything', 'no-such', '--json']);
    expect(prompt.code).toBe(1);
    expect(prompt.json()).toMatchObject({ version: 1, ok: false, error: { code: 'MCP_SERVER_ERROR' } });
    expect(prompt.json().error.hint).toMatch(/^Its prompts: .*args-prompt/);
  });
});

describe('arguments', () => {
  const schema = {
    type: 'object',
    properties: {
      text: { type: 'string' },
      count: { type: 'integer' },
      ratio: { type: 'number' },
      yes: { type: 'boolean' },
      list: { type: 'array', items: { type: 'string' } },
      object: { type: 'object' },
      maybe: { type: ['number', 'null'] },
      either: { anyOf: [{ type: 'number' }, { type: 'string' }] },
      level: { enum: [1, 'high'] },
      any: {},
    },
    required: ['text'],
  };

  test('each as the schema of the tool has it', () => {
    const given = ['text=7', 'count=-3', 'ratio=1e3', 'yes=false', 'list=["a"]', 'object={"b":1}', 'maybe=null'];
    given.push('either=x', 'level=1', 'any=[1]');
    expect(pairedArguments(given, schema)).toEqual({
      text: '7',
      count: -3,
      ratio: 1000,
      yes: false,
      list: ['a'],
      object: { b: 1 },
      maybe: null,
      either: 'x',
      level: 1,
      any: [1],
    });
    expect(pairedArguments(['text=', 'either=2', 'level=high', 'any=a=b'], schema)).toEqual({
      text: '',
      either: 2,
      level: 'high',
      any: 'a=b',
    });
  });

  test('names that JavaScript has a meaning for are names', () => {
    const values = pairedArguments(['__proto__=1', 'constructor=2'], { additionalProperties: true });
    expect(Object.entries(values)).toEqual([
      ['__proto__', 1],
      ['constructor', 2],
    ]);
    expect(Object.getPrototypeOf(values)).toBe(Object.prototype);
  });

  test.each([
    ['a text for a number', ['text=a', 'count=two'], 'count must be of type integer, not "two"'],
    ['a fraction', ['text=a', 'count=1.5'], 'count must be of type integer, not "1.5"'],
    ['a number that JavaScript cannot hold', ['text=a', 'count=9007199254740993'], 'count must be of type integer'],
    ['no JSON', ['text=a', 'list=a,b'], 'list must be of type array, not "a,b"'],
    ['a name that is not there', ['text=a', 'cuont=1'], 'The tool has no parameter cuont'],
    ['one that is missing', ['count=1'], 'The tool needs text'],
    ['one twice', ['text=a', 'text=b'], 'text is given twice'],
    ['what is neither', ['text=a', 'b'], 'b is not name=value'],
  ])('%s', (_, given, message) => {
    expect(() => pairedArguments(given, schema)).toThrow(message);
  });

  test.each([undefined, null, [], { properties: [] }, { properties: { a: null }, required: 'a' }])(
    'a schema that is none (%j) takes anything',
    (odd) => {
      expect(pairedArguments(['a=1', 'b=x'], odd?.required ? { ...odd, additionalProperties: {} } : odd)).toEqual({
        a: 1,
        b: 'x',
      });
    },
  );

  test('JSON stays JSON', async () => {
    expect(await jsonArguments(['{"a":"b=c"}'])).toEqual({ a: 'b=c' });
    expect(await jsonArguments([])).toEqual({});
    expect(await jsonArguments(['a={"b":1}'])).toBe(undefined);
    await expect(jsonArguments(['["a=b"]'])).rejects.toThrow('must be a JSON object');
  });

  test('a call by name, from stdin, and with a mistake: exit code 2', async () => {
    const { run } = withEverything();
    expect(await run(['call', 'everything', 'get-sum', 'a=1', 'b=2'])).toMatchObject({
      code: 0,
      stdout: 'The sum of 1 and 2 is 3.\n',
    });
    expect(await run(['call', 'everything', 'get-sum', '-'], { input: '{"a":4,\n"b":2}' })).toMatchObject({
      code: 0,
      stdout: 'The sum of 4 and 2 is 6.\n',
    });
    const wrong = await run(['call', 'everything', 'get-sum', 'a=x', 'b=2']);
    expect(wrong).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('a must be of type number') });
    const unknown = await run(['call', 'everything', 'get-smu', 'a=1', '--json']);
    expect(unknown.code).toBe(2);
    expect(unknown.json()).toMatchObject({ ok: false, error: { message: 'The server has no tool get-smu' } });
    expect(unknown.json().error.hint).toContain('get-sum');
  });

  test('images are saved under names of ours; one file takes one only', async () => {
    const { run, folder } = withEverything();
    const call = ['call', 'everything', 'get-tiny-image', '--save'];
    const saved = await run([...call, 'images/']);
    expect(saved).toMatchObject({ code: 0, stderr: `image image/png saved to ${join('images', '1.png')}\n` });
    expect(readdirSync(join(folder, 'images'))).toEqual(['1.png']);
    const png = readFileSync(join(folder, 'images', '1.png'));
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    await run([...call, 'logo', '--json']);
    expect(readFileSync(join(folder, 'logo'))).toEqual(png);
    const resource = ['get-resource-reference', 'resourceType=Text', 'resourceId=1'];
    await run(['call', 'everything', ...resource, '--save', 'texts/']);
    expect(readFileSync(join(folder, 'texts', '1.txt'), 'utf8')).toMatch(/^Resource 1: /);
    const nowhere = await run([...call, 'no/such/folder/logo.png']);
    expect(nowhere).toMatchObject({ code: 1, stderr: expect.stringContaining('cannot be written') });
    const text = await run(['call', 'everything', 'echo', 'message=a', '--save', 'text']);
    expect(text).toMatchObject({ code: 0, stdout: 'Echo: a\n', stderr: 'Nothing to save among 1 part\n' });
  });
});

describe('logins that are stored', () => {
  let authorizationServer;
  beforeAll(async () => {
    authorizationServer = await startAuthorizationServer();
  });
  afterAll(() => authorizationServer.close());

  async function loggedIn() {
    const server = fixtures.keep(await startProtectedServer(authorizationServer));
    const { run, folder } = withServers(
      { srv: { type: 'streamable-http', url: server.url }, other: { command: 'x', args: [] } },
      { allowedAddresses: [server.address, authorizationServer.address] },
    );
    let visit;
    const { code, stdout } = await run(['login', 'srv', '--no-browser'], {
      onStdout: (text) => {
        const [address] = /http:\S+(?=\s)/.exec(text) ?? [];
        if (!address || visit) return;
        visit = authorizationServer.signIn(address).then((parameters) => {
          const redirect = new URL(new URL(address).searchParams.get('redirect_uri'));
          redirect.search = parameters.toString();
          return fetch(redirect);
        });
      },
    });
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('Logged in to srv') });
    const token = server.received('initialize').at(-1).headers.authorization.slice('Bearer '.length);
    return { run, token, server, folder };
  }

  test('whose, of which server, until when; never a token; logout revokes and forgets', async () => {
    const before = Date.now();
    const { run, token } = await loggedIn();
    const { code, stdout, json } = await run(['tokens', '--json']);
    expect(code).toBe(0);
    const [login, ...others] = json().logins;
    expect(others).toEqual([]);
    expect(login).toEqual({
      server: 'srv',
      user: 'cli',
      expiresAt: expect.stringMatching(/^20\d\d-.*Z$/),
      expired: false,
      refreshToken: true,
      authorizationServer: authorizationServer.issuer,
      clientId: expect.any(String),
    });
    expect(Date.parse(login.expiresAt)).toBeGreaterThan(before);
    expect(stdout).not.toContain(token);
    const table = await run(['tokens', 'srv'], { env: { COLUMNS: '200' } });
    expect(table.stdout).toContain(login.expiresAt);
    expect(table.stdout).not.toContain(token);

    expect((await authorizationServer.introspect(token)).active).toBe(true);
    const out = await run(['logout', 'srv']);
    expect(out).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^✓ Logged out of srv; 2 tokens revoked\n$/),
    });
    expect((await authorizationServer.introspect(token)).active).toBe(false);
    expect(await run(['tokens'])).toMatchObject({ code: 0, stdout: 'No logins are stored.\n' });
    const again = await run(['logout', 'srv', '--json']);
    expect(again.json()).toEqual({ version: 1, name: 'srv', ok: true, wasLoggedIn: false, revoked: 0 });
    expect(await run(['check', 'srv'])).toMatchObject({ code: 1, stdout: expect.stringContaining('login srv') });
  });

  test('what cannot be revoked is forgotten all the same, and said', async () => {
    const { run, token, server, folder } = await loggedIn();
    const oauth = { revocation_endpoint: `${server.url}/none` };
    const srv = { type: 'streamable-http', url: server.url, oauth };
    const other = { mcpServers: { srv }, mcpSettings: { allowedAddresses: [server.address] } };
    writeFileSync(join(folder, 'other.yaml'), JSON.stringify(other));
    const { code, stdout } = await run(['logout', 'srv', '--config', 'other.yaml']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^! Forgot the login to srv; 0 tokens revoked\n✗ srv: Token revocation failed: HTTP 40\d/);
    expect(stdout).toContain('→ Whoever has a copy of the tokens');
    expect((await authorizationServer.introspect(token)).active).toBe(true);
    expect(await run(['tokens'])).toMatchObject({ code: 0, stdout: 'No logins are stored.\n' });
  });

  test('a server that is not there: exit code 2', async () => {
    const { run } = withEverything();
    for (const command of [
      ['tokens', 'none'],
      ['logout', 'none'],
    ]) {
      expect(await run(command)).toMatchObject({ code: 2, stderr: expect.stringContaining('has no server "none"') });
    }
  });
});

describe('completion', () => {
  const yaml = { mcpServers: { first: {}, 'second-one': {}, 'odd name; rm': {} } };
  const shells = ['bash', 'zsh', 'fish'].filter((shell) => {
    try {
      execFileSync(shell, ['-c', 'true']);
      return true;
    } catch {
      return false;
    }
  });

  test('words by their place', async () => {
    const { run } = cli({ 'librechat.yaml': yaml, 'other.yaml': { mcpServers: { third: {} } } });
    const words = async (...line) =>
      (await run(['completion', 'bash', '--words'], { input: `${line.join('\n')}\n` })).stdout;
    expect(await words('ch')).toBe('check\n');
    expect((await words('')).split('\n')).toEqual(expect.arrayContaining(Object.keys(EXAMPLES)));
    expect(await words('call', '')).toBe('first\nsecond-one\n');
    expect(await words('check', 'first', 's')).toBe('second-one\n');
    expect(await words('check', '--timeout', '5', 's')).toBe('second-one\n');
    expect(await words('tools', '--config', 'other.yaml', '')).toBe('third\n');
    expect(await words('tools', '--config', '')).toBe('');
    expect(await words('call', 'first', '')).toBe('');
    expect(await words('login', '--pa')).toBe('--paste\n');
    expect(await words('completion', 'b')).toBe('bash\n');
    expect(await words('no-such', '')).toBe('');
  });

  test('bash is among the shells here', () => {
    expect(shells).toContain('bash');
  });

  test('the script of bash, in bash', async () => {
    const { execute } = cli({ 'librechat.yaml': yaml });
    const complete = async (...line) => {
      const script = `
        librechat-mcp-native() { "${process.execPath}" "${BINARY}" "$@"; }
        eval "$(librechat-mcp-native completion bash)"
        COMP_WORDS=(librechat-mcp-native ${line.join(' ')}); COMP_CWORD=${line.length}
        _librechat_mcp_native
        printf '%s|' "\${COMPREPLY[@]}"`;
      return (await execute('bash', ['-c', script])).stdout;
    };
    expect(await complete('va')).toBe('validate|');
    expect(await complete('tools', "''")).toBe('first|second-one|');
    expect(await complete('login', '--no')).toBe('--no-browser|');
  });

  test.each(shells.filter((shell) => shell !== 'fish'))('the script of %s has no error of syntax', async (shell) => {
    const { run, execute } = cli({});
    const { stdout } = await run(['completion', shell]);
    const checked = await execute(shell, ['-n'], { input: stdout });
    expect(checked).toMatchObject({ code: 0, stderr: '' });
  });
});

test('the help of each command has examples', async () => {
  const { run } = cli({});
  for (const [command, [example]] of Object.entries(EXAMPLES)) {
    const { code, stdout } = await run([command, '--help']);
    expect({ command, code, stdout }).toEqual({
      command,
      code: 0,
      stdout: expect.stringContaining(`npx librechat-mcp-native ${example}`),
    });
  }
});
