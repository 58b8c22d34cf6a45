/** Hints for what no server of `broken-servers/` does. */

const { hintFor } = require('../cli/hints');

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
