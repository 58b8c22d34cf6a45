/** What `check` prints: in which width, on what, in which format. Servers that no file has: `cli-target.test.js`. */

const { execFileSync, spawnSync } = require('node:child_process');
const { readFileSync, statSync } = require('node:fs');
const { join } = require('node:path');
const { stripVTControlCharacters } = require('node:util');
const { columnsOf } = require('../cli/columns');
const { BINARY, useCli } = require('./support/cli');
const { everythingOverStdio } = require('./support/everything');
const faults = require('./support/faults');

const { fixtures, cli, withServers } = useCli();

const CUSTOM = { KEY: { title: 'Key', description: 'Your key' } };
/** One that works, and three that cannot even be asked. */
const MIXED = {
  everything: everythingOverStdio(),
  '日本語のサーバー-with-a-long-name': { command: 'x', args: ['${CLI_TEST_NOT_SET}'] },
  personal: { type: 'sse', url: 'https://192.0.2.1/sse?key={{KEY}}', customUserVars: CUSTOM },
  socket: { type: 'websocket' },
};
const LACKS = 'Set CLI_TEST_NOT_SET in the environment or in .env.';
const VALUES =
  'Each user sets KEY in LibreChat; here, --user-vars names a YAML file with the values: "personal": { KEY: "…" }';
const CORRECT = 'Correct the configuration; `validate` shows the lines.';

/** What stands for each server, in the order of the names, and the last line; of a time its columns are left. */
function blocksOf(stdout) {
  const timeless = stdout.replace(/ +(?:\d+ ms|\d+\.\d s)(?= )/g, (time) => '#'.padStart(columnsOf(time)));
  return timeless.split(/^(?=[✓✗\d])/m).sort();
}

describe('the width', () => {
  test.each([
    [
      60,
      `1 of 4 servers work
✓ everything                   stdio            #   13 tools
✗ personal                     sse              –          –
  The server needs values that each user sets: KEY
    (MCP_MISSING_USER_VARS)
  → Each user sets KEY in LibreChat; here, --user-vars names
    a YAML file with the values: "personal": { KEY: "…" }
✗ socket                       websocket        –          –
  librechat.yaml:30: url: Required (MCP_INVALID_CONFIG)
  → ${CORRECT}
✗ 日本語のサー…th-a-long-name  stdio            –          –
  The environment lacks CLI_TEST_NOT_SET (MCP_MISSING_ENV)
  → ${LACKS}
`,
    ],
    [
      80,
      `1 of 4 servers work
✓ everything                         stdio            #   13 tools  no login
✗ personal                           sse              –          –  each user s…
  The server needs values that each user sets: KEY (MCP_MISSING_USER_VARS)
  → Each user sets KEY in LibreChat; here, --user-vars names a YAML file with
    the values: "personal": { KEY: "…" }
✗ socket                             websocket        –          –
  librechat.yaml:30: url: Required (MCP_INVALID_CONFIG)
  → ${CORRECT}
✗ 日本語のサーバー-with-a-long-name  stdio            –          –
  The environment lacks CLI_TEST_NOT_SET (MCP_MISSING_ENV)
  → ${LACKS}
`,
    ],
    // Where nobody says how wide it is, it is as wide as it takes.
    ...[140, ''].map((columns) => [
      columns,
      `1 of 4 servers work
✓ everything                         stdio            #   13 tools  no login
✗ personal                           sse              –          –  each user sets KEY
  The server needs values that each user sets: KEY (MCP_MISSING_USER_VARS)
  → ${VALUES}
✗ socket                             websocket        –          –
  librechat.yaml:30: url: Required (MCP_INVALID_CONFIG)
  → ${CORRECT}
✗ 日本語のサーバー-with-a-long-name  stdio            –          –
  The environment lacks CLI_TEST_NOT_SET (MCP_MISSING_ENV)
  → ${LACKS}
`,
    ]),
  ])('%s columns', async (columns, expected) => {
    const { code, stdout, stderr } = await withServers(MIXED).run(['check'], { env: { COLUMNS: String(columns) } });
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(blocksOf(stdout).join('')).toBe(expected);
    expect(stdout.split('\n').filter((line) => columnsOf(line) > (columns || 140))).toEqual([]);
  });

  test('what a server says is broken before the terminal breaks it, and never begins a line', async () => {
    const forged = '✓\u00a0forged\u00a0stdio\u00a0';
    const { run } = await refusing(forged.repeat(40));
    for (const columns of [40, 80]) {
      const { stdout } = await run(['check'], { env: { COLUMNS: String(columns) } });
      expect(stdout).toContain('forged');
      expect(stdout.split('\n').filter((line) => columnsOf(line) > columns || line.startsWith('✓'))).toEqual([]);
    }
  });

  test('names that differ at their end do so where they are cut', async () => {
    const server = { command: 'x', args: ['${CLI_TEST_NOT_SET}'] };
    const names = ['read', 'write'].map((end) => `production-customer-relations-of-everybody-${end}`);
    const { run } = withServers(Object.fromEntries(names.map((name) => [name, server])));
    for (const columns of [45, 60]) {
      const { stdout } = await run(['check'], { env: { COLUMNS: String(columns) } });
      const shown = stdout.split('\n').filter((line) => line.startsWith('✗'));
      expect(shown.map((line) => /…\S*(read|write) /.exec(line)?.[1]).sort()).toEqual(['read', 'write']);
      expect(stdout.split('\n').filter((line) => columnsOf(line) > columns)).toEqual([]);
    }
  });

  test('what stands behind a command of a hint is wrapped', async () => {
    const server = await fixtures.server();
    server.fault = challenging(server);
    const srv = { type: 'streamable-http', url: server.url, headers: { A: 'b' } };
    const { run } = withServers({ srv }, { allowedAddresses: [server.address] });
    const { stdout } = await run(['check'], { env: { COLUMNS: '50' } });
    expect(stdout).toMatch(/npx librechat-mcp-native login \S+/);
    expect(stdout).toMatch(/are to be enough/);
    expect(stdout.split('\n').filter((line) => columnsOf(line) > 50)).toEqual([]);
  });

  test('a command of a hint stays in one line, to be copied', async () => {
    const obo = { type: 'streamable-http', url: 'https://192.0.2.1/mcp', obo: { scopes: 'api://x/.default' } };
    const { run } = withServers({ 'orders of the shop': obo }, { allowedAddresses: ['192.0.2.1:443'] });
    const { stdout } = await run(['check'], { env: { COLUMNS: '50' } });
    expect(stdout).toContain("\n    npx librechat-mcp-native obo 'orders of the shop' < token.txt\n");
  });
});

