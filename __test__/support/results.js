const { TOOLS, formatTools } = require('./tools');

const nothing = { availableTools: null, oauthRequired: false, oauthUrl: null, tools: null };

/** An error beside a `failureReason`: a stable code, a text, and whether another try may help. */
const anError = (code = expect.stringMatching(/^(MCP|OBO)_[A-Z_]+$/)) => ({
  code,
  message: expect.any(String),
  retryable: expect.any(Boolean),
});

/** Whole results of `reinitMCPServer`, for `toEqual`. */
const connected = (serverName, tools = TOOLS) => ({
  ...nothing,
  success: true,
  message: `MCP server '${serverName}' reinitialized successfully`,
  serverName,
  tools,
  availableTools: tools.length > 0 ? formatTools(serverName, tools) : null,
});

const failed = (serverName, code) => ({
  ...nothing,
  success: false,
  message: `Failed to reinitialize MCP server '${serverName}'`,
  serverName,
  failureReason: 'initialization_failed',
  error: anError(code),
});

const unreachable = (serverName) => ({
  ...nothing,
  success: false,
  message: `MCP server '${serverName}' is still unreachable`,
  serverName,
  failureReason: 'unreachable',
  error: anError(),
});

const missingVariables = (serverName, ...names) => ({
  ...nothing,
  success: false,
  message: `MCP server '${serverName}' requires user-provided variable(s) [${names.join(', ')}] which are not set`,
  serverName,
  failureReason: 'missing_custom_user_vars',
  missingUserVars: names,
  error: anError(),
});

const deferred = (serverName) => ({
  ...nothing,
  success: true,
  message: `MCP server '${serverName}' uses request-scoped placeholders; connection will be established on first use in a chat turn`,
  serverName,
  connectionDeferred: true,
});

/** Members that are there only where they apply: absent, not null. */
const OPTIONAL_MEMBERS = [
  'failureReason',
  'error',
  'missingUserVars',
  'connectionDeferred',
  'oauthExpiresAt',
  'toolsError',
];

module.exports = { OPTIONAL_MEMBERS, anError, connected, deferred, failed, missingVariables, unreachable };
