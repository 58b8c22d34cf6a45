/**
 * Runs the client scenarios of the official conformance suite against this package and writes their results to
 * `docs/conformance.md`. Ends with a non-zero exit code where a scenario fails that
 * `__test__/conformance/expected-failures.json` does not name, or passes although it does.
 *
 *     npm run conformance                     every revision
 *     npm run conformance -- 2026-07-28       one of them; docs/conformance.md stays as it is
 *     MCP_TEST_ADDON=PATH npm run conformance another addon than that of `npm run build:test`
 *
 * The suite has a package of its own beside the client, since it needs a newer Node than the addon does and brings one
 * along: among this package's dependencies that Node would run all of its scripts. The client under test runs on the
 * Node that runs this file.
 */

const { spawn } = require('node:child_process');
const { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join, relative } = require('node:path');
const { ROOT } = require('./addon-path');

const REVISIONS = ['2025-11-25', '2026-07-28'];
const SUITE_NODE = 22;
const HOME = join(ROOT, '__test__', 'conformance');
const EXPECTED = join(HOME, 'expected-failures.json');
const TABLE = join(ROOT, 'docs', 'conformance.md');
/** For one scenario; all of a revision run at the same time. */
const TIMEOUT_MS = 120_000;
/** How often a lone timing measurement is taken again. */
const ATTEMPTS = 3;

function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

async function installSuite() {
  const packages = join(HOME, 'node_modules');
  const suite = join(packages, '@modelcontextprotocol', 'conformance');
  if (!existsSync(suite)) {
    const { code, output } = await run('npm', ['ci', '--no-audit', '--no-fund', '--prefix', HOME]);
    if (code !== 0) throw new Error(`npm ci in ${relative(ROOT, HOME)} failed:\n${output}`);
  }
  const isNewEnough = Number(process.versions.node.split('.')[0]) >= SUITE_NODE;
  const node = isNewEnough ? process.execPath : join(packages, 'node', 'bin', 'node');
  const { version } = JSON.parse(readFileSync(join(suite, 'package.json'), 'utf8'));
  return { version, run: (args) => run(node, [join(suite, 'dist', 'index.js'), 'client', ...args]) };
}

const clientCommand = `"${process.execPath}" "${join(HOME, 'client.js')}"`;

/** The checks that the suite wrote, by scenario: directories are named `<scenario>-<time>`. */
function readResults(directory, prefix = '') {
  const results = new Map();
  for (const entry of readdirSync(join(directory, prefix))) {
    const checks = join(directory, prefix, entry, 'checks.json');
    if (existsSync(checks)) {
      const scenario = prefix + entry.replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, '');
      results.set(scenario, JSON.parse(readFileSync(checks, 'utf8')));
    } else if (prefix === '') {
      for (const [scenario, inner] of readResults(directory, `${entry}/`)) results.set(scenario, inner);
    }
  }
  return results;
}

