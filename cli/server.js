/** What is known of one server, and connecting to it without asking anybody. */

const { lookup } = require('node:dns/promises');
const { addressOf } = require('./address');
const { DEFAULT_FILE, serverOf } = require('./config');
const { grantOf, metadataAddressOf } = require('./grants');
const { summary } = require('./output');
const { USER } = require('./runtime');
const { keptWhereItMatters, missingVariables, unexpandedIn } = require('./unexpanded');

const TRANSPORTS = { http: 'streamable-http' };
const KNOWN = new Set(['stdio', 'streamable-http', 'sse', 'websocket']);

/** The transport in LibreChat's words, `null` for one that nobody knows; without `type` a URL means SSE there. */
function transportOf(config) {
  const type = TRANSPORTS[config.type] ?? config.type;
  if (type) return KNOWN.has(type) ? type : null;
  if (config.command) return 'stdio';
  return /^wss?:/.test(config.url ?? '') ? 'websocket' : 'sse';
}

/** A text as a word of a shell. */
const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** What hints may name; see `hints.js`. */
function knownOf({ config, userVars, api }, name, options) {
  const server = config.servers[name];
  const file = config.file === DEFAULT_FILE ? '' : ` --config ${quoted(config.file)}`;
  const values = userVars.file === undefined ? '' : ` --user-vars ${quoted(userVars.file)}`;
  const named = config.typed === undefined ? `${quoted(name)}${file}` : quoted(config.typed);
  const run = (command) => `npx librechat-mcp-native ${command} ${named}`;
  return {
    name,
    isTyped: config.isTyped,
    address: serverAddressOf(api, server, userVars.of(name)),
    login: run('login') + values,
    list: run('resources') + values,
    obo: `${run('obo')} < token.txt`,
    known: Object.keys(config.servers),
    variables: api.getMissingCustomUserVars(server, userVars.of(name)),
    metadata: metadataAddressOf(server),
    server,
    transport: server && transportOf(server),
    ofLogin: Object.values(server?.headers ?? {}).some((value) => String(value).includes('{{LIBRECHAT_OPENID_')),
    ...options,
  };
}

function expanded(api, server, customUserVars) {
  return api.processMCPEnv({ options: server, customUserVars });
}

function serverAddressOf(api, server, customUserVars) {
  try {
    return addressOf(expanded(api, server, customUserVars).url);
  } catch {
    return undefined;
  }
}

/**
 * What has no effect, as `{ path, message }`: variables that stay as they are written, and members of `oauth` that the
 * schema leaves out. LibreChat says nothing of either.
 *
 * @param parsed  what the schema makes of the server's configuration
 */
function withoutEffect(api, server, parsed) {
  const unknown = Object.keys(server.oauth ?? {}).filter((member) => !Object.hasOwn(parsed.oauth ?? {}, member));
  const message = 'is not known, and has no effect';
  return [...unexpandedIn(api, server), ...unknown.map((member) => ({ path: ['oauth', member], message }))];
}

/** That a member of a server's configuration is wrong, with its line. */
function misconfigured({ config }, name, { path, why, hint }) {
  const where = [config.file, config.lineOf(['mcpServers', name, ...path]) ?? []].flat().join(':');
  const message = `${where}: ${path.join('.')}: ${why}`;
  return summary({ code: 'MCP_INVALID_CONFIG', message, hint }, { isTyped: config.isTyped });
}

/** Why a server cannot even be tried, as `{ code, message, hint }`. */
function obstacle(context, name) {
  const server = serverOf(context.config, name);
  const [issue] = context.api.validateServerConfig(server, { source: 'yaml' });
  if (issue) {
    const kept = unexpandedIn(context.api, server).find(({ path }) => path.join('.') === issue.path.join('.'));
    const why = kept ? `${issue.message}; it ${kept.message}` : issue.message;
    return misconfigured(context, name, { path: issue.path, why });
  }
  const kept = keptWhereItMatters(context.api, server);
  if (kept) {
    return misconfigured(context, name, { path: kept.path, why: kept.message, hint: 'Write the value itself there.' });
  }
  const known = knownOf(context, name);
  const variables = missingVariables(server);
  if (variables.length > 0) {
    const message = `The environment lacks ${variables.join(', ')}`;
    return summary({ code: 'MCP_MISSING_ENV', message }, { variables });
  }
  if (known.variables.length > 0) {
    const message = `The server needs values that each user sets: ${known.variables.join(', ')}`;
    return summary({ code: 'MCP_MISSING_USER_VARS', message }, known);
  }
  const { service } = grantOf(server) ?? {};
  if (service) {
    const message = `The server needs ${service} of the program that the runtime is part of`;
    const hint = `Try it there, or give the command line a file: ${FILES[service]}.`;
    return summary({ code: 'MCP_INVALID_CONFIG', message, hint });
  }
  return undefined;
}

/** What stands in the configuration where no program answers. */
const FILES = { getWorkloadAssertion: 'oauth.assertion.file', getClientAssertion: 'private_key_jwt.key_file' };

const PROXY_VARIABLES = ['PROXY', 'HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy'];

/** A name that nobody knows stays unknown while a command waits; behind a proxy it is the proxy that looks it up. */
async function refuseUnknownHost({ config, userVars, api }, name) {
  const server = config.servers[name];
  if (!server.url || server.proxy || PROXY_VARIABLES.some((variable) => process.env[variable])) return;
  const { hostname } = new URL(expanded(api, server, userVars.of(name)).url);
  await lookup(hostname.replace(/^\[|\]$/g, '')).catch(({ code }) => {
    if (code !== 'ENOTFOUND') return;
    const message = `The host name "${hostname}" could not be resolved`;
    throw Object.assign(new Error(message), { code: 'MCP_CONNECTION_FAILED' });
  });
}

/**
 * Connects with what is stored; nobody is asked to authorize.
 *
 * @param options.retry  `false` leaves it at one attempt
 */
async function connect(context, name, timeoutSeconds, { retry = true } = {}) {
  await refuseUnknownHost(context, name);
  const { runtime, userVars } = context;
  return runtime.manager.getConnection({
    serverName: name,
    user: USER,
    customUserVars: userVars.of(name),
    authorize: false,
    connectionTimeout: timeoutSeconds * 1000,
    retry,
  });
}

module.exports = { connect, expanded, knownOf, obstacle, transportOf, withoutEffect };
