/** `createMCPRuntime({ config: 'librechat.yaml' })`: what happens when the file changes, on real servers. */

const { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { createMCPRuntime } = require('./support/addon');
const { ECHO } = require('./support/calls');
const { useEnvironment } = require('./support/environment');
const faults = require('./support/faults');
const { useFixtures } = require('./support/fixtures');
const { RecordingLogger } = require('./support/host');
const { runScript } = require('./support/script');
const { processGone, until } = require('./support/wait');

useEnvironment({ RELOADED_KEY: 'set-before' });

const fixtures = useFixtures();
const user = { id: 'reload' };

let directory;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mcp-reload-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** A document as YAML, of which JSON is a part. */
const yaml = (mcpServers, mcpSettings) => JSON.stringify({ mcpServers, mcpSettings }, null, 2);

/** A runtime of a file, in which `write` puts another text. */
function follow(text, path = join(directory, 'librechat.yaml')) {
  const logger = new RecordingLogger();
  const write = (next) => writeFileSync(path, next);
  if (text !== undefined) write(text);
  const runtime = fixtures.keep(createMCPRuntime({ config: path, logger }));
  const said = (what) => logger.messages('info').filter((line) => line.includes(what)).length;
  const warnings = () => logger.messages('warn').filter((line) => line.includes('stays in use'));
  return {
    path,
    runtime,
    logger,
    write,
    warnings,
    said,
    call: (serverName, extra) => runtime.manager.callTool({ ...ECHO, user, serverName, ...extra }),
    /** Makes a change and waits until it counts. */
    async change(next, make = write) {
      const before = said('was read again');
      make(next);
      await until('the file to be read again', () => said('was read again') > before);
    },
    refused: () => until('the file to be refused', () => runtime.health().configProblem !== undefined),
  };
}

const NOT_FOUND = { mcpCode: 'MCP_CONFIG_NOT_FOUND' };
const OWN = { startup: false };

describe('servers', () => {
  test('those that are the same keep their processes, the others do not', async () => {
    const [same, changed, removed] = [fixtures.stdio(), fixtures.stdio(), fixtures.stdio()];
    const { call, change, runtime } = follow(
      yaml({ same: same.config(), changed: changed.config(), removed: removed.config(OWN) }),
    );
    const another = { user: { id: 'another' } };
    await Promise.all([call('same'), call('changed'), call('removed'), call('removed', another)]);
    expect([same.pids(), changed.pids(), removed.pids()].map(({ length }) => length)).toEqual([1, 1, 2]);

    const everything = await fixtures.everything('streamableHttp');
    const other = changed.config();
    await change(
      yaml(
        { added: everything.config(), changed: { ...other, args: [...other.args, 'more'] }, same: same.config() },
        { allowedAddresses: [everything.address] },
      ),
    );
    // Without a call.
    await Promise.all([...changed.pids(), ...removed.pids()].map((pid) => processGone(pid)));
    await expect(call('removed')).rejects.toMatchObject(NOT_FOUND);
    await Promise.all([call('same'), call('changed')]);
    const added = await call('added', { toolArguments: { message: 'I am new' } });
    expect(JSON.stringify(added)).toContain('I am new');
    expect(same.pids()).toHaveLength(1);
    expect(changed.pids()).toHaveLength(2);
    expect(removed.pids()).toHaveLength(2);
    const shared = await runtime.manager.appConnections.getAll();
    expect([...shared.keys()].sort()).toEqual(['added', 'changed', 'same']);
  });

  test('calls under way end by themselves at a server that has changed, and fail at one that is gone', async () => {
    const server = await fixtures.server();
    const held = [];
    server.fault = faults.on('tools/call', (exchange) => held.push(exchange));
    const settings = { allowedAddresses: [server.address] };
    const { call, change } = follow(yaml({ changed: server.config(), removed: server.config() }, settings));
    const underWay = ['changed', 'removed'].map((name) => call(name));
    for (const one of underWay) one.catch(() => {});
    await until('the calls at the server', () => held.length === 2);

    await change(yaml({ changed: server.config({ timeout: 99_000 }) }, settings));
    await expect(underWay[1]).rejects.toMatchObject({ mcpCode: 'MCP_CONNECTION_LOST' });
    for (const { message, response } of held) {
      const result = { content: [{ type: 'text', text: 'at last' }] };
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result }));
    }
    expect(JSON.stringify(await underWay[0])).toContain('at last');
    server.fault = undefined;
    await call('changed');
    expect(server.received('initialize')).toHaveLength(3);
  });

  test('a call that only connects when its server is gone leaves no connection', async () => {
    const server = await fixtures.server();
    const { requiresOAuth, ...undecided } = server.config();
    const settings = { allowedAddresses: [server.address] };
    const { call, change, runtime } = follow(yaml({ srv: undecided }, settings));
    // The first request asks whether the server wants a login.
    let release;
    const released = new Promise((resolve) => {
      release = () => resolve(false);
    });
    server.fault = () => released;
    const late = call('srv');
    await until('the question at the server', () => server.requests.length > 0);
    await change(yaml({}, settings));
    release();
    await Promise.allSettled([late]);
    await until('the end of the connection', () => !runtime.health().servers.srv?.connections.connected);
    await expect(call('srv')).rejects.toMatchObject(NOT_FOUND);
  });

  test('what was found out about a server is asked for again when it has changed', async () => {
    const [kind, quick] = await Promise.all(
      ['Be kind.', 'Be quick.'].map((instructions) => fixtures.server({ instructions })),
    );
    const settings = { allowedAddresses: [kind.address, quick.address] };
    const told = (server) => server.config({ serverInstructions: true });
    const { change, runtime } = follow(yaml({ one: told(kind), two: told(quick) }, settings));
    const instructions = () => runtime.manager.formatInstructionsForContext(['one']);
    expect(await instructions()).toContain('Be kind.');
    expect(await runtime.manager.formatInstructionsForContext(['two'])).toContain('Be quick.');
    const inspected = quick.received('initialize').length;
    await change(yaml({ one: told(quick), two: told(quick) }, settings));
    expect(await runtime.manager.formatInstructionsForContext(['two'])).toContain('Be quick.');
    expect(quick.received('initialize')).toHaveLength(inspected);
    expect(await instructions()).toContain('Be quick.');
  });

  test('environment variables that only the new text names', async () => {
    const server = await fixtures.server();
    const settings = { allowedAddresses: [server.address] };
    const { call, change } = follow(yaml({}, settings));
    await change(yaml({ srv: server.config({ headers: { 'x-key': '${RELOADED_KEY}' } }) }, settings));
    await call('srv');
    expect(server.received('initialize')[0].headers['x-key']).toBe('set-before');
  });
});