async function inDirectory(work) {
  const directory = mkdtempSync(join(tmpdir(), 'conformance-'));
  try {
    return await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const of = (checks, status) => checks.filter((check) => check.status === status);
/** The suite itself takes a scenario in which nothing was checked for a success. */
const isPassed = (checks) =>
  of(checks, 'SUCCESS').length > 0 && of(checks, 'FAILURE').length + of(checks, 'WARNING').length === 0;

/** Which scenarios count, by the suite's own list, and what came of each. */
async function runRevision(suite, revision) {
  const results = await inDirectory(async (directory) => {
    const { output } = await suite.run([
      ...['--requirements', revision, '--command', clientCommand],
      ...['--timeout', String(TIMEOUT_MS), '--output-dir', directory],
    ]);
    const written = readResults(directory);
    if (written.size === 0) throw new Error(`the suite did not run:\n${output}`);
    const unscored = new Map(
      [...output.matchAll(/^ {2}[✓✗] (\S+) \((\S+)\)$/gm)].map(([, scenario, reason]) => [scenario, reason]),
    );
    return [...written].map(([scenario, checks]) => ({
      ...{ revision, scenario, checks, unscored: unscored.get(scenario) },
    }));
  });
  for (const result of results) await measureAgain(suite, result);
  return results.sort((a, b) => Number(Boolean(a.unscored)) - Number(Boolean(b.unscored)) || compare(a, b));
}

const compare = (a, b) => (a.scenario < b.scenario ? -1 : 1);

/** With all scenarios at the same time a machine may be too busy for those that measure time: they get it alone. */
async function measureAgain(suite, result) {
  const isLate = ({ id, status }) => /timing/.test(id) && status !== 'SUCCESS';
  for (let attempt = 1; attempt <= ATTEMPTS && result.checks.some(isLate); attempt += 1) {
    await inDirectory(async (directory) => {
      await suite.run([
        ...['--scenario', result.scenario, '--spec-version', result.revision, '--command', clientCommand],
        ...['--timeout', String(TIMEOUT_MS), '--output-dir', directory],
      ]);
      result.checks = readResults(directory).get(result.scenario) ?? result.checks;
    });
  }
}

/** What the suite does not score, extensions for instance, has to pass here, too. */
function judge({ revision, scenario, checks }, expected) {
  const reason = expected[revision]?.[scenario];
  const passed = isPassed(checks);
  if (passed) return { passed, problem: reason && 'passes, but is expected to fail' };
  return { passed, reason, problem: reason ? undefined : 'fails unexpectedly' };
}

function describeFailures(checks) {
  const failed = [...of(checks, 'FAILURE'), ...of(checks, 'WARNING')];
  return failed.map(({ id, errorMessage, description }) => `    ${id}: ${errorMessage ?? description}`);
}

function table(results, expected) {
  const rows = results.map((result) => {
    const { passed, reason } = judge(result, expected);
    const { checks, scenario, unscored } = result;
    const failures = of(checks, 'FAILURE').length + of(checks, 'WARNING').length;
    const note = [unscored && `not scored (${unscored})`, passed ? undefined : reason].filter(Boolean).join('; ');
    return `| ${scenario} | ${passed ? 'pass' : '**fail**'} | ${of(checks, 'SUCCESS').length} | ${failures} | ${note} |`;
  });
  return ['| scenario | result | checks passed | failed | note |', '| --- | --- | --- | --- | --- |', ...rows].join(
    '\n',
  );
}

function summary(results, revision) {
  const scored = results.filter(({ unscored }) => !unscored);
  const passed = scored.filter(({ checks }) => isPassed(checks));
  return `${passed.length} of the ${scored.length} scenarios that ${revision} requires pass.`;
}

function report(version, revisions, expected) {
  const sections = revisions.map(
    ({ revision, results }) => `## ${revision}\n\n${summary(results, revision)}\n\n${table(results, expected)}\n`,
  );
  return `# Conformance

Results of the client scenarios of the official suite, \`@modelcontextprotocol/conformance\` ${version}, with
\`--requirements\` of each revision: a scenario runs at that revision's protocol. \`npm run conformance\` runs them
through the public API (\`__test__/conformance/client.js\`), compares them with
\`__test__/conformance/expected-failures.json\`, which says why a scenario fails, and writes this file.

A warning of the suite counts as failed. The suite runs extensions and scenarios that came after a revision without
scoring them; here they have to pass as the others do.

${sections.join('\n')}`;
}

async function main(revisions) {
  const expected = JSON.parse(readFileSync(EXPECTED, 'utf8'));
  const suite = await installSuite();
  const done = [];
  const problems = [];
  for (const revision of revisions.length ? revisions : REVISIONS) {
    const results = await runRevision(suite, revision);
    done.push({ revision, results });
    console.log(`\n${revision}: ${summary(results, revision)}`);
    for (const result of results) {
      const { passed, problem } = judge(result, expected);
      const note = problem ?? (result.unscored && `not scored: ${result.unscored}`);
      console.log(`  ${passed ? 'pass' : 'FAIL'} ${result.scenario}${note ? ` (${note})` : ''}`);
      if (!passed) console.log(describeFailures(result.checks).join('\n'));
      if (problem) problems.push(`${revision} ${result.scenario} ${problem}`);
    }
  }
  if (revisions.length === 0) writeFileSync(TABLE, report(suite.version, done, expected));
  if (problems.length > 0) {
    console.error(`\n${problems.join('\n')}`);
    process.exitCode = 1;
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
