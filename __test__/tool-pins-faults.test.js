/** `pinTools` beside servers, stores and callers that do what they should not. */

const { useCli } = require('./support/cli');
const { useEnvironment } = require('./support/environment');
const { scripted } = require('./support/faults');
const { MemoryPins } = require('./support/memory-services');
const { GOOD, names, OTHER, usePinned, weather } = require('./support/pinned');
const { until } = require('./support/wait');

const { fixtures, withServers } = useCli();
const { startServer, hostOf } = usePinned(fixtures);
const SECRET = 's3cr3t-token-of-a-user-0123456789';
const reports = ({ logger }) => logger.messages('warn').filter((message) => message.includes('The tool '));

test('what a server was sent stands in no report, no record of the audit and no diff', async () => {
  const server = await startServer();
  const records = [];
  const services = { onAudit: (record) => records.push(record) };
  const host = hostOf(server, 'warn', services, { headers: { Authorization: `Bearer ${SECRET}` } });
  await host.list();
  expect(server.requests.at(-1).headers.authorization).toBe(`Bearer ${SECRET}`);
  server.offer(weather(`got ${SECRET}`), weather(GOOD, { name: SECRET }), weather('x'.repeat(105) + SECRET));
  await host.list();
  expect(reports(host)).toEqual([
    expect.stringContaining('/description "Tells the weather." → "got ***"'),
    expect.stringContaining('The tool *** is new'),
    expect.stringContaining('xxx***'),
  ]);
  expect(host.logger.text()).not.toContain(SECRET.slice(0, 6));
  expect(records.map(({ event, tools }) => [event, tools.map(({ name }) => name)])).toEqual([
    ['tools-changed', ['weather', '***', 'weather']],
  ]);
  const pins = await host.pins();
  expect(JSON.stringify(pins.map(({ diff }) => diff))).not.toContain(SECRET);
});

