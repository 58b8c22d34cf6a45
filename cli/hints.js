/** What to do about a failure, by the error's code. Functions get what is known of the server, and the message. */

/** A server's process ends so where a shell, or npx, does not find what it is to run. */
const NOT_FOUND = /: its process exited with status 127(?:;|$)/;
/** The address is not the server's. */
const OF_METADATA = /: the metadata service cannot be asked: /;
/** TLS was tried, and the answer was none. */
const WITHOUT_TLS = /: the port does not speak TLS: /;
/** TLS was spoken, and a certificate was not liked. */
const OF_CERTIFICATE =
  /: (?:the server's certificate|no authority that is trusted here|the server .*client certificate)/;

const OF_LOGIN = "The server gets the token of the user's login, which only LibreChat has.";

const HINTS = {
  MCP_ADDRESS_NOT_ALLOWED: ({ address, metadata, message }) => {
    const refused = OF_METADATA.test(message) ? metadata : address;
    return `If this private address is meant, add "${refused ?? 'host:port'}" to mcpSettings.allowedAddresses.`;
  },
  MCP_DOMAIN_NOT_ALLOWED: () => 'Add the domain to mcpSettings.allowedDomains, or take the server out.',
  MCP_CONNECTION_FAILED: ({ address, message }) => {
    if (WITHOUT_TLS.test(message)) {
      return 'The port does not speak TLS: if it is plain HTTP, write http:// in `url` (ws:// in place of wss://).';
    }
    if (OF_CERTIFICATE.test(message)) {
      return `Correct \`tls\` of the server, or the certificate: openssl s_client -showcerts -connect ${address}`;
    }
    return address
      ? `Start the server, and see that ${address} can be reached from here (DNS, firewall, PROXY).`
      : 'Run the command by itself and look at what it prints.';
  },
  MCP_CONNECTION_LOST: ({ message }) =>
    NOT_FOUND.test(message)
      ? 'The command, or one that it runs, was not found: run it by itself in this folder, and install what it lacks.'
      : "Look at the server's log: it ended the connection.",
  MCP_SPAWN_FAILED: () => 'Install the command, or correct `command`, `cwd` and `stderr`.',
  MCP_TIMEOUT: () => 'Raise `initTimeout` (or --timeout), or find out why the server is slow.',
  MCP_CIRCUIT_OPEN: () => 'Wait a moment: the server failed too often lately.',
  MCP_HTTP_STATUS: () =>
    'See that `url` is the MCP endpoint and `type` its transport (without `type` it is sse), and look at the server.',
  MCP_INVALID_RESPONSE: () => 'See that `url` is the MCP endpoint and `type` its transport (streamable-http or sse).',
  MCP_RATE_LIMITED: () => 'Wait, then try again.',
  MCP_RESPONSE_TOO_LARGE: () => 'Raise MCP_STREAMABLE_HTTP_MAX_RESPONSE_BYTES or MCP_STREAMABLE_HTTP_MAX_LINE_BYTES.',
  MCP_SERVER_ERROR: () => "Look at the server's log: the answer is its own.",
  MCP_TOOL_HIDDEN: () => 'The server keeps this tool for its apps: no model may call it.',
  MCP_TOOLS_LIST_FAILED: () => "Look at the server's log: it connected, but did not list its tools.",
  MCP_TOOLS_LIST_BUDGET: () => 'Raise MCP_TOOLS_LIST_MAX_PAGES, MCP_TOOLS_LIST_MAX_TOOLS or MCP_TOOLS_LIST_MAX_BYTES.',
  MCP_CONFIG_NOT_FOUND: ({ known }) => `Servers of this configuration: ${known?.join(', ') || 'none'}.`,
  MCP_INVALID_CONFIG: () => 'Correct the configuration; `validate` shows the lines.',
  MCP_MISSING_ENV: ({ variables }) => `Set ${variables.join(', ')} in the environment or in .env.`,
  MCP_MISSING_USER_VARS: ({ name = 'server', variables = ['NAME'] }) =>
    `Each user sets ${variables.join(', ')} in LibreChat; here, --user-vars names a YAML file with the values: ` +
    `${JSON.stringify(name)}: { ${variables.map((variable) => `${variable}: "…"`).join(', ')} }`,
  MCP_GRANT_FAILED: ({ login, isLogin }) => (isLogin ? undefined : `Try the token alone, without the server: ${login}`),
  MCP_AUTHORIZATION_REQUIRED: ({ oauth, login, isLogin, ofLogin, message }) => {
    if (/refuses a token that was just issued/.test(message)) return 'Correct `oauth` of the server: docs/oauth.md.';
    if (oauth && isLogin) return "Look at the server's log: it refuses the token that this login has got.";
    if (oauth) return `Run: ${login}`;
    if (ofLogin) return OF_LOGIN;
    return 'Put the credentials into `headers` or `apiKey`, or set `requiresOAuth: true` if users are to log in.';
  },
  MCP_INSUFFICIENT_SCOPE: () => "Look at the server's scopes: it asks for some that were granted already.",
  MCP_REAUTHENTICATION_REQUIRED: ({ login }) => `Run: ${login}`,
  MCP_OAUTH_REQUIRED: ({ login }) => `Run: ${login}`,
  MCP_OAUTH_REFRESH_FAILED: ({ login }) => `Try again later; if it stays, log in again: ${login}`,
  MCP_OAUTH_DISCOVERY_FAILED: () =>
    'Correct the server, or give all of `client_id`, `authorization_url` and `token_url` in `oauth`.',
  MCP_OAUTH_REGISTRATION_FAILED: () => 'Register a client with the provider and set `oauth.client_id`.',
  MCP_OAUTH_EXCHANGE_FAILED: () =>
    "Check `oauth.client_id` and `oauth.client_secret` against the provider's registration.",
  MCP_OAUTH_FLOW_FAILED: ({ login, message }) =>
    /An operator|private_key_jwt/.test(message)
      ? 'Correct `oauth` of the server, then begin again.'
      : `Begin again: ${login}`,
  MCP_OAUTH_TIMEOUT: ({ login }) => `Begin again, and authorize in time (--timeout): ${login}`,
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

/** One sentence, or `undefined` where there is nothing to say. */
function hintFor(code, known = {}) {
  return HINTS[code]?.(known);
}

module.exports = { HINTS, hintFor };
