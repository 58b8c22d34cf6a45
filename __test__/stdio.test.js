/** Servers that are processes: their descriptors, their ends and last words, their floods, limits of the system. */

const { spawn } = require('node:child_process');
const { mkdtempSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { testAddonPath } = require('../scripts/addon-path');
const { checkDescriptors } = require('./runtimes/descriptors');
const addon = require('./support/addon');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { canLimitThreads, startLimited } = require('./support/limits');
const { processGone, until } = require('./support/wait');

const SERVER = join(__dirname, 'support', 'odd-stdio-server.js');
const fixtures = useFixtures();
const user = createUser();
const params = { user, serverName: 'srv' };

/** `behaviour`: see `support/odd-stdio-server.js`. */
const odd = (behaviour = {}, config = {}) => ({
  type: 'stdio',
  command: process.execPath,
  args: [SERVER, JSON.stringify(behaviour)],
  requiresOAuth: false,
  source: 'yaml',
  startup: false,
  ...config,
});

const world = (config, servers, services) => fixtures.runtime({ servers: { srv: config, ...servers }, services });

function folder() {
  const path = mkdtempSync(join(tmpdir(), 'mcp-stdio-'));
  fixtures.keep({ close: async () => rmSync(path, { recursive: true, force: true }) });
  return path;
}

describe('stderr', () => {
  test('every value leads where it says, and nothing else is open', async () => {
    await checkDescriptors(addon, [process.execPath, SERVER, '{}']);
  });

  test('what a process without stderr starts has /dev/null there', async () => {
    if (process.platform !== 'linux') return;
    const { code, output } = await closedStderr();
    expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/^2 \/dev\/null$/m) });
    expect(output).toMatch(/^0 pipe:/m);
    expect(output).toMatch(/^1 pipe:/m);
  });

  test.each([
    ['overlapped', 'MCP_INVALID_CONFIG'],
    ['/dev/stderr', 'MCP_INVALID_CONFIG'],
    [-1, 'MCP_INVALID_CONFIG'],
    [2.5, 'MCP_INVALID_CONFIG'],
    [true, 'MCP_INVALID_CONFIG'],
    [{ write: 'a stream' }, 'MCP_INVALID_CONFIG'],
    [54_321, 'MCP_SPAWN_FAILED'],
    [4_000_000_000, 'MCP_SPAWN_FAILED'],
  ])('%j is refused in words', async (stderr, code) => {
    const { runtime } = world(odd({}, { stderr }));
    const connecting = runtime.manager.getConnection(params);
    await expect(connecting).rejects.toMatchObject({ code, message: expect.stringContaining('stderr') });
  });
});

/** A process that closes all its standard streams before it starts a server which tells what it got. */
function closedStderr() {
  const told = join(folder(), 'told');
  const script = `
    const fs = require('node:fs');
    const { createMCPRuntime } = require(${JSON.stringify(join(__dirname, '..'))});
    const { descriptorsWith } = require(${JSON.stringify(join(__dirname, 'runtimes', 'descriptors.js'))});
    const runtimeOf = (host) => {
      const runtime = createMCPRuntime(host);
      for (const descriptor of [0, 1, 2]) fs.closeSync(descriptor);
      return runtime;
    };
    const server = ${JSON.stringify([process.execPath, SERVER, '{}'])};
    descriptorsWith(runtimeOf, server, undefined, ${JSON.stringify(told)});`;
  const env = { PATH: process.env.PATH, NAPI_RS_NATIVE_LIBRARY_PATH: process.env.MCP_TEST_ADDON ?? testAddonPath() };
  const child = spawn(process.execPath, ['-e', script], { env, stdio: ['pipe', 'pipe', 'pipe'] });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output: readFileSync(told, 'utf8') }));
  });
}

