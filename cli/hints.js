/**
 * What to do about a failure: about this one, not about its code alone. Each code has a function; it gets what is known of the
 * server (`knownOf` in `server.js`), the `message`, and the HTTP `status` where there was one. What a server said is
 * looked at, and not repeated, but for the name of a variable.
 */

const { httpHint, invalidResponseHint, tlsHint, unreachableHint } = require('./hints-http');
const { endedHint, spawnHint, timeoutHint } = require('./hints-stdio');
const { typedHint } = require('./hints-typed');

/** The address is not the server's. */
const OF_METADATA = /: the metadata service cannot be asked: /;
/** The limits are those of the configuration, and not the server's own. */
const OF_LIMITS = /\(limits\.\w+\)/;

const OF_LOGIN = "The server gets the token of the user's login, which only LibreChat has.";

/** Where the browser comes back to: a client that is registered by hand needs both. */
const redirectUris = (name) =>
  `http://127.0.0.1/api/mcp/${name}/oauth/callback (any port) for this command, ` +
  `DOMAIN_SERVER/api/mcp/${name}/oauth/callback for LibreChat`;

const byHand = ({ name = 'SERVER' }) =>
  `Register a client with the provider, with the redirect URIs ${redirectUris(name)}, and set \`oauth.client_id\`.`;

const CLIENT =
  "Correct `oauth.client_id`, and `oauth.client_secret` or `oauth.private_key_jwt`, after the provider's registration.";

const NOT_LOGGED_IN = 'You are not logged in to this server yet. ';

/** 401 or 403. */
function authorizationHint(known) {
  const { oauth, login, isLogin, ofLogin, server, message, status } = known;
  if (/refuses a token that was just issued/.test(message)) return 'Correct `oauth` of the server: docs/oauth.md.';
  if (oauth && isLogin) return "Look at the server's log: it refuses the token that this login has got.";
  const credentials = credentialsOf(server);
  if (oauth && credentials && server.oauth === undefined && server.requiresOAuth === undefined) {
    return `${NOT_LOGGED_IN}Run: ${login} – or, if ${credentials} are to be enough, correct them and set \`requiresOAuth: false\`.`;
  }
  if (oauth) return `${NOT_LOGGED_IN}Run: ${login}`;
  if (ofLogin) return OF_LOGIN;
  if (credentials) {
    return status === 403
      ? `The server knows the credentials of ${credentials}, and they may not do this, or not from here: ask who runs it.`
      : `The server refuses the credentials of ${credentials}: correct them; its documentation names the header and its form.`;
  }
  return status === 403
    ? 'The server refuses this program, and asks for no login: it may want credentials in `headers` or `apiKey`, or take ' +
        'requests from some addresses only; its words, if any, say which.'
    : 'The server wants credentials, and offers no login: put its key into `headers` or `apiKey`; ' +
        'set `requiresOAuth: true` if users are to log in.';
}

const credentialsOf = (server) => {
  if (server?.apiKey) return '`apiKey`';
  return Object.keys(server?.headers ?? {}).length > 0 ? '`headers`' : undefined;
};

/** The address is the authorization server's. */
const BLOCKED =
  /targets a blocked address: ([\w.:[\]-]+:\d+)\. .* adds it to (mcpSettings\.allowed(?:Addresses|Domains))/;

function discoveryHint({ message }) {
  const [, address, setting] = BLOCKED.exec(message) ?? [];
  if (address) return `If the authorization server is meant to be there, add "${address}" to ${setting}.`;
  return /another issuer/.test(message)
    ? 'Who runs the server corrects its metadata; or give `client_id`, `authorization_url` and `token_url` in `oauth`.'
    : 'Correct the server, or give all of `client_id`, `authorization_url` and `token_url` in `oauth`.';
}

function flowHint({ login, message }) {
  if (/invalid_client|unauthorized_client/.test(message)) return CLIENT;
  if (/An operator|private_key_jwt/.test(message)) return 'Correct `oauth` of the server, then begin again.';
  if (/access_denied/.test(message)) {
    return `The user declined, or the provider's rules do not let the user in: agree, or ask who runs it. ${begin(login)}`;
  }
  if (/invalid_scope/.test(message))
    return `Correct \`oauth.scope\`: the provider does not know one of its scopes. ${begin(login)}`;
  return begin(login);
}

const begin = (login) => `Begin again: ${login}`;

