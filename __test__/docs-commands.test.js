/** Commands and programs of the documentation, run as they stand, beside the files that their page shows. */

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { mkdirSync, symlinkSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { parse } = require('yaml');
const { testAddonPath } = require('../scripts/addon-path');
const { startAuthorizationServer } = require('./support/authorization-server');
const { createCli } = require('./support/cli');
const { everythingOverStdio } = require('./support/everything');
const { startIdentityProvider } = require('./support/identity-provider');
const { startMcpServer } = require('./support/mcp-server');
const { CLI, EXAMPLE, ROOT, blocksOf, shellCommandsOf } = require('./support/pages');
const { freePort } = require('./support/ports');
const { startProtectedServer } = require('./support/protected-server');
const { until } = require('./support/wait');

const SERVER = '@modelcontextprotocol/server-everything';

/**
 * A folder with the files of a page: its `yaml` blocks, by the name in their first line, else `librechat.yaml`, and its
 * program. The package is installed in it.
 *
 * @param change  puts servers that are there in place of those of the page
 */
function folderOf(page, change) {
  const files = { 'program.js': blocksOf(page, 'js')[0] };
  for (const block of blocksOf(page, 'yaml')) files[/^# (\S+\.yaml)\n/.exec(block)?.[1] ?? 'librechat.yaml'] = block;
  const config = parse(files['librechat.yaml']);
  // From where it is installed: npx would ask the registry.
  const { command, args } = everythingOverStdio();
  Object.assign(config.mcpServers.everything, { command, args });
  change?.(config);
  files['librechat.yaml'] = config;
  const cli = createCli(files);
  const modules = join(cli.folder, 'node_modules');
  mkdirSync(join(modules, '.bin'), { recursive: true });
  symlinkSync(ROOT, join(modules, 'librechat-mcp-native'));
  symlinkSync('../librechat-mcp-native/bin/librechat-mcp-native.js', join(modules, '.bin', 'librechat-mcp-native'));
  // npx finds it here, and asks no registry.
  mkdirSync(join(modules, '@modelcontextprotocol'));
  symlinkSync(join(ROOT, 'node_modules', SERVER), join(modules, SERVER));
  const env = { npm_config_update_notifier: 'false', npm_config_offline: 'true' };
  return {
    ...cli,
    shell: (line, options) => cli.execute('sh', ['-c', line], { ...options, env: { ...env, ...options?.env } }),
    program: (options) => cli.execute(process.execPath, ['program.js'], options),
  };
}

const commands = (page) => shellCommandsOf(page).map((line) => [line, line.slice(CLI.length)]);

describe('docs/getting-started.md', () => {
  const PAGE = 'docs/getting-started.md';
  const SHOWN = { check: '1 of 1 servers work', tools: 'echo', call: 'Hello' };
  let folder;

  beforeAll(() => {
    folder = folderOf(PAGE);
  });

  afterAll(() => folder.close());

  test.each(commands(PAGE))('%s', async (line, command) => {
    const { code, stdout } = await folder.shell(line);
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining(SHOWN[command.split(' ')[0]]) });
  });

  test('the program', async () => {
    expect(await folder.program()).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+ tools\n[\s\S]*Hello/),
    });
  });
});

