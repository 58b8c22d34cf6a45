/** `trace`: records of a trace, as people and as other tools read them. */

const { chmodSync, readFileSync, statSync } = require('node:fs');
const { join } = require('node:path');
const { startAuthorizationServer } = require('./support/authorization-server');
const { useCli } = require('./support/cli');
const { startProtectedServer } = require('./support/protected-server');

const { fixtures, cli, withServers } = useCli();

const START = Date.parse('2026-11-30T12:00:00Z');

/** A record of a moment in milliseconds after the start. */
function at(ms, record) {
  const micros = String(Math.round((ms % 1) * 1000)).padStart(3, '0');
  const time = new Date(START + Math.floor(ms)).toISOString().replace('Z', `${micros}Z`);
  return { v: 1, at: time, server: 'srv', user: 'alice', ...record };
}

const http = (ms, id, phase, rest) => at(ms, { kind: 'http', id, phase, purpose: 'mcp', ...rest });
const message = (ms, direction, content, rest) =>
  at(ms, {
    kind: 'message',
    direction,
    transport: 'streamable-http',
    connection: 1,
    message: { jsonrpc: '2.0', ...content },
    bytes: 10,
    ...rest,
  });
const step = (ms, name, details) => at(ms, { kind: 'step', step: name, details });

const URL_OF_SERVER = 'https://srv.example.com/mcp?key=a%20b';
const json = { 'content-type': 'application/json' };

const LOGIN = [
  step(0, 'connecting'),
  message(1, 'sent', { id: 1, method: 'initialize', params: {} }, { exchange: 1 }),
  http(1, 1, 'request', { method: 'POST', url: URL_OF_SERVER, headers: json }),
  http(22, 1, 'response', { status: 401, headers: { 'www-authenticate': 'Bearer scope="mcp"' }, ms: 20.5 }),
  http(22, 1, 'end', { bytes: 12, body: 'no\ttoken', ms: 21 }),
  http(30, 2, 'request', {
    purpose: 'registration',
    method: 'POST',
    url: 'https://as.example.com/reg',
    body: '{"a":1}',
  }),
  http(50, 2, 'response', { purpose: 'registration', status: 201, headers: json, ms: 20 }),
  http(51, 2, 'end', { purpose: 'registration', bytes: 11, body: '{"client_id":"c"}', ms: 21 }),
  step(60, 'authorization-url', { url: 'https://as.example.com/auth?state=‹redacted›' }),
  step(5060, 'authorization-callback'),
  http(5070, 3, 'request', { purpose: 'token', method: 'POST', url: 'https://as.example.com/token', body: 'code=x' }),
  http(5090, 3, 'failed', { purpose: 'token', error: { code: 'MCP_TIMEOUT', message: 'took too long' }, ms: 20 }),
];

const CALLS = [
  message(0, 'sent', { id: 7, method: 'tools/call', params: { name: 'echo' } }, { exchange: 4 }),
  http(0, 4, 'request', { method: 'POST', url: URL_OF_SERVER, headers: json }),
  http(3, 4, 'response', { status: 200, headers: { 'Content-Type': 'text/event-stream' }, ms: 3 }),
  message(5, 'received', { method: 'notifications/progress', params: {} }, { exchange: 4 }),
  message(13, 'received', { id: 7, result: { content: [] } }, { exchange: 4 }),
  http(13, 4, 'end', { bytes: 99, ms: 13 }),
  // The same id, of another connection.
  message(14, 'sent', { id: 7, method: 'resources/read', params: { uri: 'a://b' } }, { connection: 2, exchange: 5 }),
  http(14, 5, 'request', { method: 'POST', url: URL_OF_SERVER, headers: json }),
  http(15, 5, 'response', { status: 200, headers: json, ms: 1 }),
  http(16, 5, 'end', { bytes: 50, ms: 2 }),
  message(17, 'received', { id: 7, error: { code: -32002, message: 'not there' } }, { connection: 2, exchange: 5 }),
  message(20, 'sent', { id: 8, method: 'tools/call', params: { name: 'fail' } }, { transport: 'stdio', connection: 3 }),
  message(
    25,
    'received',
    { id: 8, result: { isError: true, content: [{ type: 'text', text: 'no\u001b[31m' }] } },
    { transport: 'stdio', connection: 3 },
  ),
  message(26, 'received', { id: 8, method: 'sampling/createMessage' }, { transport: 'stdio', connection: 3 }),
  message(27, 'sent', { id: 9, method: 'tools/list' }, { server: 'other', transport: 'stdio', connection: 4 }),
  http(28, 6, 'request', { method: 'GET', url: URL_OF_SERVER }),
];

