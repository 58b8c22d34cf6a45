/** What `check` prints. A report is told of each server that is done, as `CheckedServer` of docs/cli.md, and of the end. */

const { print, printJson, summary } = require('./output');
const { lines } = require('./server-lines');

/** By `--format`. What servers say is data in all of them: none can add an element, or a command. */
const FORMATS = { junit, github };

/** @returns `{ finished(result), ended(results) }` */
function reportOf(context, names, options) {
  const report = options.json ? json : (FORMATS[options.format] ?? lines);
  return report({ config: context.config, names, options });
}

/** Tells a format for machines of a configuration that cannot be read, as of one server that fails. */
function reportBroken(file, error, { format }) {
  const report = FORMATS[format]?.({ config: { file, lineOf: () => error.line } });
  const result = { name: file, ok: false, latencyMs: null, error: summary(error) };
  report?.finished(result);
  // The other one counts servers there.
  if (format === 'junit') report.ended([result]);
}

function json({ options: { trace } }) {
  return {
    finished() {},
    ended(servers) {
      const ok = servers.filter((server) => server.ok).length;
      const summary = { total: servers.length, ok, failed: servers.length - ok };
      printJson({ version: 1, servers, summary, ...(trace && { trace }) });
    },
  };
}

/** One suite, with a case for each server, as CI systems read it. */
function junit({ config }) {
  return {
    finished() {},
    ended(servers) {
      const failures = servers.filter(({ ok }) => !ok).length;
      const seconds = servers.reduce((sum, { latencyMs }) => sum + (latencyMs ?? 0), 0) / 1000;
      const suite = attributes({ name: config.file, tests: servers.length, failures, errors: 0, time: seconds });
      print('<?xml version="1.0" encoding="UTF-8"?>');
      print(`<testsuites>\n  <testsuite ${suite}>`);
      for (const server of servers) printCase(config, server);
      print('  </testsuite>\n</testsuites>');
    },
  };
}

function printCase(config, { name, ok, latencyMs, error, warnings = [] }) {
  const time = latencyMs === null ? undefined : latencyMs / 1000;
  const place = placeOf(config, name);
  print(`    <testcase ${attributes({ name, classname: config.file, ...place, time })}>`);
  if (!ok) {
    const { code, message, hint } = error;
    const text = [message, hint].filter(Boolean).join('\n');
    print(`      <failure ${attributes({ type: code, message })}>${xml(text)}</failure>`);
  }
  if (warnings.length > 0) print(`      <system-out>${xml(warnings.join('\n'))}</system-out>`);
  print('    </testcase>');
}

const attributes = (values) =>
  Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}="${xml(value)}"`)
    .join(' ');

/** What no document of XML 1.0 may have, not even as a reference; line breaks may stay. */
const NO_XML = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu;
const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

const xml = (value) =>
  String(value)
    .replace(NO_XML, '\ufffd')
    .replace(/[&<>"]/g, (character) => ENTITIES[character])
    .replace(/[\t\r]/g, ' ');

/** Where a server is in the file; nothing where the command line describes it. */
function placeOf({ file, lineOf }, name) {
  const line = lineOf(['mcpServers', name]);
  return line === undefined ? {} : { file, line };
}

/** Annotations of GitHub Actions: workflow commands, one for each failure and warning. */
function github({ config }) {
  return {
    finished({ name, ok, error, warnings = [] }) {
      const place = placeOf(config, name);
      for (const warning of warnings) print(command('warning', { ...place, title: name }, warning));
      if (ok) return;
      const { code, message, hint } = error;
      print(command('error', { ...place, title: `${name} (${code})` }, [message, hint].filter(Boolean).join('\n')));
    },
    ended(servers) {
      print(`${servers.filter(({ ok }) => ok).length} of ${servers.length} servers work`);
    },
  };
}

function command(name, properties, message) {
  const written = Object.entries(properties).map(([key, value]) => `${key}=${property(value)}`);
  return `::${name} ${written.join(',')}::${data(message)}`;
}

/** As the runner reads it back. */
const data = (value) => String(value).replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
const property = (value) => data(value).replaceAll(':', '%3A').replaceAll(',', '%2C');

module.exports = { FORMATS, reportBroken, reportOf };
