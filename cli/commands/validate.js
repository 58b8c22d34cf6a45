/** `validate`: the schema of every server and the rules for addresses, with line numbers. Connects to nothing. */

const { readConfig } = require('../config');
const { EXIT } = require('../failure');
const { clean, counted, paint, print, printJson } = require('../output');
const { RULES, doubtfulRules } = require('../rules');
const { expanded, transportOf, withoutEffect } = require('../server');
const { missingVariables, unexpandedIn } = require('../unexpanded');

module.exports = async function validate(given, options) {
  const config = readConfig(given ?? options.config);
  const api = require('../..');
  const issues = [];
  for (const name of Object.keys(config.servers)) issues.push(...(await issuesOf(api, config, name)));
  issues.push(...settingsIssues(config), ...ruleIssues(api, config), ...ruleDoubts(api, config));
  issues.sort((one, other) => one.line - other.line);
  const failed = issues.some(({ severity }) => severity === 'error');
  if (options.json) printJson({ version: 1, file: config.file, ok: !failed, issues });
  else printIssues(config, issues);
  return failed ? EXIT.usage : EXIT.ok;
};

async function issuesOf(api, config, name) {
  const server = config.servers[name];
  const base = ['mcpServers', name];
  const issue = (severity, path, message) => {
    const full = [...base, ...path];
    return { severity, line: config.lineOf(full), path: full.join('.'), message };
  };
  const parsed = api.parseServerConfig(server, { source: 'yaml' });
  if (!parsed.success) {
    const errors = parsed.issues.map(({ path, message }) => issue('error', path, message));
    return [...errors, ...unexpandedIn(api, server).map(({ path, message }) => issue('warning', path, message))];
  }
  const issues = missingVariables(server).map((variable) =>
    issue('warning', [], `the environment variable ${variable} is not set`),
  );
  const settings = config.document.mcpSettings ?? {};
  const { allowedDomains, allowedAddresses } = settings;
  if (issues.length === 0 && server.url && !server.url.includes('{{')) {
    const allowed = await api.isMCPDomainAllowed(expanded(api, server), allowedDomains, allowedAddresses);
    if (!allowed) issues.push(issue('error', ['url'], refusal(allowedDomains)));
  }
  for (const { path, message } of withoutEffect(api, server, parsed.config))
    issues.push(issue('warning', path, message));
  // The schema leaves them out; who connects refuses them.
  const transport = transportOf(server);
  if (server.requestHeaders && ['stdio', 'websocket'].includes(transport)) {
    issues.push(issue('error', ['requestHeaders'], `requests over ${transport} have no headers of their own`));
  }
  return issues;
}

function refusal(allowedDomains) {
  return allowedDomains?.length
    ? 'the domain is not in mcpSettings.allowedDomains'
    : 'the address is private or cannot be resolved; if it is meant, add host:port to mcpSettings.allowedAddresses';
}

function settingsIssues({ document, lineOf }) {
  const settings = document.mcpSettings ?? {};
  return ['allowedDomains', 'allowedAddresses'].flatMap((name) => {
    const value = settings[name];
    if (value === undefined || value === null) return [];
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return [];
    const path = ['mcpSettings', name];
    return [{ severity: 'error', line: lineOf(path), path: path.join('.'), message: 'must be a list of texts' }];
  });
}

/** The rules for the tools of all servers, judged as those of one. */
function ruleIssues(api, { document, lineOf }) {
  const settings = document.mcpSettings ?? {};
  const rules = Object.fromEntries(RULES.map((name) => [name, settings[name]]));
  const config = { type: 'sse', url: 'https://localhost', ...rules };
  return api.validateServerConfig(config, { source: 'yaml' }).map(({ path, message }) => {
    const full = ['mcpSettings', ...path];
    return { severity: 'error', line: lineOf(full), path: full.join('.'), message };
  });
}

/** Rules that may be meant, or do nothing as they are. */
function ruleDoubts(api, config) {
  const known = (name) => {
    const parsed = api.parseServerConfig(config.servers[name], { source: 'yaml' });
    return parsed.success ? Object.keys(parsed.config) : Object.keys(config.servers[name]);
  };
  return doubtfulRules(config, known).map(({ path, message }) => ({
    severity: 'warning',
    line: config.lineOf(path),
    path: path.join('.'),
    message,
  }));
}

function printIssues({ file, servers }, issues) {
  for (const { severity, line, path, message } of issues) {
    const word = severity === 'error' ? paint.red('error') : paint.yellow('warning');
    print(`${file}:${line}: ${word}: ${clean(path)}: ${clean(message)}`);
  }
  const errors = issues.filter(({ severity }) => severity === 'error').length;
  const numbers = [
    counted(Object.keys(servers).length, 'server'),
    counted(errors, 'error'),
    counted(issues.length - errors, 'warning'),
  ];
  print(numbers.join(', '));
}
