/** `check`: connects to every server and says what came of it. */

const { statSync } = require('node:fs');
const { authorizationOf } = require('../authorization');
const { serverOf } = require('../config');
const { EXIT } = require('../failure');
const { clean, counted, paint, print, printFailure, printJson, printTable, progress, summary } = require('../output');
const { openIdConfig, withRuntime } = require('../runtime');
const { connect, knownOf, obstacle, transportOf, warningsOf } = require('../server');

const CONCURRENCY = 4;

module.exports = async function check(given, options) {
  const { file, names } = splitArguments(given, options);
  return withRuntime({ ...options, config: file }, async (context) => {
    for (const name of names) serverOf(context.config, name);
    const wanted = names.length > 0 ? names : Object.keys(context.config.servers);
    const results = await checkAll(context, wanted, options);
    if (options.json) printJson(results);
    else printResults(context.config.file, results);
    return results.every(({ ok }) => ok) ? EXIT.ok : EXIT.failed;
  });
};

/** The first argument may be the file; a folder may have the name of a server. */
function splitArguments(given, { config }) {
  const [first, ...others] = given;
  const isFile = first !== undefined && !config && (/\.(ya?ml|json)$/i.test(first) || isThere(first));
  return isFile ? { file: first, names: others } : { file: config, names: given };
}

const isThere = (path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true;

async function checkAll(context, names, options) {
  const results = new Array(names.length);
  const pending = new Set();
  const spinner = progress(`connecting to ${counted(names.length, 'server')}`, options);
  let next = 0;
  const worker = async () => {
    while (next < names.length) {
      const index = next++;
      const name = names[index];
      pending.add(name);
      spinner.update(status(results, pending));
      results[index] = await checkServer(context, name, options);
      pending.delete(name);
      spinner.update(status(results, pending));
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  spinner.stop();
  return results;
}

function status(results, pending) {
  const done = results.filter(Boolean).length;
  return clean(`${done} of ${results.length} done; connecting: ${[...pending].join(', ')}`);
}

async function checkServer(context, name, options) {
  const server = context.config.servers[name];
  const result = { name, ok: false, transport: null, protocolVersion: null, latencyMs: null, tools: [] };
  result.authorization = { type: 'none', reason: '', ready: false };
  try {
    const hindered = obstacle(context, name);
    if (server && typeof server === 'object') result.transport = transportOf(server);
    if (hindered) {
      const known = server && typeof server === 'object';
      const unknown = result.authorization;
      // Of a configuration that is wrong it may not be known.
      const authorization = known ? await authorizationOf(context, name, { ask: false }).catch(() => unknown) : unknown;
      return { ...result, authorization: { ...authorization, ready: false }, error: hindered };
    }
    const { config: parsed } = context.api.parseServerConfig(server, { source: 'yaml' });
    const unexpected = warningsOf(context.api, server, parsed);
    if (unexpected.length > 0) result.warnings = unexpected.map(({ path, message }) => `${path.join('.')} ${message}`);
    const authorization = authorizationOf(context, name);
    // Awaited below; meanwhile it must not count as unhandled.
    authorization.catch(() => {});
    const started = performance.now();
    try {
      const connection = await connect(context, name, options.timeout);
      result.latencyMs = Math.round(performance.now() - started);
      result.protocolVersion = connection.client.getProtocolVersion() ?? null;
      result.authorization = { ...(await authorization), ready: true };
      const { tools } = await connection.client.listTools();
      result.tools = tools.map((tool) => tool?.name);
      return { ...result, ok: true };
    } catch (error) {
      if (!result.authorization.ready) result.authorization = { ...(await authorization), ready: false };
      if (server.obo || result.authorization.type === 'enterprise')
        result.authorization.ready = await identityProviderIsReady();
      const oauth = result.authorization.type === 'oauth';
      return { ...result, error: summary(error, knownOf(context, name, { oauth })) };
    }
  } catch (error) {
    return { ...result, error: summary(error) };
  }
}

/** Whether an exchange could be made, were there a user. */
async function identityProviderIsReady() {
  return openIdConfig().then(
    () => true,
    () => false,
  );
}

const machine =
  (title) =>
  ({ ready, reason }) =>
    `${title}, ${ready ? 'token accepted' : 'no access'}: ${reason}`;

const LABELS = {
  none: () => 'none',
  oauth: ({ ready, reason }) => `OAuth, ${ready ? 'authorized' : 'login needed'}: ${reason}`,
  obo: ({ ready, reason }) => `on-behalf-of, identity provider ${ready ? 'ready' : 'not ready'}: ${reason}`,
  clientCredentials: machine('client credentials'),
  workload: machine('workload identity'),
  enterprise: ({ reason }) => `enterprise-managed, as users of LibreChat: ${reason}`,
  apiKey: ({ reason }) => reason,
  headers: ({ reason }) => reason,
  userVariables: ({ reason }) => reason,
};

function printResults(file, results) {
  if (results.length === 0) return print(`${file} has no mcpServers.`);
  printTable(
    ['Server', 'State', 'Transport', 'Protocol', 'Latency', 'Tools', 'Authorization'],
    results.map((result) => [
      result.name,
      result.ok ? 'ok' : 'failed',
      result.transport ?? '–',
      result.protocolVersion ?? '–',
      result.latencyMs === null ? '–' : `${result.latencyMs} ms`,
      result.ok ? String(result.tools.length) : '–',
      LABELS[result.authorization.type](result.authorization),
    ]),
  );
  for (const { name, warnings = [] } of results)
    for (const warning of warnings) print(`${paint.yellow('!')} ${paint.bold(clean(name))}: ${clean(warning)}`);
  const failed = results.filter(({ ok }) => !ok);
  for (const { name, error } of failed) printFailure(name, error);
  const good = results.length - failed.length;
  print(`${good} of ${results.length} servers work${failed.length > 0 ? '' : paint.green(' ✓')}`);
  return undefined;
}