describe('the error of a server that ended', () => {
  const SAY = 'one\nFATAL: no database\n';
  const WORDS = 'exited with status 3; last lines of its stderr: one | FATAL: no database';

  test.each([
    ['at start', {}, { stderr: 'pipe' }, WORDS],
    ['at start, with its own stderr', {}, { stderr: 'ignore' }, /exited with status 3 ?$/m],
    ['at start, without a fault', { code: 0 }, { stderr: 'pipe' }, 'exited with status 0; last lines'],
    ['by a signal', { code: undefined, signal: 'SIGSEGV' }, { stderr: 'pipe' }, 'was killed by SIGSEGV; last lines'],
    ['during initialize', { on: 'initialize' }, { stderr: 'pipe' }, WORDS],
  ])('%s', async (_, behaviour, config, words) => {
    const { runtime, logger } = world(odd({ code: 3, say: SAY, ...behaviour }, config));
    const { error } = await runtime.reinitMCPServer({ ...params, connectionTimeout: 30_000 });
    expect(error).toMatchObject({ code: 'MCP_CONNECTION_LOST', message: expect.stringMatching(words) });
    expect(logger.text()).toMatch(words);
  });

  test.each([
    ['during a call', 'tools/call'],
    ['while it was idle', 'ping'],
  ])('%s', async (_, on) => {
    const { runtime, logger } = world(odd({ on, code: 3, say: SAY }, { stderr: 'pipe' }));
    const connection = await runtime.manager.getConnection(params);
    if (on === 'ping') {
      await connection.client.request({ method: 'ping' }).catch(() => {});
      await until('end of the server', () => logger.text().includes(WORDS));
    }
    const call = connection.client.request({ method: 'tools/call', params: { name: 'echo', arguments: {} } });
    // A moment after the end of an idle server the manager has put its connection away.
    await expect(call).rejects.toThrow(on === 'ping' ? /exited with status 3|Not connected/ : WORDS);
  });

  test('has none of its secrets', async () => {
    const secret = 'sk-0123456789abcdef';
    const env = { SERVICE_API_KEY: secret, HARMLESS: 'a harmless value', FILLED: '{{VALUE}}' };
    const say = `key ${secret}, filled in-by-the-user, HARMLESS=a harmless value \u001b[2J\n`;
    const config = odd({ code: 3, say }, { stderr: 'pipe', env, customUserVars: { VALUE: { title: 'V' } } });
    const { runtime, logger } = world(config);
    const userMCPAuthMap = { mcp_srv: { VALUE: 'in-by-the-user' } };
    const { error } = await runtime.reinitMCPServer({ ...params, userMCPAuthMap });
    for (const text of [error.message, logger.text()]) {
      expect(text).toContain('key ***, filled ***, HARMLESS=a harmless value ');
      expect(text).not.toContain('\u001b');
    }
  });
});

test.each([
  ['does not know initialize', { code: -32601, message: 'Method not found' }],
  ['names its version', { code: -32022, message: 'Unsupported', data: { supported: ['2026-07-28'] } }],
])('a server of 2026-07-28 alone that %s', async (_, modern) => {
  const { runtime } = world(odd({ modern }));
  const client = runtime.client('srv', { user });
  expect(await client.callTool({ name: 'echo' })).toMatchObject({ content: [{ text: 'called' }] });
  expect(client.protocolVersion).toBe('2026-07-28');
});