describe('docs/cli.md', () => {
  const PAGE = 'docs/cli.md';
  const works = [0, '1 of 1 servers work'];
  const RESULTS = {
    validate: [0, '4 servers, 0 errors'],
    check: [1, '1 of 4 servers work'],
    'check -- npx -y @modelcontextprotocol/server-everything': works,
    'check --format junit > report.xml': [1, ''],
    'check --format github': [1, '::error file=librechat.yaml,line='],
    'tools everything': [0, 'echo'],
    'tools everything --pins': [0, 'pinTools is off for this server'],
    'approve everything echo --yes': [0, 'Nothing waits to be approved.'],
    'call everything echo message=Hello': [0, 'Hello'],
    'call everything get-tiny-image --save images/': [0, '[image image/png'],
    'resources everything': [0, '2 templates'],
    'read everything demo://resource/static/document/features.md': [0, '# Everything Server'],
    'prompts everything': [0, 'args-prompt'],
    'get everything args-prompt city=Paris': [0, 'Paris'],
    'call everything get-sum \'{"a":1,"b":2}\' --json': [0, '"content": ['],
    'check search --user-vars my-vars.yaml': works,
    'tools search --user-vars my-vars.yaml': [0, 'echo'],
    'login notes': [0, 'Logged in to notes'],
    'check notes': works,
    tokens: [0, 'notes'],
    'logout notes': [0, 'Logged out of notes'],
    'trace trace.ndjson': [0, 'notes        · is connected'],
    'trace trace.ndjson --har trace.har': [0, '0 exchanges'],
    'audit audit.ndjson': [0, 'notes echo'],
    'audit audit.ndjson --refused --json': [0, ''],
    'completion bash': [0, 'complete -o default'],
    'obo orders < token.txt': [0, 'exchanged for orders'],
  };
  const open = [];
  let folder;
  let search;
  let authorizationServer;
  let env;

  beforeAll(async () => {
    const keep = (thing) => {
      open.push(thing);
      return thing;
    };
    search = keep(await startMcpServer());
    authorizationServer = keep(await startAuthorizationServer());
    const notes = keep(await startProtectedServer(authorizationServer));
    const orders = keep(await startMcpServer());
    const { issuer, clientId, clientSecret } = keep(await startIdentityProvider()).config;
    folder = keep(
      folderOf(PAGE, (config) => {
        for (const [name, { url }] of Object.entries({ search, notes, orders })) config.mcpServers[name].url = url;
        const allowedAddresses = [search, notes, orders, authorizationServer].map(({ address }) => address);
        config.mcpSettings = { allowedAddresses };
      }),
    );
    writeFileSync(join(folder.folder, 'token.txt'), 'token-of-a-user\n');
    const record = { v: 1, at: new Date().toISOString(), kind: 'step', step: 'connected', server: 'notes', user: 'me' };
    writeFileSync(join(folder.folder, 'trace.ndjson'), JSON.stringify(record));
    const call = { v: 1, event: 'call', at: record.at, serverName: 'notes', toolName: 'echo', outcome: 'ok' };
    writeFileSync(join(folder.folder, 'audit.ndjson'), JSON.stringify(call));
    env = {
      BROWSER: 'true',
      OPENID_ISSUER: issuer,
      OPENID_CLIENT_ID: clientId,
      OPENID_CLIENT_SECRET: clientSecret,
    };
  });

  afterAll(async () => {
    for (const thing of open.reverse()) await thing.close();
  });

  /** What the user does with an address that is printed: signs in, and lets the browser go where it is sent. */
  function browser() {
    let visit;
    return (text) => {
      const [url] = /http:\S+state=\S+(?=\s)/.exec(text) ?? [];
      if (!url || visit) return;
      visit = authorizationServer.signIn(url).then((parameters) => {
        const redirect = new URL(new URL(url).searchParams.get('redirect_uri'));
        redirect.search = parameters.toString();
        return fetch(redirect);
      });
    };
  }

  test.each(commands(PAGE))('%s', async (line, command) => {
    const { code, stdout } = await folder.shell(line, { env, onStdout: browser() });
    const [expectedCode, shown] = RESULTS[command];
    expect({ code, stdout }).toEqual({ code: expectedCode, stdout: expect.stringContaining(shown) });
  });

  test('the values of a user arrived as the page shows them', () => {
    const sent = search.received('initialize').map(({ headers }) => headers['x-api-key']);
    expect(sent).toEqual(['the key', 'the key']);
  });

  test('the program', async () => {
    const { code, stdout } = await folder.program({ onStdout: browser() });
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^Open http[\s\S]*name: 'echo'/) });
  });
});

test('docs/program.md: the first program', async () => {
  const program = blocksOf('docs/program.md', 'js')[0];
  expect(program.trim().split('\n').length).toBeLessThanOrEqual(20);
  const folder = createCli({ 'program.js': program });
  try {
    const modules = join(folder.folder, 'node_modules');
    mkdirSync(join(modules, '@modelcontextprotocol'), { recursive: true });
    symlinkSync(ROOT, join(modules, 'librechat-mcp-native'));
    symlinkSync(join(ROOT, 'node_modules', SERVER), join(modules, SERVER));
    const { code, stdout } = await folder.execute(process.execPath, ['program.js'], {
      env: { npm_config_offline: 'true' },
    });
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^\d+ tools\n.*Hello/) });
  } finally {
    folder.close();
  }
});

describe('examples/librechat/README.md', () => {
  test(EXAMPLE, async () => {
    const ports = [];
    while (ports.length < 5) ports.push(await freePort());
    const [PORT, ...others] = ports.map(String);
    const env = { ...process.env, PORT, MCP_PORTS: others.join(','), NAPI_RS_NATIVE_LIBRARY_PATH: testAddonPath() };
    const child = spawn('sh', ['-c', `exec ${EXAMPLE}`], { cwd: ROOT, env, detached: true });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    }
    const ended = once(child, 'close');
    try {
      await until('the example', () => output.includes('ready; Ctrl+C') || child.exitCode !== null, 100_000);
      expect(output).toContain(`http://localhost:${PORT}/api/mcp/everything/reinitialize`);
    } finally {
      // As a terminal does: all of its processes.
      if (child.exitCode === null) process.kill(-child.pid, 'SIGINT');
      await ended;
    }
  }, 300_000);
});
