/** The audit: a record of every tool call, for `onAudit` and for the file of `MCP_NATIVE_AUDIT`. */

const { createHash } = require('node:crypto');
const { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { ECHO } = require('./support/calls');
const { useEnvironment } = require('./support/environment');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { BASE } = require('./support/scripted-modern-server');
const { startTaskServer } = require('./support/task-server');
const { until } = require('./support/wait');

const fixtures = useFixtures();
const user = createUser();
const SECRET = 'bearer-of-the-operator-9876';

/** A server whose tool answers with `answer(params)`, and a runtime whose audit is kept in `records`. */
async function start({ services, answer = () => ({ content: [{ type: 'text', text: 'hi' }] }), config } = {}) {
  const records = [];
  const server = await fixtures.server({ callTool: answer });
  const servers = { srv: server.config({ startup: false, headers: { 'x-key': SECRET }, ...config }) };
  const onAudit = (record) => void records.push(record);
  const made = fixtures.runtime({ servers, allow: [server], services: { onAudit, ...services } });
  const { manager } = made.runtime;
  const call = (more) => manager.callTool({ ...ECHO, user, ...more });
  return { ...made, records, server, manager, call };
}

const digest = (canonical) => `sha256:${createHash('sha256').update(canonical).digest('hex')}`;
const RESULT = '{"content":[{"type":"text","text":"hi"}]}';

test('a call is one record, which has all that is promised, and nothing else', async () => {
  const before = Date.now();
  const { call, records } = await start({ services: { getTenantId: () => 'acme' } });
  await call({ toolArguments: { text: 'hi', b: 1e21, a: ['é'] } });
  expect(records).toEqual([
    {
      v: 1,
      event: 'call',
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
      callId: expect.stringMatching(/^[0-9a-f]{32}$/),
      tenantId: 'acme',
      userId: user.id,
      serverName: 'srv',
      toolName: 'echo',
      argumentsDigest: digest('{"a":["é"],"b":1e+21,"text":"hi"}'),
      decision: 'allowed',
      rule: null,
      outcome: 'ok',
      durationMs: expect.any(Number),
      waitedMs: 0,
      resultBytes: RESULT.length,
    },
  ]);
  const [{ at, durationMs }] = records;
  expect(durationMs).toBeGreaterThan(0);
  expect(Date.parse(at)).toBeGreaterThanOrEqual(before);
  expect(Date.parse(at)).toBeLessThanOrEqual(Date.now());
});

test('equal arguments have one digest, in whatever order', async () => {
  const { call, records } = await start();
  for (const toolArguments of [{ a: 1, b: 2 }, { b: 2, a: 1 }, { a: 1, b: 3 }, {}, undefined])
    await call({ toolArguments });
  const digests = records.map(({ argumentsDigest }) => argumentsDigest);
  expect(digests[0]).toBe(digests[1]);
  expect(new Set(digests).size).toBe(4);
  expect(digests.slice(3)).toEqual([digest('{}'), null]);
});

test.each([
  [
    'client.callTool',
    ({ runtime }) => runtime.client('srv', { user }).callTool({ name: 'echo', arguments: { text: 'hi' } }),
  ],
  [
    'connection.client.request',
    async ({ manager }) => {
      const connection = await manager.getConnection({ user, serverName: 'srv' });
      await connection.client.request({ method: 'tools/call', params: { name: 'echo', arguments: { text: 'hi' } } });
    },
  ],
])('%s is in it, and other requests are not', async (_, work) => {
  const world = await start();
  await world.runtime.client('srv', { user }).listTools();
  await work(world);
  const expected = { userId: user.id, toolName: 'echo', outcome: 'ok', argumentsDigest: digest('{"text":"hi"}') };
  expect(world.records).toEqual([expect.objectContaining(expected)]);
});

test('it is kept before the caller hears of the outcome', async () => {
  const order = [];
  const onAudit = async ({ outcome }) => {
    await new Promise(setImmediate);
    order.push(`audit ${outcome}`);
  };
  const { call } = await start({ services: { onAudit } });
  await call().then(() => order.push('settled'));
  await call({ serverName: 'nobody' }).catch(() => order.push('settled'));
  expect(order).toEqual(['audit ok', 'settled', 'audit MCP_CONFIG_NOT_FOUND', 'settled']);
});

describe('what was decided', () => {
  const only = (records) => {
    expect(records).toHaveLength(1);
    const [{ decision, rule, outcome, resultBytes }] = records;
    return [decision, rule, outcome, resultBytes === null ? null : 'bytes'];
  };

  test.each([
    ['refused', 'onToolCall', 'MCP_CALL_REFUSED', null, { onToolCall: () => ({ refuse: 'no' }) }],
    ['refused', 'onToolCall', 'MCP_HOST_ERROR', null, { onToolCall: () => false }],
    ['rewritten', 'onToolCall', 'ok', 'bytes', { onToolCall: () => ({ arguments: {} }) }],
    ['allowed', null, 'ok', 'bytes', { onToolCall: () => ({ weight: 2 }), onToolResult: () => true }],
    ['refused', 'onToolResult', 'MCP_CALL_REFUSED', 'bytes', { onToolResult: () => ({ refuse: 'no' }) }],
    ['refused', 'onToolResult', 'MCP_HOST_ERROR', 'bytes', { onToolResult: () => Promise.reject(new Error('no')) }],
    ['rewritten', 'onToolResult', 'ok', 'bytes', { onToolResult: () => ({ result: { content: [] } }) }],
    [
      'rewritten',
      'onToolResult',
      'tool_error',
      'bytes',
      { onToolResult: () => ({ result: { content: [], isError: true } }) },
    ],
  ])('%s by %s: %s', async (decision, rule, outcome, bytes, services) => {
    const { call, records } = await start({ services });
    await call().catch(() => {});
    expect(only(records)).toEqual([decision, rule, outcome, bytes]);
  });

  test('what was cut was rewritten, also after a hook', async () => {
    const answer = () => ({ content: [{ type: 'text', text: 'x'.repeat(5000) }] });
    const config = { maxResultBytes: 1024, overflow: 'cut' };
    for (const services of [{}, { onToolCall: () => ({ arguments: {} }) }]) {
      const { call, records } = await start({ answer, config, services });
      await call();
      expect(only(records)).toEqual(['rewritten', 'maxResultBytes', 'ok', 'bytes']);
    }
  });

  test('the digest is of what was sent', async () => {
    const { call, records } = await start({ services: { onToolCall: () => ({ arguments: { sent: 1 } }) } });
    await call();
    expect(records[0].argumentsDigest).toBe(digest('{"sent":1}'));
  });

  test('hooks and the audit have one id for a call', async () => {
    const ids = [];
    const services = {
      onToolCall: ({ callId }) => void ids.push(callId),
      onToolResult: ({ callId }) => void ids.push(callId),
    };
    const { call, records } = await start({ services });
    await call();
    expect(ids).toEqual([records[0].callId, records[0].callId]);
  });

  test('a call that fails by itself was allowed', async () => {
    const { call, records, runtime } = await start({ answer: () => ({ content: [], isError: true }) });
    await call();
    await call({ serverName: 'nobody' }).catch(() => {});
    await call({ serverConfig: { url: 7 } }).catch(() => {});
    await expect(runtime.client('srv').callTool({ name: 'echo' })).rejects.toMatchObject({
      mcpCode: 'MCP_USER_REQUIRED',
    });
    const told = records.map(({ decision, rule, outcome, userId }) => [decision, rule, outcome, userId]);
    expect(told).toEqual([
      ['allowed', null, 'tool_error', user.id],
      ['allowed', null, 'MCP_CONFIG_NOT_FOUND', user.id],
      ['allowed', null, 'MCP_INVALID_CONFIG', user.id],
      ['allowed', null, 'MCP_USER_REQUIRED', null],
    ]);
  });

  test.each(['while the server works', 'while a hook is asked'])('an abort %s', async (when) => {
    const caller = new AbortController();
    const abort = () => {
      setImmediate(() => caller.abort());
      return new Promise((resolve) => caller.signal.addEventListener('abort', () => setTimeout(resolve, 50)));
    };
    const isHook = when.endsWith('asked');
    const world = await start(
      isHook ? { services: { onToolCall: abort } } : { answer: () => abort().then(() => ({ content: [] })) },
    );
    await expect(world.call({ options: { signal: caller.signal } })).rejects.toMatchObject({ code: 'MCP_ABORTED' });
    expect(only(world.records)).toEqual(['allowed', null, 'MCP_ABORTED', null]);
  });

  test('a task is one record for each call that waits for it', async () => {
    let isDone = false;
    const done = { status: 'completed', result: { ...BASE, content: [] } };
    const server = fixtures.keep(await startTaskServer(() => (isDone ? done : { status: 'working' })));
    const records = [];
    const services = { onAudit: (record) => void records.push(record) };
    const runtimeOf = () => fixtures.runtime({ servers: { srv: server.config }, allow: [server], services }).runtime;
    const handles = [];
    const first = runtimeOf();
    const options = { ontask: (handle) => handles.push(handle) };
    const calling = first.manager.callTool({ serverName: 'srv', toolName: 'dig', provider: 'openai', user, options });
    const closed = expect(calling).rejects.toMatchObject({ code: 'MCP_CLOSED' });
    await until('a handle', () => handles.length > 0);
    await first.close();
    await closed;
    isDone = true;
    await runtimeOf().manager.resumeTask({ task: handles[0], user, provider: 'openai' });
    expect(records.map(({ toolName, outcome }) => [toolName, outcome])).toEqual([
      ['dig', 'MCP_ABORTED'],
      ['dig', 'ok'],
    ]);
  });
});

test('neither arguments nor results nor secrets are in it', async () => {
  const answer = () => ({ content: [{ type: 'text', text: 'word-of-the-result' }] });
  const { call, records } = await start({ answer });
  const toolArguments = { text: 'word-of-the-arguments' };
  await expect(call({ toolArguments })).resolves.toEqual(['word-of-the-result', undefined]);
  await call({ toolArguments, toolName: `${SECRET}\u202e${'x'.repeat(9999)}` }).catch(() => {});
  await call({ toolArguments, serverName: `s\n${'x'.repeat(9999)}` }).catch(() => {});
  expect(records).toHaveLength(3);
  for (const record of records) {
    const text = JSON.stringify(record);
    expect(text).not.toMatch(/word-of|\u202e/);
    expect(text).not.toContain(SECRET);
    expect(text.length).toBeLessThan(4000);
  }
  expect(records[1].toolName).toMatch(/^\*\*\*\\u\{202e\}x+…$/);
});

test('records of calls that follow each other are in their order', async () => {
  const { call, records } = await start();
  const chains = ['a', 'b', 'c', 'd'].map(async (id) => {
    for (let n = 0; n < 25; n++) await call({ user: createUser({ id }), toolArguments: { n } });
  });
  await Promise.all(chains);
  expect(records).toHaveLength(100);
  expect(new Set(records.map(({ callId }) => callId)).size).toBe(100);
  for (const id of ['a', 'b', 'c', 'd']) {
    const digests = records.filter(({ userId }) => userId === id).map(({ argumentsDigest }) => argumentsDigest);
    expect(digests).toEqual(Array.from({ length: 25 }, (_, n) => digest(`{"n":${n}}`)));
  }
});

test('a runtime is closed when the audit has heard of the calls that this has ended', async () => {
  const records = [];
  const onAudit = async ({ outcome }) => {
    await new Promise((resolve) => setTimeout(resolve, 100));
    records.push(outcome);
  };
  let answer;
  const work = () => new Promise((resolve) => (answer = () => resolve({ content: [] })));
  const { call, runtime } = await start({ services: { onAudit }, answer: work });
  const ended = expect(call()).rejects.toMatchObject({ code: 'MCP_CLOSED' });
  await until('the call to reach the server', () => answer);
  await runtime.close();
  expect(records).toEqual(['MCP_ABORTED']);
  answer();
  await ended;
});

describe('an audit that fails', () => {
  const lines = (logger) => logger.entries.filter(({ message }) => message.includes('of the audit could not be kept'));

  test.each([
    [
      'throws',
      () => {
        throw new Error('no disk');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no disk'))],
  ])('one that %s is told of once, counted, and changes nothing', async (_, onAudit) => {
    const { call, logger, runtime } = await start({ services: { onAudit } });
    for (let n = 0; n < 3; n++) await expect(call()).resolves.toEqual(['hi', undefined]);
    await expect(call({ serverName: 'nobody' })).rejects.toMatchObject({ mcpCode: 'MCP_CONFIG_NOT_FOUND' });
    expect(lines(logger)).toEqual([
      expect.objectContaining({
        level: 'error',
        message: '[MCP] onAudit: 1 record of the audit could not be kept: The host callback onAudit failed: no disk',
      }),
    ]);
    expect(await runtime.metrics()).toContain('librechat_mcp_callback_failures_total{callback="onAudit"} 4');
  });

  test('one that hangs is waited for five seconds', async () => {
    const { call, logger } = await start({
      services: { onAudit: () => new Promise((resolve) => setTimeout(resolve, 20_000).unref()) },
    });
    await expect(call()).resolves.toEqual(['hi', undefined]);
    expect(lines(logger)[0].message).toContain('onAudit did not settle within 5 s');
  }, 60_000);
});

describe('a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-audit-'));
  const FILE = join(folder, 'later', 'audit.ndjson');
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const read = (file = FILE) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));

  describe('of MCP_NATIVE_AUDIT', () => {
    useEnvironment({ MCP_NATIVE_AUDIT: FILE });

    test('that is not possible now is told of, and opened when it is', async () => {
      const { call, logger, records } = await start();
      const told = () => logger.messages('warn').filter((message) => message.includes('MCP_NATIVE_AUDIT'));
      expect(told()).toEqual([expect.stringMatching(/nothing can be written to .*audit\.ndjson now: No such file/)]);
      await call();
      expect(logger.text()).toMatch(
        /error \[MCP\] MCP_NATIVE_AUDIT: 1 record of the audit could not be kept: No such file/,
      );
      mkdirSync(join(folder, 'later'));
      await call();
      expect(read()).toEqual([records[1]]);
    });

    test('gets the same records as the host, and nobody else reads it', async () => {
      rmSync(FILE, { force: true });
      const { call, records } = await start({
        services: { onToolCall: ({ arguments: { n } }) => (n ? { refuse: 'no' } : null) },
      });
      for (const n of [0, 1]) {
        await call({ toolArguments: { n } }).catch(() => {});
        expect(read()).toEqual(records);
      }
      expect(statSync(FILE).mode & 0o777).toBe(0o600);
    });

    test('is written to without a host that listens', async () => {
      rmSync(FILE, { force: true });
      const { call } = await start({ services: { onAudit: undefined } });
      await call();
      expect(read()).toMatchObject([{ serverName: 'srv', outcome: 'ok' }]);
    });

    test('is shared by runtimes, line by line', async () => {
      rmSync(FILE, { force: true });
      const worlds = [await start(), await start()];
      const calls = Array.from({ length: 100 }, (_, n) => worlds[n % 2].call({ toolArguments: { n } }));
      await Promise.all(calls);
      expect(new Set(read().map(({ callId }) => callId)).size).toBe(100);
    });

    test('that was moved away is made anew within a second or two', async () => {
      rmSync(FILE, { force: true });
      const { call, records } = await start();
      await call();
      renameSync(FILE, `${FILE}.1`);
      await until('a new file', async () => {
        await call();
        return existsSync(FILE);
      });
      expect([...read(`${FILE}.1`), ...read()]).toEqual(records);
    });
  });

  describe('on a disk that is full', () => {
    useEnvironment({ MCP_NATIVE_AUDIT: '/dev/full' });

    test('changes nothing for callers', async () => {
      const { call, logger, records, runtime } = await start();
      for (let n = 0; n < 2; n++) await expect(call()).resolves.toEqual(['hi', undefined]);
      expect(records).toHaveLength(2);
      expect(logger.messages('error')).toEqual([
        expect.stringMatching(/MCP_NATIVE_AUDIT: 1 record .*No space left on device/),
      ]);
      expect(await runtime.metrics()).toContain('callback_failures_total{callback="MCP_NATIVE_AUDIT"} 2');
    });
  });
});

test('nobody who wants none has one', async () => {
  const { call, runtime } = await start({ services: { onAudit: undefined } });
  await call();
  expect(await runtime.metrics()).not.toContain('onAudit');
});
