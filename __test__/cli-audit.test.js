/** `audit`: who called which tool, for people and for machines. */

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { appendFileSync, renameSync, truncateSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { BINARY, useCli } = require('./support/cli');
const { until } = require('./support/wait');

const { fixtures, cli } = useCli();

/** A call at a second of 2026-11-30, 12:00. */
const call = (second, rest) => ({
  v: 1,
  event: 'call',
  at: `2026-11-30T12:00:${String(second).padStart(2, '0')}.000123Z`,
  callId: '0'.repeat(32),
  tenantId: null,
  userId: 'alice',
  serverName: 'github',
  toolName: 'issue_list',
  argumentsDigest: null,
  decision: 'allowed',
  rule: null,
  outcome: 'ok',
  durationMs: 12.345,
  waitedMs: 0,
  resultBytes: 1234,
  ...rest,
});

const RECORDS = [
  call(1),
  call(2, {
    userId: 'bob',
    tenantId: 'acme',
    toolName: 'issue_delete',
    decision: 'refused',
    rule: 'tools',
    outcome: 'MCP_TOOL_DENIED',
    resultBytes: null,
  }),
  call(3, { serverName: 'linear', toolName: 'search', outcome: 'tool_error', durationMs: 12_345, resultBytes: 12 }),
  call(4, { decision: 'rewritten', rule: 'maxResultBytes', resultBytes: 2_500_000 }),
  call(5, { userId: null, outcome: 'MCP_TIMEOUT', resultBytes: null }),
  {
    v: 1,
    event: 'tools-changed',
    at: '2026-12-01T00:00:00Z',
    tenantId: null,
    userId: null,
    serverName: 'github',
    tools: [{ name: 'issue_list', change: 'changed', hash: 'h' }],
  },
  {
    v: 1,
    event: 'tools-approved',
    at: '2026-12-01T00:00:01Z',
    tenantId: null,
    userId: null,
    serverName: 'github',
    approvedBy: 'ada',
    tools: [{ name: 'issue_list', change: 'approved', hash: 'h' }],
  },
];
const written = (records) => records.map((record) => `${JSON.stringify(record)}\n`).join('');
const FILE = 'audit.ndjson';
const withAudit = (text = written(RECORDS)) => cli({ [FILE]: text });

test('a line for each record, and one for each day', async () => {
  const { code, stdout, stderr } = await withAudit().run(['audit', FILE]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout.trimEnd().split('\n')).toEqual([
    '2026-11-30',
    '12:00:01 ✓ github issue_list  alice  ok  12 ms  1.2 kB',
    '12:00:02 ! github issue_delete  bob@acme  refused by tools  12 ms',
    '12:00:03 ✗ linear search  alice  tool_error  12.3 s  12 B',
    '12:00:04 ✓ github issue_list  alice  ok, rewritten by maxResultBytes  12 ms  2.5 MB',
    '12:00:05 ✗ github issue_list  –  MCP_TIMEOUT  12 ms',
    '2026-12-01',
    '00:00:00 ! github  tools changed: changed issue_list',
    '00:00:01 ✓ github  approved by ada: issue_list',
  ]);
});

test.each([
  [['--server', 'linear'], [2]],
  [['--user', 'bob'], [1]],
  [
    ['--tool', 'issue_list'],
    [0, 3, 4, 5, 6],
  ],
  [['--refused'], [1]],
  [['--user', 'alice', '--tool', 'search'], [2]],
  [['--server', 'nobody'], []],
])('%p leaves out the others', async (options, left) => {
  const { code, stdout } = await withAudit().run(['audit', FILE, '--json', ...options]);
  expect(code).toBe(0);
  const lines = stdout.split('\n').filter(Boolean);
  expect(lines.map((line) => JSON.parse(line))).toEqual(left.map((index) => RECORDS[index]));
});

test('MCP_NATIVE_AUDIT names the file where nobody else does', async () => {
  const { run, folder } = withAudit();
  const { code, stdout } = await run(['audit'], { env: { MCP_NATIVE_AUDIT: join(folder, FILE) } });
  expect({ code, lines: stdout.trimEnd().split('\n').length }).toEqual({ code: 0, lines: 9 });
  const none = await run(['audit']);
  expect(none).toMatchObject({ code: 2, stderr: expect.stringMatching(/No file is named.*\n.*MCP_NATIVE_AUDIT=FILE/) });
});

test('lines stay within the columns of the terminal', async () => {
  const long = 'x'.repeat(300);
  const records = [
    call(1, { userId: long, tenantId: long, serverName: long, toolName: long, outcome: long, rule: long }),
  ];
  records.push(call(2, { serverName: 'github-of-the-company', toolName: 'issue_list_of_the_whole_company_and_more' }));
  const { run } = withAudit(
    written([...records, { ...RECORDS[5], tools: Array(100).fill({ name: 'tool', change: 'new' }) }]),
  );
  for (const columns of [40, 80]) {
    const { stdout } = await run(['audit', FILE], { env: { COLUMNS: String(columns) } });
    const lengths = stdout.split('\n').map((line) => [...line].length);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(columns);
    expect(lengths).toHaveLength(6);
  }
});

test('nothing in it is obeyed by the terminal', async () => {
  const evil = '\u001b[2J\u202e\n12:00:09 ✓ faked';
  const members = ['userId', 'tenantId', 'serverName', 'toolName', 'outcome', 'rule', 'durationMs', 'resultBytes'];
  const records = members.map((name, index) =>
    call(index, { [name]: evil, decision: index % 2 ? 'refused' : 'allowed' }),
  );
  records.push(
    { ...RECORDS[5], serverName: evil, tools: [{ name: evil, change: evil }, null, 7] },
    { ...RECORDS[6], tools: evil },
  );
  const { run } = withAudit(written(records));
  for (const more of [[], ['--json']]) {
    const { code, stdout } = await run(['audit', FILE, ...more]);
    expect(code).toBe(0);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may be there
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
    expect(stdout.match(/^12:00:09/gm)).toBeNull();
  }
});

test('what is no record is left out, and counted', async () => {
  const others = [
    'no JSON',
    '{"v":2,"event":"call"}',
    '[]',
    '{"v":1,"event":"call","at":"yesterday"}',
    '{"v":1,"event":"other"}',
  ];
  const mixed = await withAudit(`${others.join('\n')}\n\n${JSON.stringify(RECORDS[0])}`).run(['audit', FILE, '--json']);
  expect(mixed).toMatchObject({ code: 0, stderr: '5 lines of the file left out: no records\n' });
  expect(mixed.json()).toEqual(RECORDS[0]);
  const none = await withAudit('no\naudit').run(['audit', FILE]);
  expect(none).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/audit\.ndjson is no audit/) });
  const missing = await withAudit().run(['audit', 'none.ndjson']);
  expect(missing).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/none\.ndjson cannot be read: there is no such file/),
  });
  expect(await withAudit('').run(['audit', FILE])).toMatchObject({ code: 0, stdout: '', stderr: '' });
});