describe('mcpSettings', () => {
  test('connections to what is no longer allowed are closed, and refused from then on', async () => {
    const server = await fixtures.server();
    const local = fixtures.stdio();
    const servers = { local: local.config(), web: server.config() };
    const allowing = (...allowedAddresses) => yaml(servers, { allowedAddresses });
    const { call, change, runtime } = follow(allowing(server.address));
    await Promise.all([call('local'), call('web')]);

    await change(allowing());
    await until('the end of the session', () => !runtime.health().servers.web?.connections.connected);
    await expect(call('web')).rejects.toMatchObject({ code: 'MCP_ADDRESS_NOT_ALLOWED' });
    await call('local');
    expect(server.received('tools/call')).toHaveLength(1);

    await change(allowing(server.address, 'localhost:1'));
    await call('web');
    await call('local');
    expect(server.received('initialize')).toHaveLength(2);
    expect(local.pids()).toHaveLength(1);
  });

  test.each(['mcpSettings', 'the server'])(
    'a tool that is denied in %s is gone from connections that are held',
    async (where) => {
      const [bare, own] = await Promise.all([fixtures.server(), fixtures.server()]);
      const rule = { tools: { deny: ['echo'] } };
      const text = (ofServer, ofAll) =>
        yaml(
          { bare: bare.config({ ...OWN, ...ofServer }), own: own.config({ ...OWN, tools: { allow: ['*'] } }) },
          { allowedAddresses: [bare.address, own.address], ...ofAll },
        );
      const { change, runtime, said } = follow(text());
      const connect = (serverName) => runtime.manager.getConnection({ user, serverName });
      const [held, untouched] = [await connect('bare'), await connect('own')];
      const params = { name: 'echo', arguments: { text: 'hi' } };
      const call = (connection) => connection.client.request({ method: 'tools/call', params });
      await Promise.all([call(held), call(untouched)]);

      await (where === 'mcpSettings' ? change(text({}, rule)) : change(text(rule)));
      expect(said('; changed: bare')).toBe(1);
      expect(said('other rules of tools')).toBe(where === 'mcpSettings' ? 1 : 0);
      await until('the end of the connection', () => !runtime.health().servers.bare?.connections.connected);
      const lost = { code: 'MCP_CONNECTION_LOST' };
      await expect(call(held)).rejects.toMatchObject(lost);
      await expect(held.client.listTools()).rejects.toMatchObject(lost);
      expect(bare.received('tools/call')).toHaveLength(1);
      await expect(call(await connect('bare'))).rejects.toMatchObject({ code: 'MCP_TOOL_DENIED' });
      await call(untouched);
      expect(own.received('initialize')).toHaveLength(1);
    },
  );
});