const HINTS = {
  MCP_ADDRESS_NOT_ALLOWED: ({ address, metadata, message }) => {
    const refused = OF_METADATA.test(message) ? metadata : address;
    return `If this private address is meant, add "${refused ?? 'host:port'}" to mcpSettings.allowedAddresses.`;
  },
  MCP_DOMAIN_NOT_ALLOWED: () => 'Add the domain to mcpSettings.allowedDomains, or take the server out.',
  MCP_CONNECTION_FAILED: (known) => tlsHint(known) ?? unreachableHint(known),
  MCP_CONNECTION_LOST: (known) => tlsHint(known) ?? endedHint(known),
  MCP_SPAWN_FAILED: spawnHint,
  MCP_TIMEOUT: (known) => httpHint(known) ?? timeoutHint(known),
  MCP_CALL_REFUSED: () => 'Ask who runs this program: its own rules refused the call, in the words of the message.',
  MCP_CIRCUIT_OPEN: () => 'Wait a moment: the server failed too often lately.',
  MCP_HTTP_STATUS: (known) => httpHint(known) ?? 'Look at the server: its words are in the message.',
  MCP_INVALID_RESPONSE: invalidResponseHint,
  MCP_RATE_LIMITED: ({ message = '' }) =>
    OF_LIMITS.test(message)
      ? "Wait, or raise what the message names among the server's limits."
      : 'The server has had enough of requests: wait as long as it says, or ask who runs it for more.',
  MCP_RESPONSE_TOO_LARGE: () => 'Raise MCP_STREAMABLE_HTTP_MAX_RESPONSE_BYTES or MCP_STREAMABLE_HTTP_MAX_LINE_BYTES.',
  MCP_RESULT_TOO_LARGE: () => 'Ask the tool for less at a time, raise maxResultBytes, or set overflow to cut.',
  MCP_SERVER_ERROR: () => "Look at the server's log: the answer is its own.",
  MCP_TOOL_DENIED: () => 'If the tool is meant, change `tools` of the server, or of mcpSettings.',
  MCP_TOOL_HIDDEN: () => 'The server keeps this tool for its apps: no model may call it.',
  MCP_TOOL_NOT_APPROVED: ({ name = '<server>' }) =>
    `See what has changed with \`tools ${name} --pins\`, and approve it with \`approve ${name}\`.`,
  MCP_TOOLS_LIST_FAILED: () => "Look at the server's log: it connected, but did not list its tools.",
  MCP_TOOLS_LIST_BUDGET: () => 'Raise MCP_TOOLS_LIST_MAX_PAGES, MCP_TOOLS_LIST_MAX_TOOLS or MCP_TOOLS_LIST_MAX_BYTES.',
  MCP_CONFIG_NOT_FOUND: ({ known }) => `Servers of this configuration: ${known?.join(', ') || 'none'}.`,
  MCP_INVALID_CONFIG: () => 'Correct the configuration; `validate` shows the lines.',
  MCP_MISSING_ENV: ({ variables }) => `Set ${variables.join(', ')} in the environment or in .env.`,
  MCP_MISSING_USER_VARS: ({ name = 'server', variables = ['NAME'] }) =>
    `Each user sets ${variables.join(', ')} in LibreChat; here, --user-vars names a YAML file with the values: ` +
    `${JSON.stringify(name)}: { ${variables.map((variable) => `${variable}: "…"`).join(', ')} }`,
  MCP_GRANT_FAILED: ({ login, isLogin }) => (isLogin ? undefined : `Try the token alone, without the server: ${login}`),
  MCP_AUTHORIZATION_REQUIRED: authorizationHint,
  MCP_INSUFFICIENT_SCOPE: () => "Look at the server's scopes: it asks for some that were granted already.",
  MCP_REAUTHENTICATION_REQUIRED: ({ login }) => `Run: ${login}`,
  MCP_OAUTH_REQUIRED: ({ login }) => `Run: ${login}`,
  MCP_OAUTH_REFRESH_FAILED: ({ login }) => `Try again later; if it stays, log in again: ${login}`,
  MCP_OAUTH_DISCOVERY_FAILED: discoveryHint,
  MCP_OAUTH_REGISTRATION_FAILED: byHand,
  MCP_OAUTH_EXCHANGE_FAILED: () => CLIENT,
  MCP_OAUTH_FLOW_FAILED: flowHint,
  MCP_OAUTH_REVOCATION_FAILED: () =>
    "Whoever has a copy of the tokens can use them until they expire: revoke them on the provider's own page.",
  MCP_OAUTH_TIMEOUT: ({ name = 'SERVER', login }) =>
    `Begin again, and authorize in time (--timeout): ${login} – if the provider's page complained of redirect_uri, ` +
    `register ${redirectUris(name)}.`,
  MCP_TOKEN_STORE: () =>
    'Give the CREDS_KEY that the tokens were stored with, end the process that keeps the file, or remove the file.',
  MCP_AUTHENTICATION_REJECTED: () =>
    "The server gets the token of the user's login, which only LibreChat has, and refused it.",
  MCP_AUTHENTICATION_REFRESH_FAILED: () => OF_LOGIN,
  OBO_MISSING_UPSTREAM_TOKEN: ({ obo }) => `Try the exchange with a user's token: ${obo}`,
  OBO_EXCHANGE_FAILED: () => 'docs/entra.md tells the causes apart, and who mends each.',
  OBO_CLAIMS_CHALLENGE: () => 'The user has to sign in again with what the identity provider asks for.',
  OBO_NOT_TRUSTED: () => 'The author of the configuration needs the permission to configure on-behalf-of.',
  MCP_HOST_ERROR: () => 'See the OpenID settings (OPENID_ISSUER, OPENID_CLIENT_ID, OPENID_CLIENT_SECRET).',
};

/** An error has the status of an answer; where time ran out, its message has that of the last one. */
const statusOf = ({ status, message }) =>
  status ?? (Number(/ answered HTTP (\d{3})\b/.exec(message)?.[1]) || undefined);

/** One sentence, or `undefined` where there is nothing to say. */
function hintFor(code, known = {}) {
  const hint = HINTS[code]?.({ ...known, message: known.message ?? '', status: statusOf(known) });
  return hint && known.isTyped ? typedHint(hint) : hint;
}

module.exports = { HINTS, hintFor };