describe('--follow', () => {
  /** The command while it runs, and the names of the tools that it has told of. */
  function follow({ folder, env }) {
    const child = spawn(process.execPath, [BINARY, 'audit', FILE, '--follow', '--json'], { cwd: folder, env });
    let output = '';
    let failures = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (failures += text));
    const ended = once(child, 'close');
    const tools = () =>
      output
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line).toolName);
    fixtures.keep({
      close: async () => {
        child.kill('SIGKILL');
        await ended;
      },
    });
    return {
      told: (expected) => until(`${expected} in ${output} ${failures}`, () => `${tools()}` === `${expected}`, 60_000),
      async end(signal) {
        child.kill(signal);
        const [code] = await ended;
        return { code, failures };
      },
    };
  }

  const line = (toolName) => written([call(0, { toolName })]);

  test.each(['SIGINT', 'SIGTERM'])('goes on with what is added, until %s', async (signal) => {
    const made = withAudit(line('a'));
    const file = join(made.folder, FILE);
    const following = follow(made);
    await following.told(['a']);
    const [first, second] = [line('é').slice(0, 250), line('é').slice(250)];
    appendFileSync(file, first);
    appendFileSync(file, `${second}no record\n${line('c')}`);
    await following.told(['a', 'é', 'c']);
    expect(await following.end(signal)).toEqual({ code: 0, failures: '1 line of the file left out: no records\n' });
  });

  test('goes on with the file that takes the place of another, and with one that was emptied', async () => {
    const made = withAudit(line('a'));
    const file = join(made.folder, FILE);
    const following = follow(made);
    await following.told(['a']);
    renameSync(file, `${file}.1`);
    // Whoever writes looks for the new file once a second.
    appendFileSync(`${file}.1`, `${line('b')}{"half":`);
    await following.told(['a', 'b']);
    writeFileSync(file, line('c') + line('d'));
    appendFileSync(`${file}.1`, `"a"}\n${line('late')}`);
    await following.told(['a', 'b', 'late', 'c', 'd']);
    truncateSync(file);
    writeFileSync(file, line('e'));
    await following.told(['a', 'b', 'late', 'c', 'd', 'e']);
    expect(await following.end('SIGINT')).toMatchObject({ code: 0 });
  });

  test('waits for a file that is not there yet', async () => {
    const made = cli({});
    const following = follow(made);
    const folder = await made.run(['audit', '.', '--follow']);
    expect(folder).toMatchObject({ code: 2, stderr: expect.stringMatching(/cannot be read/) });
    writeFileSync(join(made.folder, FILE), line('a'));
    await following.told(['a']);
    expect(await following.end('SIGINT')).toEqual({ code: 0, failures: '' });
  });
});