const fileOf = (records) => records.map((record) => `${JSON.stringify(record)}\n`).join('');

test('a login: its steps in words, with their times, and what failed', async () => {
  const { run } = cli({ 'trace.ndjson': fileOf(LOGIN) });
  const { code, stdout, stderr } = await run(['trace', 'trace.ndjson']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout.trimEnd().split('\n')).toEqual([
    'begins at 2026-11-30T12:00:00.000000Z',
    '   0.000 s  srv          · begins to connect',
    '   0.001 s  srv          → initialize',
    '   0.022 s  srv          ← ✗ initialize: HTTP 401, www-authenticate: Bearer scope="mcp" (21 ms)',
    '   0.022 s  srv          ← and says: no\\ttoken',
    '   0.030 s  srv          → registers a client: POST https://as.example.com/reg',
    '   0.050 s  srv          ← POST https://as.example.com/reg: HTTP 201 (20 ms)',
    '   0.060 s  srv          · the user is sent to authorize: url https://as.example.com/auth?state=‹redacted›',
    '   5.060 s  srv          · the browser has come back',
    '   5.070 s  srv          → redeems the code for tokens: POST https://as.example.com/token',
    '   5.090 s  srv          ← ✗ POST https://as.example.com/token: took too long (MCP_TIMEOUT) (20 ms)',
    '12 records',
  ]);
});

test('calls: answers stand with their requests; what a terminal would obey is escaped', async () => {
  const { run } = cli({ 'trace.ndjson': fileOf(CALLS) });
  const { code, stdout } = await run(['trace', 'trace.ndjson']);
  expect(code).toBe(0);
  expect(stdout.trimEnd().split('\n')).toEqual([
    'begins at 2026-11-30T12:00:00.000000Z',
    '   0.000 s  srv          → tools/call echo',
    '   0.005 s  srv          ← notifications/progress',
    '   0.013 s  srv          ← tools/call echo: ok (13 ms)',
    '   0.014 s  srv          → resources/read a://b',
    '   0.017 s  srv          ← ✗ resources/read a://b: error -32002 not there (3.0 ms)',
    '   0.020 s  srv          → tools/call fail',
    '   0.025 s  srv          ← ✗ tools/call fail: failed: no\\u{1b}[31m (5.0 ms)',
    '   0.026 s  srv          ← sampling/createMessage',
    '   0.027 s  other        → tools/list',
    `   0.028 s  srv          → GET ${URL_OF_SERVER}`,
    '! unanswered: srv: sampling/createMessage, since 0.026 s',
    '! unanswered: other: tools/list, since 0.027 s',
    `! unanswered: srv: GET ${URL_OF_SERVER}, since 0.028 s`,
    '16 records',
  ]);
  const other = await run(['trace', 'trace.ndjson', '--server', 'other']);
  expect(other.stdout).toContain('tools/list');
  expect(other.stdout).not.toContain('srv');
});

test('processes that share a file number alike, and each answer stands with the request of its process', async () => {
  const call = (user) => {
    const of = (ms, record) => at(ms, { process: user, user, ...record });
    const carried = { kind: 'message', transport: 'streamable-http', connection: 1, exchange: 1, bytes: 9 };
    const exchange = { kind: 'http', id: 1, purpose: 'mcp' };
    const params = { name: `of-${user}` };
    const result = { content: [{ type: 'text', text: `for ${user}` }] };
    return [
      of(0, { ...carried, direction: 'sent', message: { id: 1, method: 'tools/call', params } }),
      of(0, { ...exchange, phase: 'request', method: 'POST', url: URL_OF_SERVER, headers: json }),
      of(1, { ...exchange, phase: 'response', status: 200, headers: json, ms: 1 }),
      of(2, { ...carried, direction: 'received', message: { id: 1, result } }),
      of(3, { ...exchange, phase: 'end', bytes: 9, ms: 3 }),
    ];
  };
  const [alice, bob] = [call('alice'), call('bob')];
  // One process ends within its call, and another one begins.
  const carol = call('carol').slice(0, 2);
  const { run, folder } = cli({
    'trace.ndjson': fileOf([...carol, ...alice.flatMap((record, n) => [record, bob[n]])]),
  });
  const { stdout } = await run(['trace', 'trace.ndjson']);
  for (const user of ['alice', 'bob']) expect(stdout.match(`tools/call of-${user}: ok`)).toHaveLength(1);
  expect(stdout.match(/unanswered: .*/g)).toEqual(['unanswered: srv: tools/call of-carol, since 0.000 s']);
  await run(['trace', 'trace.ndjson', '--har', 'out.har']);
  const { log } = JSON.parse(readFileSync(join(folder, 'out.har'), 'utf8'));
  const entries = log.entries.map(({ _user, request, response }) => [
    _user,
    request.postData.text,
    response.content.text,
  ]);
  const saying = (text) => expect.stringContaining(text);
  expect(entries.sort()).toEqual([
    ['alice', saying('of-alice'), saying('for alice')],
    ['bob', saying('of-bob'), saying('for bob')],
    ['carol', saying('of-carol'), undefined],
  ]);
});

