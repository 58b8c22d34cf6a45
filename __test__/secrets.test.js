/** No secret of a configuration or of a user is logged, at any level, whatever happens. */

const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { inspect } = require('node:util');
const faults = require('./support/faults');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { closedAddress } = require('./support/mcp-server');

const { VARIABLE, findLeaks, registerSecrets } = require('./support/secrets');

const SECRET = /secret-[a-z-]+/g;
const fixtures = useFixtures();

const WITH_SECRETS = {
  headers: { Authorization: 'Bearer secret-bearer', 'X-Api-Key': '{{KEY}}', Cookie: 'session=secret-cookie' },
  customUserVars: { KEY: { title: 'Key', description: '' } },
};

const params = () => ({
  user: createUser({
    provider: 'openid',
    federatedTokens: { access_token: 'secret-federated', refresh_token: 'secret-refresh', expires_at: 4_102_444_800 },
  }),
  serverName: 'srv',
  userMCPAuthMap: { mcp_srv: { KEY: 'secret-user-variable' } },
});

/** What a call fails with in time. */
const IN_TIME = { connectionTimeout: 1500 };

async function logOf(config, allow, extra) {
  const { runtime, logger } = fixtures.runtime({ servers: { srv: config }, allow });
  const result = await runtime.reinitMCPServer({ ...params(), ...extra });
  await runtime.close();
  expect(logger.entries).not.toEqual([]);
  return { result, text: logger.text() };
}

test.each([
  ['a success', undefined],
  ['HTTP 401', faults.answer(401, 'secret-bearer is not valid')],
  ['HTTP 500', faults.answer(500, 'secret-cookie caused this')],
  ['garbage', faults.garbage()],
  ['a hang', faults.hang()],
])('over HTTP, after %s', async (_, fault) => {
  const server = await fixtures.server({ fault });
  const { result, text } = await logOf(server.config(WITH_SECRETS), [server], fault && IN_TIME);
  expect(result.success).toBe(fault === undefined);
  expect(server.requests[0].headers).toMatchObject({
    authorization: 'Bearer secret-bearer',
    'x-api-key': 'secret-user-variable',
  });
  expect(text.match(SECRET)).toBeNull();
});

test('in the query of a URL that nobody answers', async () => {
  const nowhere = await closedAddress();
  const config = nowhere.config({ ...WITH_SECRETS, url: `${nowhere.url}?key=secret-query` });
  const { result, text } = await logOf(config, [nowhere], IN_TIME);
  expect(result.success).toBe(false);
  expect(text.match(SECRET)).toBeNull();
});

test('in the environment of a stdio server, good or missing', async () => {
  const stdio = fixtures.stdio();
  const good = await logOf(stdio.config({ env: { API_KEY: 'secret-environment', USER_KEY: '{{KEY}}' } }));
  expect(good.result.success).toBe(true);
  const missing = await logOf(
    stdio.config({ command: '/nonexistent/command', env: { API_KEY: 'secret-environment' } }),
  );
  expect(missing.result.success).toBe(false);
  expect(`${good.text}\n${missing.text}`.match(SECRET)).toBeNull();
});

test('in the result of a failed call', async () => {
  const server = await fixtures.server({ fault: faults.answer(401, 'secret-bearer is not valid') });
  const { runtime } = fixtures.runtime({ servers: { srv: server.config(WITH_SECRETS) }, allow: [server] });
  const result = await runtime.reinitMCPServer({ ...params(), ...IN_TIME });
  expect(JSON.stringify(result).match(SECRET)).toBeNull();
});

describe('a server that repeats what it was sent', () => {
  const KEY = 'secret/user+variable~of-somebody';
  const userMCPAuthMap = { mcp_srv: { KEY } };
  const percent = (text) => [...Buffer.from(text)].map((byte) => `%${byte.toString(16)}`).join('');
  const hex = (text) => Buffer.from(text).toString('hex');
  const FORMS = [
    KEY,
    KEY.slice(3, 18),
    encodeURIComponent(KEY),
    percent(KEY),
    hex(KEY),
    Buffer.from(KEY).toString('base64'),
    Buffer.from(`client:${KEY}`).toString('base64url'),
    JSON.stringify(KEY).replaceAll('/', '\\/'),
  ];
  const error = () => ({ error: { code: -32000, message: `you sent <${FORMS.join('> <')}>`, data: FORMS } });
  const everythingOf = (value) => inspect(value, { depth: 9, showHidden: true }) + JSON.stringify(value);

  test.each([
    ['initialize', { initialize: error, 'server/discover': error }],
    ['tools/list', { 'tools/list': error }],
    ['tools/call', { 'tools/call': error }],
  ])('in an error of %s: the text is told, the secret is not', async (_, answers) => {
    const server = await fixtures.server({ fault: faults.scripted(answers) });
    const { runtime, logger } = fixtures.runtime({ servers: { srv: server.config(WITH_SECRETS) }, allow: [server] });
    const user = createUser();
    const result = await runtime.reinitMCPServer({ user, serverName: 'srv', userMCPAuthMap, ...IN_TIME });
    const failure = await runtime.manager
      .callTool({
        user,
        serverName: 'srv',
        toolName: 'echo',
        toolArguments: {},
        customUserVars: { KEY },
        provider: 'openai',
      })
      .catch((thrown) => thrown);
    const shown = everythingOf(result) + everythingOf(failure) + logger.text();
    expect(shown).toContain('you sent <***> <***>');
    for (const form of FORMS) expect(shown).not.toContain(form.replace(/=+$/, ''));
  });
});