describe('a file that is not as it should be', () => {
  test.each([
    ['is no YAML', 'mcpServers:\n  srv: {\n', 'line 3'],
    ['has a glob without quotes', 'mcpServers:\n  srv: { command: x, tools: { deny: [*] } }\n', 'needs quotes'],
    ['has an unknown anchor', 'mcpServers:\n  srv: { command: x, tools: { deny: [*_x] } }\n', 'needs quotes'],
    ['has a wrong member', 'mcpServers:\n  srv: 1\n', '`mcpServers.srv` must be an object'],
    ['is empty', '', 'expected an object'],
    ['was cut off', 'mcpServers:\n', 'has no `mcpServers` any more'],
  ])('one that %s changes nothing, and is told once', async (_, text, fault) => {
    const local = fixtures.stdio();
    const good = yaml({ srv: local.config() });
    const { call, change, path, refused, runtime, warnings, write } = follow(good);
    await call('srv');
    write(text);
    await refused();
    expect(runtime.health().configProblem).toContain(fault);
    await call('srv');
    await change(`# mended\n${good}`);
    expect(runtime.health()).not.toHaveProperty('configProblem');
    await call('srv');
    expect(warnings()).toEqual([expect.stringContaining(fault)]);
    expect(warnings()[0]).toContain(path);
    expect(local.pids()).toHaveLength(1);
  });

  test('a wrong rule of a server fails this server alone, and is told', async () => {
    const [good, bad] = [fixtures.stdio(), fixtures.stdio()];
    const text = (extra) => yaml({ good: good.config(), bad: bad.config(extra) });
    const { call, change, path, runtime, logger } = follow(text());
    await change(text({ limits: { perUser: 60 } }));
    const { configProblem } = runtime.health();
    expect(configProblem).toContain(path);
    expect(configProblem).toContain('`mcpServers.bad.limits.perUser` must be');
    const told = logger.messages('warn').filter((line) => line.includes(configProblem));
    expect(told).toEqual([expect.stringContaining('what is done with this server fails')]);
    await call('good');
    await expect(call('bad')).rejects.toMatchObject({ code: 'MCP_INVALID_CONFIG' });
    await change(text());
    expect(runtime.health()).not.toHaveProperty('configProblem');
    await call('bad');
  });

  test('one that is gone changes nothing, and counts when it is there again', async () => {
    const local = fixtures.stdio();
    const { call, change, path, refused, warnings } = follow(yaml({ srv: local.config() }));
    rmSync(path);
    await refused();
    await call('srv');
    await change(yaml({ other: local.config() }));
    await expect(call('srv')).rejects.toMatchObject(NOT_FOUND);
    expect(warnings()).toEqual([expect.stringContaining('cannot be read')]);
  });
});

describe('ways to save a file', () => {
  test('a new file that is renamed', async () => {
    const local = fixtures.stdio();
    const { call, change, path } = follow(yaml({}));
    await change(yaml({ srv: local.config() }), (text) => {
      writeFileSync(`${path}.new`, text);
      renameSync(`${path}.new`, path);
    });
    await call('srv');
  });

  test('a link that is switched, as Kubernetes does', async () => {
    const local = fixtures.stdio();
    const put = (version, text) => {
      mkdirSync(join(directory, version));
      writeFileSync(join(directory, version, 'librechat.yaml'), text);
      symlinkSync(version, join(directory, '..new'));
      renameSync(join(directory, '..new'), join(directory, '..data'));
    };
    put('..1', yaml({}));
    const path = join(directory, 'librechat.yaml');
    symlinkSync(join('..data', 'librechat.yaml'), path);
    const { call, change } = follow(undefined, path);
    await change(yaml({ srv: local.config() }), (text) => put('..2', text));
    await call('srv');
  });
});

test('a program ends although its file is followed', async () => {
  const path = join(directory, 'librechat.yaml');
  writeFileSync(path, yaml({}));
  expect(await runScript('config-reload.js', { path })).toMatchObject({ code: 0, output: 'made' });
});
