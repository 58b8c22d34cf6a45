/**
 * What a new user reads of each broken server: the `cause` is what the error says, the `hint` what to do. Whoever reads these
 * two knows what to mend, without a log. `row` stands in the first column of docs/troubleshooting.md.
 */

const of = (code, row, cause, hint) => ({ code, row, cause, hint });
const status = (number, row, cause, hint) =>
  of('MCP_HTTP_STATUS', row, new RegExp(`answered HTTP ${number} ${cause}`), hint);

const WORKS = undefined;

/** By the servers of stdio.js, http.js, tls.js and oauth.js. */
const CHECKED = {
  'stdio-crash': of(
    'MCP_CONNECTION_LOST',
    'its process exited with status',
    /exited with status 1; last lines of its stderr: \w*Error: .*cannot open the database \/var\/lib\/notes\.db(?!.* at )/,
    /its last words say why/,
  ),
  'stdio-crash-without-a-word': of(
    'MCP_CONNECTION_LOST',
    'its process exited with status',
    /exited with status 1$/,
    /said nothing: run the command by itself/,
  ),
  'stdio-unknown-package': of(
    'MCP_CONNECTION_LOST',
    'npm error 404',
    /npm error 404 .*@notes\/mcp-sevrer/,
    /no such package: correct "@notes\/mcp-sevrer" in `args`/,
  ),
  'stdio-missing-command': of(
    'MCP_SPAWN_FAILED',
    'Cannot start the MCP server command',
    /"notes-mcp-server": No such file/,
    /Install "notes-mcp-server", or write its full path/,
  ),
  'stdio-missing-folder': of(
    'MCP_SPAWN_FAILED',
    'the working directory',
    /no-such-folder" does not exist/,
    /Correct `cwd`/,
  ),
  'stdio-not-executable': of(
    'MCP_SPAWN_FAILED',
    'may not execute it',
    /server\.sh": .*may not execute it/,
    /chmod \+x/,
  ),
  'stdio-no-program': of(
    'MCP_SPAWN_FAILED',
    'it is no program for this system',
    /server\.py": it is no program/,
    /`command: python3`.*`args`/,
  ),
  'stdio-missing-module': of(
    'MCP_CONNECTION_LOST',
    'Cannot find module',
    /Cannot find module '.*dist\/index\.js'/,
    /correct the path in `args`, or build/,
  ),
  'stdio-missing-variable': of(
    'MCP_CONNECTION_LOST',
    'environment variable is required',
    /NOTES_API_TOKEN environment variable is required/,
    /Set NOTES_API_TOKEN in `env`/,
  ),
  'stdio-chatter': of(
    'MCP_TIMEOUT',
    'it wrote to stdout what is no message',
    /in time; it wrote to stdout what is no message: Usage: notes \[--mcp\] FILE/,
    /is an MCP server over stdio.* argument such as `stdio`/,
  ),
  'stdio-reads-to-the-end': of('MCP_TIMEOUT', 'MCP_TIMEOUT` of a command', /in time/, /speaks MCP over stdio/),
  'stdio-slow': of(
    'MCP_TIMEOUT',
    'MCP_TIMEOUT` of a command',
    /in time; last lines of its stderr: Loading the index/,
    /starts slowly, raise `initTimeout`/,
  ),
  'stdio-banner': WORKS,

  'http-nothing-listens': of(
    'MCP_CONNECTION_FAILED',
    'connection refused',
    /connection refused/,
    /correct the port in `url`: nothing listens at 127\.0\.0\.1:\d+/,
  ),
  'http-unknown-host': of(
    'MCP_CONNECTION_FAILED',
    'could not be resolved',
    /"notes-server\.invalid" could not be resolved/,
    /Correct the host name/,
  ),
  'http-wrong-path': status(404, 'HTTP 404', 'Not Found.*', /correct the path of `url`.*\/mcp.*\/sse/),
  'http-page': of(
    'MCP_INVALID_RESPONSE',
    'with content type text/html',
    /with content type text\/html.*Notes – Sign in/,
    /a page for people: correct the path of `url`/,
  ),
  'http-301': status(301, 'HTTP 301', 'Moved Permanently; the server moved to http:.*/v2/mcp', /into `url`/),
  'http-302-other-origin': status(302, 'HTTP 301', 'Found; .*another origin', /into `url`, if it is to be trusted/),
  'http-302-login': status(302, 'redirects to', 'Found; the server redirects to http:.*/login', /login for browsers/),
  'http-400': status(400, 'HTTP 400', 'Bad Request: the header X-Workspace is missing', /its words say what it misses/),
  'http-401': of(
    'MCP_AUTHORIZATION_REQUIRED',
    'HTTP 401 Unauthorized',
    /answered HTTP 401 Unauthorized/,
    /wants credentials, and offers no login: put its key into `headers`/,
  ),
  'http-403': of(
    'MCP_AUTHORIZATION_REQUIRED',
    'HTTP 403 Forbidden',
    /answered HTTP 403 Forbidden: Your address is not on the allowlist/,
    /credentials in `headers` or `apiKey`, or take requests from some addresses only/,
  ),
  'http-404': status(404, 'HTTP 404', 'Not Found', /nothing at this path: correct the path of `url`/),
  'http-405': status(405, 'HTTP 405', 'Method Not Allowed; it takes GET', /`type: sse`/),
  'http-429': of('MCP_RATE_LIMITED', 'HTTP 429', /429 .*quota exceeded.* 30 s/, /wait as long as it says/),
  'http-500': status(500, 'HTTP 500', 'Internal Server Error: .*relation notes does not exist', /look at its log/),
  'http-502': status(502, 'HTTP 502', 'Bad Gateway', /A gateway answered in place of the server/),
  'http-503': status(503, 'HTTP 503', 'Service Unavailable: .*Down for maintenance.* 120 s', /down or busy/),
  'http-slow': of(
    'MCP_TIMEOUT',
    'MCP_TIMEOUT` of a `url`',
    /in time/,
    /stayed silent: if it is slow, raise `initTimeout`/,
  ),
  'http-protocol-version': of(
    'MCP_INVALID_RESPONSE',
    'protocol version is not supported',
    /1999-01-01/,
    /update the server/,
  ),
  'http-no-json': of(
    'MCP_INVALID_RESPONSE',
    'invalid JSON',
    /invalid JSON: .*OK, notes are running/,
    /no MCP endpoint/,
  ),
  'http-no-json-rpc': of(
    'MCP_INVALID_RESPONSE',
    'JSON that is no JSON-RPC message',
    /no JSON-RPC message: Endpoint request timed out/,
    /no MCP endpoint.*stands before the server/,
  ),
  'http-empty': of('MCP_INVALID_RESPONSE', 'without a content type', /without a content type/, /no MCP endpoint/),
  'sse-as-http': status(404, 'HTTP 404', 'Not Found', /write `type: sse`/),
  'http-as-sse': status(
    400,
    'without `type`',
    'Bad Request',
    /no event stream of HTTP\+SSE: write `type: streamable-http`/,
  ),
  'websocket-to-none': status(400, 'a `ws://` URL', 'Bad Request', /no WebSocket: write `type: streamable-http`/),
  'key-missing': of(
    'MCP_AUTHORIZATION_REQUIRED',
    'HTTP 401 Unauthorized',
    /HTTP 401 Unauthorized: the header X-Api-Key is missing/,
    /put its key into `headers`/,
  ),
  'key-wrong': of(
    'MCP_AUTHORIZATION_REQUIRED',
    'HTTP 401 Unauthorized',
    /HTTP 401 Unauthorized: \*\*\* is no key of this server/,
    /refuses the credentials of `headers`: correct them/,
  ),
  'key-right': WORKS,

  'tls-http-to-tls': of(
    'MCP_CONNECTION_LOST',
    'if the port speaks TLS',
    /speaks TLS, write https/,
    /write https:\/\/ in `url`/,
  ),
  'tls-https-to-plain': of(
    'MCP_CONNECTION_FAILED',
    'the port does not speak TLS',
    /the port does not speak TLS/,
    /write http:\/\/ in `url`/,
  ),
  'tls-self-signed': of(
    'MCP_CONNECTION_FAILED',
    'certificate is self-signed',
    /self-signed/,
    /self-signed, and nothing here says to trust it.*`tls: \{ ca: .*openssl s_client/,
  ),
  'tls-unknown-authority': of(
    'MCP_CONNECTION_FAILED',
    'no authority that is trusted here',
    /no authority that is trusted here/,
    /the authority that signed it: `tls: \{ ca:/,
  ),
  'tls-expired': of('MCP_CONNECTION_FAILED', 'has expired', /certificate has expired/, /renews its certificate/),
  'tls-other-host': of(
    'MCP_CONNECTION_FAILED',
    'certificate is for A, and not for B',
    /is for notes\.example\.com, and not for localhost/,
    /a name of the certificate into `url`, or set `tls: \{ serverName: … \}`/,
  ),

  'http-401-with-challenge': of(
    'MCP_AUTHORIZATION_REQUIRED',
    'OAuth tokens missing',
    /OAuth tokens missing/,
    /^You are not logged in to this server yet\. Run: npx .* login/,
  ),
  'oauth-block': of(
    'MCP_AUTHORIZATION_REQUIRED',
    'OAuth tokens missing',
    /OAuth tokens missing/,
    /^You are not logged in to this server yet\. Run: npx .* login/,
  ),
  'key-wrong-with-challenge': of(
    'MCP_AUTHORIZATION_REQUIRED',
    'OAuth tokens missing',
    /OAuth tokens missing/,
    /^You are not logged in to this server yet\. Run: npx .* login .* if `headers` are to be enough, .*`requiresOAuth: false`/,
  ),
};

/** By the logins of oauth.js. */
const LOGINS = {
  'login-access-denied': of(
    'MCP_OAUTH_FLOW_FAILED',
    'access_denied',
    /access_denied: The user declined to consent/,
    /The user declined.* Begin again: npx/,
  ),
  'login-invalid-client': of(
    'MCP_OAUTH_FLOW_FAILED',
    'invalid_client',
    /invalid_client/,
    /^Correct `oauth\.client_id`, and `oauth\.client_secret`/,
  ),
  'login-registration-refused': of(
    'MCP_OAUTH_REGISTRATION_FAILED',
    'MCP_OAUTH_REGISTRATION_FAILED',
    /403 Forbidden.*registered by the service desk/,
    /Register a client .*\/api\/mcp\/login-registration-refused\/oauth\/callback.*`oauth\.client_id`/,
  ),
  'login-no-registration': of(
    'MCP_OAUTH_REGISTRATION_FAILED',
    'MCP_OAUTH_REGISTRATION_FAILED',
    /does not support dynamic client registration/,
    /Register a client .*`oauth\.client_id`/,
  ),
  'login-redirect-uri': of(
    'MCP_OAUTH_TIMEOUT',
    'complains about the redirect URI',
    /timed out waiting for the user/,
    /complained of redirect_uri, register http:\/\/127\.0\.0\.1\/api\/mcp\/login-redirect-uri\/oauth\/callback/,
  ),
  'login-other-issuer': of(
    'MCP_OAUTH_DISCOVERY_FAILED',
    'MCP_OAUTH_DISCOVERY_FAILED',
    /states another issuer, https:\/\/login\.example\.com/,
    /corrects its metadata; or give `client_id`/,
  ),
};

module.exports = { CHECKED, LOGINS };