describe('a flood', () => {
  test.each(['stderr', 'stdout'])('of %s ends neither the log nor other servers nor close()', async (flood) => {
    const pid = join(folder(), 'pid');
    const flooding = odd({ on: 'tools/call', flood, pid }, { stderr: 'pipe' });
    const { runtime, logger } = world(flooding, { quiet: odd() });
    const call = (serverName) => runtime.manager.callTool({ user, serverName, toolName: 'echo', toolArguments: {} });
    await runtime.reinitMCPServer(params);
    const flooded = call('srv').catch((error) => error);
    await until('a warning', () => /\d lines of stderr were dropped|\d more log lines/.test(logger.text()));
    for (let count = 0; count < 5; count++) expect(JSON.stringify(await call('quiet'))).toContain('called');
    await runtime.close();
    await processGone(Number(readFileSync(pid, 'utf8')));
    expect(await flooded).toHaveProperty('message');
    expect(logger.entries.length).toBeLessThan(10_000);
  });

  test('of stderr that nobody reads ends nothing without a logger', async () => {
    const config = odd({ say: `${'x'.repeat(1000)}\n`, times: 400 }, { stderr: 'pipe' });
    const env = {
      PATH: process.env.PATH,
      MCP_NATIVE_LOG: 'debug',
      NAPI_RS_NATIVE_LIBRARY_PATH: process.env.MCP_TEST_ADDON ?? testAddonPath(),
    };
    const script = join(__dirname, 'scripts', 'unread-stderr.js');
    const child = spawn(process.execPath, [script, JSON.stringify({ mcpServers: { srv: config } })], { env });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    const [code] = await new Promise((resolve) => child.once('exit', (...end) => resolve(end)));
    child.stderr.destroy();
    expect({ code, output }).toEqual({ code: 0, output: 'success: true\n' });
  });
});

/** Says so where it is skipped: `prlimit` (util-linux) is missing, or users without privileges cannot start Node. */
const whereThreadsCanBeLimited = canLimitThreads() ? test : test.skip;

describe('where the system gives no threads', () => {
  whereThreadsCanBeLimited('there are errors, and everything works when it does again', async () => {
    const web = await fixtures.server();
    const config = {
      mcpServers: { srv: odd({}, { stderr: 'ignore' }), web: { type: 'streamable-http', url: web.url } },
      mcpSettings: { allowedAddresses: [web.address] },
    };
    const limited = fixtures.keep(await startLimited(config));
    limited.limit();
    const noThreads = /^threw MCP_INTERNAL: The MCP runtime cannot start its threads: .*ulimit -u/;
    expect(await limited.run('create')).toMatch(noThreads);
    expect(await limited.run('ask')).toMatch(noThreads);
    limited.unlimit();
    expect(await limited.run('create')).toBe('created');
    limited.limit();
    expect(await limited.run('reinit', 'srv')).toMatch(/^MCP_SPAWN_FAILED: Cannot start a thread for MCP server/);
    expect(await limited.run('reinit', 'web')).toMatch(/^MCP_INTERNAL: The system gives this process no more threads/);
    limited.unlimit();
    expect(await limited.run('reinit', 'srv')).toBe('connected');
    expect(await limited.run('reinit', 'web')).toBe('connected');
    expect(await limited.end()).toMatchObject({ code: 0, signal: null });
  });

  whereThreadsCanBeLimited('a process that cannot be started is an error', async () => {
    const servers = { srv: odd({}, { stderr: 'ignore' }), other: odd({}, { stderr: 'ignore' }) };
    const limited = fixtures.keep(await startLimited({ mcpServers: servers }));
    await limited.run('create');
    expect(await limited.run('reinit', 'srv')).toBe('connected');
    limited.limit();
    expect(await limited.run('reinit', 'other')).toMatch(/^MCP_SPAWN_FAILED: .*may not start more processes/);
    limited.unlimit();
    expect(await limited.run('reinit', 'other')).toBe('connected');
    expect(await limited.end()).toEqual({ code: 0, signal: null, stderr: '' });
  });
});

describe('a command that cannot be executed', () => {
  test('is no work for a shell', async () => {
    const path = folder();
    const command = join(path, 'server');
    writeFileSync(command, `touch ${join(path, 'ran')}\n`, { mode: 0o755 });
    const { runtime } = world(odd({}, { command }));
    const { error } = await runtime.reinitMCPServer(params);
    expect(error).toMatchObject({ code: 'MCP_SPAWN_FAILED', retryable: false });
    expect(error.message).toContain('no program for this system');
    expect(() => readFileSync(join(path, 'ran'))).toThrow('ENOENT');
  });
});
