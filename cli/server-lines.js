/** The report of `check` for people: a line for each server when it is done, and beneath it what is wrong. */

const { columnsOf, cut, cutInside, padded, width } = require('./columns');
const { clean, paint, print, printCause, printHint, progress } = require('./output');
const { transportOf } = require('./server');
const { isMapping } = require('./config');

/** As people write `type`. */
const TRANSPORTS = { 'streamable-http': 'http' };
const NOTHING = '–';
/** `9999 ms` or `59.9 s`, and `999 tools`. */
const TIME_COLUMNS = 7;
const TOOLS_COLUMNS = 9;
const GAP = '  ';
const MIN_NAME_COLUMNS = 10;
/** Less of a sentence says nothing. */
const MIN_WANTS_COLUMNS = 8;

/** @returns `{ finished(result), ended(results) }` */
function lines({ config, names, options }) {
  const layout = layoutOf(names, config.servers);
  const spinner = progress(statusOf(names, 0), options);
  const waiting = new Set(names);
  return {
    finished(result) {
      waiting.delete(result.name);
      spinner.update(statusOf([...waiting], names.length - waiting.size));
      spinner.above(() => printServer(result, layout));
    },
    ended(results) {
      spinner.stop();
      if (results.length === 0) return print(`${config.file} has no mcpServers.`);
      const good = results.filter(({ ok }) => ok).length;
      print(`${good} of ${results.length} servers work${good < results.length ? '' : paint.green(' ✓')}`);
      if (options.trace) print(`Traffic: npx librechat-mcp-native trace ${options.trace}`);
      return undefined;
    },
  };
}

const statusOf = (waiting, done) =>
  `${done} of ${done + waiting.length} · waiting for ${waiting.map((name) => clean(name)).join(', ')}`;

/** Columns of the servers' names, of the transports, and of what servers want of users. */
function layoutOf(names, servers) {
  const longest = (texts) => Math.max(1, ...texts.map(columnsOf));
  const transport = longest(names.map((name) => (isMapping(servers[name]) ? shownTransport(servers[name]) : NOTHING)));
  const fixed = [1, transport, TIME_COLUMNS, TOOLS_COLUMNS].reduce((sum, columns) => sum + columns + GAP.length, -1);
  const room = width() - fixed - GAP.length;
  // A name that cannot be told from another is worse than a sentence that is cut, or left out.
  const name = Math.min(longest(names.map((text) => clean(text))), Math.max(room + GAP.length, MIN_NAME_COLUMNS));
  return { name, transport, wants: room - name };
}

const shownTransport = (server) => shortTransport(transportOf(server));
const shortTransport = (transport) => TRANSPORTS[transport] ?? clean(transport ?? NOTHING);

function printServer({ name, ok, transport, latencyMs, tools, authorization, warnings = [], error }, layout) {
  const mark = ok ? paint.green('✓') : paint.red('✗');
  const cells = [
    padded(shortTransport(transport), layout.transport),
    padded(latencyMs === null ? NOTHING : timeOf(latencyMs), TIME_COLUMNS, { end: true }),
    padded(ok ? toolsOf(tools.length) : NOTHING, TOOLS_COLUMNS, { end: true }),
  ];
  const wants = LABELS[authorization.type](authorization, ok);
  if (layout.wants >= MIN_WANTS_COLUMNS) cells.push(cut(clean(wants), layout.wants));
  print(
    `${mark} ${paint.bold(padded(cutInside(clean(name), layout.name), layout.name))}${GAP}${cells.join(GAP).trimEnd()}`,
  );
  for (const warning of warnings) printHint(warning, paint.yellow('!'));
  if (!error) return;
  printCause(error);
  if (error.hint) printHint(error.hint);
}

const timeOf = (ms) => (ms < 10_000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`);

const toolsOf = (number) => (number === 1 ? '1 tool ' : `${number} tools`);

const machine =
  (title) =>
  ({ ready, reason }) =>
    `${ready ? 'token accepted' : 'no access'}, ${title}: ${reason}`;

/** What servers want of users; what matters comes first, where it is not cut. */
const LABELS = {
  none: (_, ok) => (ok ? 'no login' : ''),
  oauth: ({ ready, reason }) => `${ready ? 'authorized' : 'login needed'}, OAuth: ${reason}`,
  obo: ({ ready, reason }) => `on-behalf-of, identity provider ${ready ? 'ready' : 'not ready'}: ${reason}`,
  clientCredentials: machine('client credentials'),
  workload: machine('workload identity'),
  enterprise: ({ reason }) => `enterprise-managed, as users of LibreChat: ${reason}`,
  apiKey: ({ reason }) => reason,
  headers: ({ reason }) => reason,
  userVariables: ({ reason }) => reason,
};

module.exports = { lines };