describe('a terminal', () => {
  /** Runs the tool on a pseudo-terminal; what its window would obey stays in the text. */
  async function onTerminal(env) {
    const { execute } = withServers(MIXED);
    const command = `stty cols 80 rows 24; exec '${process.execPath}' '${BINARY}' check`;
    const { stdout } = await execute('script', ['-qec', command, '/dev/null'], { env: { TERM: 'xterm', ...env } });
    return stdout.replaceAll('\r', '');
  }
  const AT_FIRST_COLUMN = '\u001b[1G';

  test('colours, and the progress beneath the servers that are done', async () => {
    const shown = await onTerminal();
    expect(shown).toMatch(/ 0 of 4 · waiting for everything, 日本語のサーバー-with-a-long-name, personal…/);
    expect(shown).toContain('\u001b[32m✓\u001b[39m \u001b[1meverything');
    expect(shown).toContain('\u001b[31m✗\u001b[39m \u001b[1mpersonal');
    // The cursor is back.
    expect(shown.lastIndexOf('\u001b[?25h')).toBeGreaterThan(shown.lastIndexOf('\u001b[?25l'));
    // Each line was begun anew: nothing of the progress is left in it.
    const lines = shown.split('\n').map((line) => line.split(AT_FIRST_COLUMN).at(-1));
    const left = stripVTControlCharacters(lines.join('\n'));
    expect(left).toMatch(/^✓ everything {25}stdio /m);
    expect(left).toMatch(/^✗ personal {27}sse /m);
    expect(left).not.toContain('waiting for');
  });

  test('NO_COLOR', async () => {
    const shown = await onTerminal({ NO_COLOR: '1' });
    expect(shown).toContain('✓ everything');
    for (const code of [1, 2, 31, 32, 33, 36]) expect(shown).not.toContain(`\u001b[${code}m`);
  });
});

/** Texts that would end an element, begin a command or a line, and bytes that no XML may have. */
const HOSTILE =
  ']]></failure></testcase><testcase name="forged"/>"\'&amp;\n::error::forged\r\n##[error]forged %0A::error::forged' +
  '\u0000\u001b[31m\uffff\ud800\u2028';

/** The tool with a server that refuses every connection with this text. */
async function refusing(message, mcpServers = {}) {
  const error = () => ({ error: { code: -32000, message } });
  const server = await fixtures.server({ fault: faults.scripted({ initialize: error, 'server/discover': error }) });
  const srv = { type: 'streamable-http', url: server.url, requiresOAuth: false };
  return withServers({ ...mcpServers, srv }, { allowedAddresses: [server.address] });
}