/** A promise that resolves with `open()`. */
function gate() {
  let open;
  const opened = new Promise((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

describe('a change is reported', () => {
  /** Lists until `isFar`, leaves, and goes on. */
  async function leave({ manager, params }, isFar, goOn) {
    const { client } = await manager.getConnection(params);
    const leaving = new AbortController();
    const listed = client.request({ method: 'tools/list' }, undefined, { signal: leaving.signal });
    const outcome = expect(listed).rejects.toMatchObject({ code: 'MCP_ABORTED' });
    await until('that the change is noticed', isFar);
    leaving.abort();
    await outcome;
    goOn();
  }

  test('though whoever listed leaves before the store has answered', async () => {
    const server = await startServer();
    const pins = new MemoryPins();
    const { opened, open } = gate();
    let writes = 0;
    const compareAndSet = async (...entry) => {
      const isSet = await pins.compareAndSet(...entry);
      writes += 1;
      if (writes === 2) await opened;
      return isSet;
    };
    const host = hostOf(server, 'block', { toolPins: { get: (key) => pins.get(key), compareAndSet } });
    await host.list();
    server.offer(weather(OTHER));
    await leave(host, () => writes === 2, open);
    await until('the report', () => reports(host).length > 0);
    await host.list();
    expect(reports(host)).toHaveLength(1);
  });

  test('before the audit has answered', async () => {
    const server = await startServer();
    const { opened, open } = gate();
    const onAudit = ({ event }) => (event === 'tools-changed' ? opened : undefined);
    const host = hostOf(server, 'block', { onAudit });
    await host.list();
    server.offer(weather(OTHER));
    await leave(host, () => reports(host).length > 0, open);
    expect(host.runtime.metrics()).toContain('librechat_mcp_tool_changes_total{server="sky",change="changed"} 1');
  });

  test('though the answer of the store is lost', async () => {
    const server = await startServer();
    const pins = new MemoryPins();
    let isLost = false;
    const compareAndSet = async (...entry) => {
      const isSet = await pins.compareAndSet(...entry);
      if (isLost) throw new Error('connection lost');
      return isSet;
    };
    const host = hostOf(server, 'block', { toolPins: { get: (key) => pins.get(key), compareAndSet } });
    await host.list();
    server.offer(weather(OTHER));
    isLost = true;
    expect(names(await host.list())).toEqual([]);
    await host.list();
    expect(reports(host)).toHaveLength(1);
  });
});

test('first calls at the same time list once', async () => {
  const server = await startServer();
  const host = hostOf(server, 'block');
  const { manager, params } = host;
  await manager.getConnection(params);
  const before = server.received('tools/list').length;
  await Promise.all(Array.from({ length: 20 }, () => host.call()));
  expect(server.received('tools/list')).toHaveLength(before + 1);
  expect(server.received('tools/call')).toHaveLength(20);
});

describe('a list that is longer than what is read', () => {
  useEnvironment({ MCP_TOOLS_LIST_MAX_PAGES: '2' });

  test('is named as why a tool behind that is not called, and has those before it', async () => {
    const server = await startServer({ pageSize: 1 });
    server.offer(weather(), weather(GOOD, { name: 'storm' }), weather(GOOD, { name: 'snow' }));
    const host = hostOf(server, 'block');
    expect(await host.call('storm')).toBeDefined();
    await expect(host.call('snow')).rejects.toMatchObject({
      code: 'MCP_TOOL_NOT_APPROVED',
      message: expect.stringMatching(
        /^Tool 'snow' of MCP server 'sky' is not available: it is not in the part of the list that was read: .*MCP_TOOLS_LIST_MAX_PAGES/,
      ),
    });
    expect(server.received('tools/call')).toHaveLength(1);
  });
});

test.each(['warn', 'block'])('%s passes no page on that has no list of tools', async (pinTools) => {
  let result;
  const lists = scripted({ 'tools/list': () => ({ result }) });
  const host = hostOf(await startServer({ fault: (exchange) => result && lists(exchange) }), pinTools);
  const { client } = await host.manager.getConnection(host.params);
  for (result of [{ tools: { 0: weather() } }, { tools: null }, {}]) {
    const listed = client.request({ method: 'tools/list' });
    await expect(listed).rejects.toMatchObject({ code: 'MCP_INVALID_RESPONSE' });
  }
});

test("for the command line, nothing in a server's config leaves it to mcpSettings", async () => {
  const server = await startServer();
  const config = { sky: { type: 'streamable-http', url: server.url, pinTools: null } };
  const { run } = withServers(config, { pinTools: 'block', allowedAddresses: [server.address] });
  const { stdout } = await run(['tools', 'sky', '--pins']);
  expect(stdout).toContain('weather');
  expect(stdout).not.toContain('pinTools is off');
});

test('the command line names the tools that there are where one is to be approved that is none', async () => {
  const server = await startServer();
  const config = { sky: { type: 'streamable-http', url: server.url, pinTools: 'block' } };
  const { run } = withServers(config, { allowedAddresses: [server.address] });
  const approve = (...tools) => run(['approve', 'sky', ...tools, '--yes']);
  for (const tools of [[], ['weather']]) {
    expect(await approve(...tools)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Nothing waits to be approved.'),
    });
  }
  const expected = 'The server has no tool wether\\u{1b}\nIts tools: weather.';
  expect(await approve('wether\u001b')).toMatchObject({ code: 2, stderr: expect.stringContaining(expected) });
});

test('no record of the audit has what a terminal obeys', async () => {
  const server = await startServer();
  const records = [];
  const host = hostOf(server, 'block', { onAudit: (record) => records.push(record) });
  await host.list();
  server.offer(weather(), weather(GOOD, { name: 'storm\u001b[2J\u202e' }));
  await host.list();
  await host.approve();
  expect(records.map(({ event, tools }) => [event, tools.map(({ name }) => name)])).toEqual([
    ['tools-changed', ['storm\\u{1b}[2J\\u{202e}']],
    ['tools-approved', ['storm\\u{1b}[2J\\u{202e}']],
  ]);
});