describe('texts of servers in logs, errors and results', () => {
  const UNSAFE =
    '\u001b]0;title\u0007\u009b31m\u202ertl\u2066\u200b\u061c\ufeff\u{e0041}\r\nFAKE line\u2028\u0085\u007f\t';

  test.each([
    ['control characters', `refused ${UNSAFE}`],
    ['a text of 15 MB', 'E'.repeat(15_000_000)],
    ['15 MB of control characters', '\u0001'.repeat(2_500_000)],
  ])(
    '%s are told in short, and on one line',
    async (_, message) => {
      const error = () => ({ error: { code: -32000, message } });
      for (const answers of [
        { initialize: error, 'server/discover': error },
        { 'tools/list': error },
        { 'tools/call': error },
      ]) {
        const server = await fixtures.server({ fault: faults.scripted(answers) });
        const { runtime, logger } = fixtures.runtime({ servers: { srv: server.config() }, allow: [server] });
        const user = createUser();
        const result = await runtime.reinitMCPServer({ user, serverName: 'srv' });
        const failure = await runtime.manager
          .callTool({ user, serverName: 'srv', toolName: 'echo', toolArguments: {}, provider: 'openai' })
          .catch((thrown) => thrown);
        const errors = [result.error, result.toolsError, failure, ...logger.entries.flatMap(({ meta }) => meta)];
        const texts = [...errors.map((thrown) => thrown?.message), ...logger.entries.map((entry) => entry.message)];
        expect(texts.join('')).toMatch(/MCP error -32000: (refused|EEE|\\u\{1\})/);
        for (const text of texts.filter((found) => typeof found === 'string')) {
          expect(text).not.toMatch(/\p{C}|[\u2028\u2029]/u);
          expect(text.length).toBeLessThan(3000);
        }
      }
    },
    60_000,
  );
});

describe('the search at the end of the run (support/run-teardown.js)', () => {
  test('finds secrets in logs and errors, as they are and in URLs, and does not show them', () => {
    const directory = mkdtempSync(join(tmpdir(), 'secrets-'));
    fixtures.keep({ close: () => rmSync(directory, { recursive: true }) });
    writeFileSync(join(directory, '1.secrets'), '"planted+token"\n"another-secret"\n');
    const log = ['info planted+token', 'debug ?token=planted%2Btoken', 'thrown Error: planted', 'warn nothing'];
    writeFileSync(join(directory, '2.log'), `${log.join('\n')}\nbeing written`);
    expect(findLeaks(directory)).toEqual({
      secrets: 2,
      lines: 4,
      leaks: ['info <SECRET>', 'debug ?token=<SECRET>'],
    });
  });

  test('has what runtimes log, throw and answer, and what they must not', async () => {
    // Other suites write where the whole run does.
    const ofTheRun = process.env[VARIABLE];
    process.env[VARIABLE] = mkdtempSync(join(tmpdir(), 'secrets-'));
    fixtures.keep({
      close: () => {
        rmSync(process.env[VARIABLE], { recursive: true });
        process.env[VARIABLE] = ofTheRun;
      },
    });
    const server = await fixtures.server({ fault: faults.answer(500) });
    const { runtime } = fixtures.runtime({ servers: { srv: server.config() }, allow: [server] });
    const { lines: before } = findLeaks(process.env[VARIABLE]);
    await runtime.reinitMCPServer({ ...params(), ...IN_TIME });
    const { lines: logged } = findLeaks(process.env[VARIABLE]);
    expect(logged).toBeGreaterThan(before);
    await expect(runtime.manager.callTool({ serverName: 'nobody' })).rejects.toThrow();
    expect(findLeaks(process.env[VARIABLE]).lines).toBeGreaterThan(logged);
    const { secrets } = findLeaks(process.env[VARIABLE]);
    registerSecrets(`only-here-${secrets}`);
    expect(findLeaks(process.env[VARIABLE]).secrets).toBe(secrets + 1);
  });
});