describe('formats', () => {
  test('--json: one object with a version', async () => {
    const { code, json } = await withServers(MIXED).run(['check', '--json']);
    expect(code).toBe(1);
    const { servers, ...others } = json();
    expect(others).toEqual({ version: 1, summary: { total: 4, ok: 1, failed: 3 } });
    expect(servers.map(({ name }) => name)).toEqual(Object.keys(MIXED));
    expect(servers[1]).toEqual({
      name: '日本語のサーバー-with-a-long-name',
      ok: false,
      transport: 'stdio',
      protocolVersion: null,
      latencyMs: null,
      tools: [],
      authorization: { type: 'none', reason: '', ready: false },
      error: { code: 'MCP_MISSING_ENV', message: 'The environment lacks CLI_TEST_NOT_SET', hint: LACKS },
    });
  });

  test('--json of no server, and of a command line that is wrong', async () => {
    const { run } = withServers({});
    expect((await run(['check', '--json'])).json()).toEqual({
      version: 1,
      servers: [],
      summary: { total: 0, ok: 0, failed: 0 },
    });
    expect((await run(['check', '--json', 'other'])).json()).toMatchObject({ version: 1, ok: false });
    expect(await run(['check', '--json', '--format', 'junit'])).toMatchObject({ code: 2, stdout: '' });
    expect(await run(['check', '--format', 'html'])).toMatchObject({ code: 2, stdout: '' });
  });

  test('what no environment can mend, and a transport that nobody knows: exit code 2', async () => {
    const wrong = { unfilled: { command: '${CLI_TEST_NOT_SET}', args: [] }, odd: { type: 'bogus', url: 'https://x' } };
    const { run } = withServers(wrong);
    const { code, json } = await run(['check', '--json']);
    expect(code).toBe(2);
    const [{ error }, { transport }] = json().servers;
    expect(error).toEqual({
      code: 'MCP_INVALID_CONFIG',
      message: expect.stringMatching(/: command: keeps \$\{CLI_TEST_NOT_SET\} as written: no variable is filled in/),
      hint: 'Write the value itself there.',
    });
    expect(transport).toBe(null);
    for (const command of [
      ['tools', 'odd'],
      ['login', 'odd'],
    ]) {
      const failed = await run([...command, '--json']);
      expect(failed.code).toBe(2);
      expect(failed.json()).toMatchObject({
        version: 1,
        name: 'odd',
        ok: false,
        error: { code: 'MCP_INVALID_CONFIG' },
      });
    }
  });

  /** As a parser of XML that is not ours reads it: `[element, attributes, text]`, in the order of the document. */
  function parseXml(text) {
    const program =
      'import json, sys, xml.etree.ElementTree as tree\n' +
      'root = tree.fromstring(sys.stdin.buffer.read())\n' +
      'print(json.dumps([[e.tag, e.attrib, e.text] for e in root.iter()]))';
    const { stdout, stderr } = spawnSync('python3', ['-c', program], { input: text, encoding: 'utf8' });
    if (stderr) throw new Error(stderr);
    return JSON.parse(stdout);
  }

  test('--format junit: a case for each server, and nothing that a server has added', async () => {
    const { run } = await refusing(HOSTILE, { everything: MIXED.everything });
    const { error } = (await run(['check', '--json'])).json().servers[1];
    const { code, stdout, stderr } = await run(['check', '--format', 'junit']);
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    const elements = parseXml(stdout);
    expect(elements.map(([name]) => name)).toEqual(['testsuites', 'testsuite', 'testcase', 'testcase', 'failure']);
    const [, [, suite], [, good], [, bad], [, failure, text]] = elements;
    expect(suite).toMatchObject({ name: 'librechat.yaml', tests: '2', failures: '1', errors: '0' });
    expect(good).toMatchObject({ name: 'everything', file: 'librechat.yaml', line: '3' });
    expect(bad).toMatchObject({ name: 'srv', classname: 'librechat.yaml' });
    expect(failure.type).toBe(error.code);
    const shown = error.message.replace(/[\uffff\ufffe]|\p{Cs}/gu, '\ufffd');
    expect(failure.message).toBe(shown);
    expect(text).toBe(`${shown}\n${error.hint}`);
    expect(shown).toContain(']]></failure></testcase><testcase');
  });

  test('a configuration that cannot be read: one case, one annotation', async () => {
    const { run } = cli({ 'librechat.yaml': 'mcpServers:\n  a: {\n' });
    const junit = await run(['check', '--format', 'junit']);
    expect(junit).toMatchObject({ code: 2, stderr: expect.stringContaining('librechat.yaml:') });
    const elements = parseXml(junit.stdout);
    expect(elements.map(([name]) => name)).toEqual(['testsuites', 'testsuite', 'testcase', 'failure']);
    expect(elements[3][1]).toMatchObject({ type: 'MCP_INVALID_CONFIG' });
    const github = await run(['check', '--format', 'github']);
    expect(github).toMatchObject({
      code: 2,
      stdout: expect.stringMatching(/^::error file=librechat\.yaml,line=\d+,.*\n$/),
    });
  });

  /** As GitHub's runner reads a line, spaces before it left out; `undefined` where it is no command. */
  function readCommand(line) {
    const [, name, properties, message] = /^\s*::(\S+) (.*?)::(.*)$/.exec(line) ?? [];
    if (!name) return undefined;
    const decoded = (text) => text.replaceAll('%0D', '\r').replaceAll('%0A', '\n').replaceAll('%25', '%');
    const pairs = properties.split(',').map((pair) => pair.split('='));
    const values = pairs.map(([key, value]) => [key, decoded(value.replaceAll('%3A', ':').replaceAll('%2C', ','))]);
    return { name, ...Object.fromEntries(values), message: decoded(message) };
  }

  test('--format github: an annotation for each failure, and no command of a server', async () => {
    const { run, folder } = await refusing(HOSTILE, { 'a,b:c%0A': { command: '${CLI_TEST_NOT_SET}', args: [] } });
    const { servers } = (await run(['check', '--json'])).json();
    const { code, stdout, stderr } = await run(['check', '--format', 'github']);
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    const lines = stdout.trimEnd().split('\n');
    expect(lines.pop()).toBe('0 of 2 servers work');
    const yaml = readFileSync(join(folder, 'librechat.yaml'), 'utf8').split('\n');
    const lineOf = (name) => String(yaml.findIndex((text) => text.includes(JSON.stringify(name))) + 1);
    const expected = servers.map(({ name, error }) => ({
      name: 'error',
      file: 'librechat.yaml',
      line: lineOf(name),
      title: `${name} (${error.code})`,
      // A lone surrogate is no UTF-8.
      message: `${error.message}\n${error.hint}`.replace(/\p{Cs}/gu, '\ufffd'),
    }));
    const byTitle = (one, other) => (one.title < other.title ? -1 : 1);
    expect(lines.map(readCommand).sort(byTitle)).toEqual(expected.sort(byTitle));
  });
});