test('numbers that begin again, in a trace without processes, and what was lost is said', async () => {
  const gap = { kind: 'lost', count: 3 };
  const twice = fileOf([...CALLS, gap, ...LOGIN, ...CALLS]);
  const { run, folder } = cli({ 'trace.ndjson': twice });
  const { stdout } = await run(['trace', 'trace.ndjson', '--server', 'srv']);
  expect(stdout).toContain('! a gap: 3 records were lost here\n');
  expect(stdout.match(/tools\/call echo: ok/g)).toHaveLength(2);
  await run(['trace', 'trace.ndjson', '--har', 'out.har']);
  const { log } = JSON.parse(readFileSync(join(folder, 'out.har'), 'utf8'));
  expect(log.entries).toHaveLength(9);
  expect(log.entries.filter(({ response }) => response.content.text?.includes('"result"'))).toHaveLength(2);
});

test('what is no trace: exit code 1, and a sentence', async () => {
  const { run } = cli({ 'librechat.yaml': 'mcpServers: {}\n' });
  expect(await run(['trace', 'librechat.yaml'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('librechat.yaml is no trace: none of its lines is a record'),
  });
});

test('lines that are no records are counted, also one without an end, and no record breaks the reader', async () => {
  const odd = [
    http(0, 1, 'request', { headers: 7, url: 5, method: {} }),
    http(1, 1, 'response', { status: 'x', headers: null }),
    http(2, 1, 'end', {}),
    http(3, 9, 'end', {}),
    http(4, 8, 'failed', {}),
    message(5, 'received', {}, { message: [1, 2] }),
    message(6, 'received', {}, { message: undefined, text: 'no JSON' }),
    message(7, 'received', { id: 1, result: null }),
    at(8, { kind: 'step', step: 'constructor', details: [] }),
    at(9, { kind: 'message' }),
  ];
  const noRecords = [
    '{',
    '[]',
    '{"v":2,"kind":"step"}',
    JSON.stringify({ ...odd[0], at: 'soon' }),
    'x'.repeat(17 << 20),
  ];
  const text = `${fileOf(odd)}\n${noRecords.join('\n')}\n${JSON.stringify(step(10, 'retry'))}`;
  const { run, folder } = cli({ 'trace.ndjson': text });
  const { code, stdout, stderr } = await run(['trace', 'trace.ndjson']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '5 lines of the file left out: no records\n' });
  expect(stdout).toContain('tries again');
  expect(stdout).toContain('11 records');
  const exported = await run(['trace', 'trace.ndjson', '--har', 'out.har']);
  expect(exported).toMatchObject({ code: 0, stdout: expect.stringContaining('1 exchange written') });
  expectHar(JSON.parse(readFileSync(join(folder, 'out.har'), 'utf8')));
});

/** What HAR 1.2 requires of a file. */
function expectHar({ log }, start = START) {
  expect(log).toMatchObject({ version: '1.2', creator: { name: 'librechat-mcp-native', version: expect.any(String) } });
  const text = expect.any(String);
  const number = expect.any(Number);
  const pairs = (list) => list.map(() => ({ name: text, value: text }));
  for (const entry of log.entries) {
    expect(entry).toMatchObject({ time: number, cache: {}, timings: { send: number, wait: number, receive: number } });
    expect(new Date(entry.startedDateTime).getTime()).toBeGreaterThanOrEqual(start);
    const { request, response, timings } = entry;
    expect(timings.send + timings.wait + timings.receive).toBeCloseTo(entry.time);
    const both = { httpVersion: text, cookies: [], headersSize: number, bodySize: number };
    expect(request).toMatchObject({ ...both, method: text, url: text });
    expect(request.headers).toEqual(pairs(request.headers));
    expect(request.queryString).toEqual(pairs(request.queryString));
    if (request.postData) expect(request.postData).toEqual({ mimeType: text, text });
    expect(response).toMatchObject({ ...both, status: number, statusText: text, redirectURL: text });
    expect(response.headers).toEqual(pairs(response.headers));
    expect(response.content).toMatchObject({ size: number, mimeType: text });
  }
}

