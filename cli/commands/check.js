/** `check`: connects to every server and says what came of it. */

const { closeSync, constants, openSync, statSync } = require('node:fs');
const { resolve } = require('node:path');
const { authorizationOf } = require('../authorization');
const { DEFAULT_FILE, isMapping, serverOf } = require('../config');
const { EXIT, Failure } = require('../failure');
const { summary } = require('../output');
const { reportBroken, reportOf } = require('../reports');
const { openIdConfig, withRuntime } = require('../runtime');
const { connect, knownOf, obstacle, transportOf, withoutEffect } = require('../server');

const CONCURRENCY = 4;
/** Arguments and results of tools stand in it. */
const OWNERS_ALONE = 0o600;

module.exports = async function check(given, options) {
  const { file, names } = splitArguments(given, options);
  if (options.trace) traceTo(options.trace);
  return withRuntime({ ...options, config: file }, async (context) => {
    for (const name of names) serverOf(context.config, name);
    const wanted = names.length > 0 ? [...new Set(names)] : Object.keys(context.config.servers);
    const results = await checkAll(context, wanted, options);
    return exitCodeOf(results);
  }).catch((error) => {
    if (error instanceof Failure) reportBroken(file ?? DEFAULT_FILE, error, options);
    throw error;
  });
};

function exitCodeOf(results) {
  const failed = results.filter(({ ok }) => !ok);
  if (failed.length === 0) return EXIT.ok;
  return failed.every(({ error }) => error.code === 'MCP_INVALID_CONFIG') ? EXIT.usage : EXIT.failed;
}

/** The runtime reads the variable when it is made; a file that it cannot write it would only warn of. */
function traceTo(file) {
  try {
    // Not waiting for whoever may read a pipe.
    const { O_APPEND, O_CREAT, O_NONBLOCK, O_WRONLY } = constants;
    closeSync(openSync(file, O_APPEND | O_CREAT | O_NONBLOCK | O_WRONLY, OWNERS_ALONE));
  } catch (error) {
    throw new Failure(`The traffic cannot be recorded: ${error.message}`, { code: 'MCP_INVALID_ARGUMENT' });
  }
  process.env.MCP_NATIVE_TRACE = resolve(file);
}

/** The first argument may be the file; a folder may have the name of a server. */
function splitArguments(given, { config, target }) {
  const [first, ...others] = given;
  const isFile = first !== undefined && !config && !target && (/\.(ya?ml|json)$/i.test(first) || isThere(first));
  return isFile ? { file: first, names: others } : { file: config, names: given };
}

const isThere = (path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true;

async function checkAll(context, names, options) {
  const results = new Array(names.length);
  const report = reportOf(context, names, options);
  let next = 0;
  const worker = async () => {
    while (next < names.length) {
      const index = next++;
      results[index] = await checkServer(context, names[index], options);
      report.finished(results[index]);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  report.ended(results);
  return results;
}

/** What is said where nothing could be found out. */
const UNKNOWN = { type: 'none', reason: '' };

async function checkServer(context, name, options) {
  const server = context.config.servers[name];
  const result = { name, ok: false, transport: null, protocolVersion: null, latencyMs: null, tools: [] };
  result.authorization = { ...UNKNOWN, ready: false };
  try {
    const hindered = obstacle(context, name);
    if (isMapping(server)) result.transport = transportOf(server);
    if (!hindered) return await tryServer(context, result, options);
    // Of a configuration that is wrong it may not be known.
    const told = isMapping(server)
      ? await authorizationOf(context, name, { ask: false }).catch(() => UNKNOWN)
      : UNKNOWN;
    return { ...result, authorization: { ...told, ready: false }, error: hindered };
  } catch (error) {
    return { ...result, error: summary(error) };
  }
}

/** Connects and lists tools, and meanwhile finds out what the server wants of its users. */
async function tryServer(context, result, options) {
  const { name } = result;
  const server = context.config.servers[name];
  const asking = authorizationOf(context, name).catch(() => UNKNOWN);
  const started = performance.now();
  try {
    const connection = await connect(context, name, options.timeout, { retry: false });
    result.latencyMs = Math.round(performance.now() - started);
    result.protocolVersion = connection.client.getProtocolVersion() ?? null;
    result.authorization.ready = true;
    const { tools } = await connection.client.listTools();
    result.tools = tools.map((tool) => tool?.name);
    result.ok = true;
  } catch (error) {
    const oauth = (await asking).type === 'oauth';
    result.error = summary(error, knownOf(context, name, { oauth, timeout: options.timeout }));
  }
  const { ready } = result.authorization;
  result.authorization = { ...(await asking), ready };
  if (!result.ok && ['obo', 'enterprise'].includes(result.authorization.type)) {
    result.authorization.ready = await identityProviderIsReady();
  }
  const warnings = warningsOf(context.api, server, result.authorization);
  return warnings.length > 0 ? { ...result, warnings } : result;
}

function warningsOf(api, server, { type }) {
  const { config: parsed } = api.parseServerConfig(server, { source: 'yaml' });
  const warnings = withoutEffect(api, server, parsed).map(({ path, message }) => `${path.join('.')} ${message}`);
  const isDetected = type === 'oauth' && !api.isOAuthServer(server);
  if (isDetected && server.headers) {
    warnings.push('the server announces OAuth: set `requiresOAuth: false` if `headers` are all that it needs');
  }
  return warnings;
}

/** Whether an exchange could be made, were there a user. */
async function identityProviderIsReady() {
  return openIdConfig().then(
    () => true,
    () => false,
  );
}
