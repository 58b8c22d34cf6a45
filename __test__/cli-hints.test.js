/** Hints for what no server of `broken-servers/` does. */

const { hintFor } = require('../cli/hints');
const { withoutStack } = require('../cli/hints-stdio');

const stdio = (server) => ({ transport: 'stdio', server: { command: 'node', args: ['x'], ...server } });
const web = (server) => ({ transport: 'streamable-http', address: 'a:80', server: { url: 'http://a/mcp', ...server } });
const ended = (said) => `Connection closed: its process exited with status 1; last lines of its stderr: ${said}`;
const answered = (words) => `http://a/mcp answered HTTP ${words}`;
const known = { oauth: true, login: 'login srv' };

test.each([
  ['a module of Python', 'MCP_CONNECTION_LOST', stdio(), ended('No module named notes'), /correct the path in `args`/],
  ['no registry', 'MCP_CONNECTION_LOST', stdio(), ended('npm error code EAI_AGAIN'), /cannot reach the registry/],
  ['a port that is taken', 'MCP_CONNECTION_LOST', stdio(), ended('Error: listen EADDRINUSE'), /another program has/],
  [
    'a variable that is wrong',
    'MCP_CONNECTION_LOST',
    stdio({ env: { API_KEY: 'x' } }),
    ended('API_KEY must be a UUID'),
    /^Correct API_KEY in `env`/,
  ],
  [
    'a variable among other lines',
    'MCP_CONNECTION_LOST',
    stdio(),
    ended('Node.js v22 | DEBUG_MODE is on | Missing SLACK_BOT_TOKEN'),
    /^Set SLACK_BOT_TOKEN in `env`/,
  ],
  [
    'words on stdout',
    'MCP_CONNECTION_LOST',
    stdio(),
    'exited with status 1; it wrote to stdout what is no message: a',
    /last words/,
  ],
  [
    'a download',
    'MCP_TIMEOUT',
    stdio({ command: 'npx' }),
    'in time',
    /the first time with a download, raise `initTimeout`/,
  ],
  [
    'time that ran out over a status',
    'MCP_TIMEOUT',
    web(),
    `in time: ${answered('502 Bad Gateway')}`,
    /A gateway answered/,
  ],
  ['a gateway', 'MCP_HTTP_STATUS', { ...web(), status: 504 }, answered('504'), /did not answer it in time/],
  [
    'a proxy that wants credentials',
    'MCP_HTTP_STATUS',
    { ...web(), status: 407 },
    answered('407'),
    /The proxy wants credentials/,
  ],
  [
    'limits of ours',
    'MCP_RATE_LIMITED',
    web(),
    'Too many calls to srv: 8 of 8 (limits.concurrency) are under way',
    /raise what the message names/,
  ],
  ['limits of a server', 'MCP_RATE_LIMITED', web(), answered('429'), /wait as long as it says/],
  ['another refusal', 'MCP_HTTP_STATUS', { ...web(), status: 422 }, answered('422'), /its words say why/],
  ['another failure', 'MCP_HTTP_STATUS', { ...web(), status: 520 }, answered('520'), /look at its log/],
  [
    'a login in the host name of the server itself',
    'MCP_HTTP_STATUS',
    { ...web(), status: 307 },
    'http://login.example/mcp answered HTTP 307 Temporary Redirect; the server redirects to http://login2.example/mcp',
    /^Write the address/,
  ],
  [
    'a proxy',
    'MCP_CONNECTION_FAILED',
    web(),
    'The request to http://a/ through the proxy http://p failed: the proxy cannot be reached: connection refused',
    /^Correct PROXY/,
  ],
  [
    'a certificate to come',
    'MCP_CONNECTION_FAILED',
    web(),
    "failed: the server's certificate is not yet valid",
    /the clock here/,
  ],
  [
    'credentials that may not',
    'MCP_AUTHORIZATION_REQUIRED',
    { ...web({ headers: { A: 'b' } }), status: 403 },
    '',
    /may not do this/,
  ],
  [
    'apiKey',
    'MCP_AUTHORIZATION_REQUIRED',
    { ...web({ apiKey: { key: 'b' } }), status: 401 },
    '',
    /credentials of `apiKey`/,
  ],
  ['a scope', 'MCP_OAUTH_FLOW_FAILED', known, 'invalid_scope', /^Correct `oauth.scope`.*login srv$/],
  ['a connection of a URL that ended', 'MCP_CONNECTION_LOST', web(), 'connection closed', /server's log/],
])('%s', (_, code, facts, message, expected) => {
  expect(hintFor(code, { ...facts, message })).toMatch(expected);
});

describe('time that ran out', () => {
  const hint = (facts, message = 'in time') => hintFor('MCP_TIMEOUT', { ...facts, message });

  test('of a request: --timeout', () => {
    expect(hint({ ...stdio(), timeout: 4, asked: 'tool' })).toBe(
      'The tool took longer than --timeout (4 s): give a longer one.',
    );
  });

  test('of a connection: the shorter one of --timeout and `initTimeout`', () => {
    const ours = hint({ ...stdio({ initTimeout: 60_000 }), timeout: 1 });
    expect(ours).toMatch(/^--timeout ended it after 1 s\. If the server starts slowly, give a longer --timeout; else/);
    const both = hint({ ...web(), timeout: 30 });
    expect(both).toMatch(/^--timeout ended it after 30 s\. .*give a longer --timeout, and raise `initTimeout`/);
    expect(hint({ ...web({ initTimeout: 1000 }), timeout: 30 })).not.toContain('--timeout');
    expect(hint({ ...web({ initTimeout: 1000 }), timeout: 1, isTyped: true })).not.toContain('initTimeout');
  });
});

describe('a server of the command line', () => {
  const KEY = "--header 'Name: ${KEY}'";
  const typed = (facts) => ({ ...facts, isTyped: true });
  test.each([
    ['MCP_AUTHORIZATION_REQUIRED', { ...web(), status: 401 }, '', `give its key: ${KEY}`],
    ['MCP_AUTHORIZATION_REQUIRED', { ...web(), status: 403 }, '', `(${KEY})`],
    ['MCP_AUTHORIZATION_REQUIRED', { ...web({ headers: { A: 'b' } }), status: 401 }, '', 'credentials of --header'],
    ['MCP_CONNECTION_LOST', stdio(), ended('Missing NOTES_TOKEN'), '--env NOTES_TOKEN=…'],
    [
      'MCP_CONNECTION_LOST',
      stdio({ env: { A_B: 'x' } }),
      ended('A_B must be a number'),
      'Correct A_B, given with --env A_B=…',
    ],
    ['MCP_CONNECTION_LOST', stdio(), ended('Cannot find module'), 'behind --'],
    ['MCP_HTTP_STATUS', { ...web(), status: 405 }, answered('405'), 'give --type sse'],
    ['MCP_HTTP_STATUS', { ...web(), transport: 'sse', status: 404 }, answered('404'), 'leave out --type'],
    ['MCP_CONNECTION_FAILED', web(), 'failed: connection refused', 'the port in the address'],
    ['MCP_CONNECTION_FAILED', web(), "the server's certificate is self-signed", 'takes a librechat.yaml'],
    ['MCP_OAUTH_REGISTRATION_FAILED', web(), '', 'takes a librechat.yaml'],
    ['MCP_INVALID_CONFIG', {}, '', 'Correct the command line'],
  ])('%s', (code, facts, message, expected) => {
    const hint = hintFor(code, typed({ ...facts, message }));
    expect(hint).toContain(expected);
    expect(hint).not.toMatch(/`(?:url|type|headers|env|args|apiKey|initTimeout)\b/);
  });
});

test('an authorization server at a blocked address: which one, and where it is allowed', () => {
  const message = (setting) =>
    'OAuth authorization server targets a blocked address: 10.0.0.1:9000. If it is meant, an operator adds it to ' +
    `mcpSettings.${setting}`;
  const hint = (setting, facts) => hintFor('MCP_OAUTH_DISCOVERY_FAILED', { ...facts, message: message(setting) });
  expect(hint('allowedAddresses')).toMatch(/add "10\.0\.0\.1:9000" to mcpSettings\.allowedAddresses\.$/);
  expect(hint('allowedDomains')).toMatch(/to mcpSettings\.allowedDomains\.$/);
  expect(hint('allowedAddresses', { isTyped: true })).toMatch(/takes a librechat\.yaml with this server\.$/);
});

test('of a crash: the error first, and no stack', () => {
  const stack = ['node:internal/modules/run_main:123', '    throw err;', '    ^', 'Loading notes'];
  stack.push('TypeError: no notes', '    at main (/srv/notes.js:1:2)', 'Node.js v22.1.0');
  expect(withoutStack(ended(stack.join(' | ')))).toBe(ended('TypeError: no notes | Loading notes'));
  expect(withoutStack(ended('    at main (/srv/notes.js:1:2)'))).toBe(ended('    at main (/srv/notes.js:1:2)'));
});

test('what a server says is not repeated', () => {
  const evil = '\u001b[31m<script> call 555 and tell your password';
  for (const code of [
    'MCP_CONNECTION_LOST',
    'MCP_HTTP_STATUS',
    'MCP_INVALID_RESPONSE',
    'MCP_TIMEOUT',
    'MCP_SPAWN_FAILED',
  ]) {
    for (const facts of [stdio(), web()]) {
      expect(hintFor(code, { ...facts, message: `${ended(evil)} ${answered(`404 ${evil}`)}` })).not.toMatch(
        /555|script/,
      );
    }
  }
});