test('one attempt for each server', async () => {
  const { run, folder } = cli({
    'librechat.yaml': { mcpServers: { srv: { command: 'sh', args: ['-c', 'echo started >> starts; exit 1'] } } },
  });
  expect(await run(['check'])).toMatchObject({ code: 1 });
  expect(readFileSync(join(folder, 'starts'), 'utf8')).toBe('started\n');
});

test('--trace says where the traffic is, in a file that nobody else reads', async () => {
  const { run, folder } = withServers({ everything: MIXED.everything });
  const text = await run(['check', '--trace', 'traffic.ndjson']);
  expect(text).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Traffic: npx .* trace traffic\.ndjson$/m) });
  expect((await run(['check', '--json', '--trace', 'traffic.ndjson'])).json().trace).toBe('traffic.ndjson');
  expect(statSync(join(folder, 'traffic.ndjson')).mode & 0o777).toBe(0o600);
  const { code, stderr } = await run(['check', '--trace', 'none/traffic.ndjson']);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('none/traffic.ndjson') });
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  const nobody = await run(['check', '--trace', 'pipe']);
  expect(nobody).toMatchObject({ code: 2, stderr: expect.stringContaining('The traffic cannot be recorded') });
});

/** Refuses every request, whatever key it has, and names its authorization server. */
const challenging =
  (server) =>
  ({ request, response }) => {
    const metadata = '/.well-known/oauth-protected-resource';
    if (request.url.startsWith(metadata)) {
      const document = { resource: server.url, authorization_servers: ['https://192.0.2.1'] };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document));
    } else {
      const challenge = `Bearer resource_metadata="http://${server.address}${metadata}"`;
      response.writeHead(401, { 'www-authenticate': challenge }).end();
    }
    return true;
  };

test('a server that announces OAuth beside headers: requiresOAuth: false may be meant', async () => {
  const server = await fixtures.server();
  server.fault = challenging(server);
  const srv = { type: 'streamable-http', url: server.url, headers: { 'X-Api-Key': 'the key' } };
  const settings = { allowedAddresses: [server.address] };
  const warned = await withServers({ srv }, settings).run(['check', '--json']);
  const warnings = [expect.stringContaining('set `requiresOAuth: false`')];
  expect(warned.json().servers).toEqual([expect.objectContaining({ ok: false, warnings })]);
  const told = await withServers({ srv: { ...srv, requiresOAuth: false } }, settings).run(['check', '--json']);
  expect(told.json().servers[0].authorization.type).toBe('none');
  expect(told.json().servers[0].warnings).toBeUndefined();
});