test('HAR 1.2: an entry for each exchange, with what it carried', async () => {
  const { run, folder } = cli({ 'trace.ndjson': fileOf([...LOGIN, ...CALLS]), 'out.har': '' });
  chmodSync(join(folder, 'out.har'), 0o644);
  const { code, stdout } = await run(['trace', 'trace.ndjson', '--har', 'out.har']);
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: '6 exchanges written to out.har; 4 messages over other transports left out\n',
  });
  const file = join(folder, 'out.har');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const har = JSON.parse(readFileSync(file, 'utf8'));
  expectHar(har);
  const [refused, registration, token, stream, plain, open] = har.log.entries;
  expect(refused).toMatchObject({
    request: {
      postData: { text: expect.stringContaining('"initialize"') },
      queryString: [{ name: 'key', value: 'a b' }],
    },
    response: { status: 401 },
    _server: 'srv',
  });
  expect(registration).toMatchObject({
    request: { postData: { text: '{"a":1}' } },
    response: { status: 201, content: { text: '{"client_id":"c"}', size: 11 } },
    timings: { wait: 20, receive: 1 },
  });
  expect(token).toMatchObject({ response: { status: 0 }, comment: 'MCP_TIMEOUT: took too long' });
  expect(stream.response.content.text).toMatch(/^data: \{.*progress.*\}\n\ndata: \{.*"result".*\}\n\n$/);
  // Told after its exchange had ended.
  expect(JSON.parse(plain.response.content.text)).toMatchObject({ error: { code: -32002 } });
  expect(open).toMatchObject({ comment: 'The trace ends before the exchange.', response: { status: 0 } });
});

test('a real login, call and logout', async () => {
  const authorizationServer = fixtures.keep(await startAuthorizationServer());
  const server = fixtures.keep(await startProtectedServer(authorizationServer));
  const { run, folder } = withServers(
    { notes: { type: 'streamable-http', url: server.url } },
    { allowedAddresses: [server.address, authorizationServer.address] },
  );
  const env = { MCP_NATIVE_TRACE: join(folder, 'trace.ndjson') };
  let visit;
  const onStdout = (text) => {
    const [url] = /http:\S+state=\S+(?=\s)/.exec(text) ?? [];
    if (!url || visit) return;
    visit = authorizationServer.signIn(url).then((parameters) => {
      const redirect = new URL(new URL(url).searchParams.get('redirect_uri'));
      redirect.search = parameters;
      return fetch(redirect);
    });
  };
  for (const command of ['login notes --no-browser', 'call notes echo text=hello', 'logout notes']) {
    expect(await run(command.split(' '), { env, onStdout })).toMatchObject({ code: 0 });
  }
  const { code, stdout, stderr } = await run(['trace', 'trace.ndjson', '--server', 'notes']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const events = [
    ...['reads metadata', 'registers a client', 'the user is sent to authorize', 'the browser has come back'],
    ...['redeems the code for tokens', 'the tokens are stored', '→ initialize', '← initialize: ok', 'is connected'],
    ...['→ tools/call echo', '← tools/call echo: ok', 'revokes a token'],
  ];
  const places = events.map((event) => [event, stdout.indexOf(event)]);
  expect(places.filter(([, place]) => place < 0)).toEqual([]);
  expect(places).toEqual([...places].sort(([, one], [, other]) => one - other));
  expect(await run(['trace', 'trace.ndjson', '--har', 'trace.har'])).toMatchObject({ code: 0 });
  const har = JSON.parse(readFileSync(join(folder, 'trace.har'), 'utf8'));
  expectHar(har, Date.now() - 600_000);
  const call = har.log.entries.find(({ request }) => request.postData?.text.includes('tools/call'));
  expect(call).toMatchObject({ _server: 'notes', _user: 'cli', _purpose: 'mcp', response: { status: 200 } });
  expect(call.response.content.text).toContain('hello');
});

test('a trace that is not there, and one that would be overwritten: exit code 2', async () => {
  const { run, folder } = cli({ 'trace.ndjson': fileOf(CALLS) });
  const missing = await run(['trace', 'none.ndjson']);
  expect(missing).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/none\.ndjson cannot be read.*\n.*MCP_NATIVE_TRACE/),
  });
  const same = await run(['trace', 'trace.ndjson', '--har', './trace.ndjson']);
  expect(same).toMatchObject({ code: 2, stderr: expect.stringContaining('names the trace itself') });
  expect(readFileSync(join(folder, 'trace.ndjson'), 'utf8')).toBe(fileOf(CALLS));
});
