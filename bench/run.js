/**
 * Measures the addon beside other clients for Node, plain Rust and the wire alone, against one server, and writes the
 * results.
 *
 *   npm run bench                    the table, also in README.md, and bench/results.json
 *   npm run bench -- --short         only whether everything works
 *   npm run bench -- --only=a,b      some groups of rows only, which take the place of theirs in the table: reinit,
 *                                    burst, idle, calls, load, slow, list, large, obo, growth, footprint
 */

const { readFileSync, writeFileSync } = require('node:fs');
const os = require('node:os');
const { join } = require('node:path');
const { isDeepStrictEqual, parseArgs } = require('node:util');
const { groups } = require('./rows');
const { FULL, SHORT } = require('./sizes');
const { buildNative, startServer } = require('./support/processes');
const { PEERS } = require('./support/row');
const { devDependencies } = require('../package.json');

const RESULTS = join(__dirname, 'results.json');
const README = join(__dirname, '..', 'README.md');

const { values: options } = parseArgs({
  options: { short: { type: 'boolean', default: false }, only: { type: 'string' } },
});

async function main() {
  const { short } = options;
  const chosen = options.only?.split(',') ?? Object.keys(groups);
  for (const name of chosen) if (!groups[name]) throw new Error(`no group of rows is called ${name}`);
  const programs = buildNative({ release: !short });
  const server = await startServer(programs.server);
  const rows = [];
  const started = performance.now();
  try {
    for (const name of chosen) {
      process.stderr.write(`${name} …\n`);
      const begun = performance.now();
      const lines = await groups[name]({ server, programs, short, sizes: short ? SHORT : FULL });
      // What only Linux tells is missing elsewhere.
      const found = lines.filter(({ value }) => Number.isFinite(value));
      for (const row of found) console.log(format(row));
      rows.push(...found);
      process.stderr.write(`${name}: ${seconds(begun)}\n`);
    }
  } finally {
    server.stop();
  }
  process.stderr.write(`all: ${seconds(started)}\n`);
  if (!short) {
    const results = { ...circumstances(), rows: rows.map(rounded) };
    if (options.only) results.rows = amended(results);
    writeFileSync(RESULTS, `${JSON.stringify(results, null, 2)}\n`);
    writeFileSync(README, withTable(readFileSync(README, 'utf8'), results));
  }
  const missed = rows.filter(({ reached }) => !reached).length;
  console.log(
    short ? `bench: ${rows.length} rows measured, numbers of no meaning` : `bench: ${missed} rows not reached`,
  );
}

const seconds = (since) => `${Math.round((performance.now() - since) / 1000)} s`;

/** What all rows of a table have in common. */
function circumstances() {
  const peers = Object.fromEntries(Object.values(PEERS).map((name) => [name, devDependencies[name]]));
  return { machine: machine(), node: process.version, peers };
}

/** The rows of the last results, with these in place of those of the same names, and behind them what is new. */
function amended({ rows, ...common }) {
  const { rows: before, ...others } = JSON.parse(readFileSync(RESULTS, 'utf8'));
  if (!isDeepStrictEqual(common, others)) {
    throw new Error(`${RESULTS} is of another machine, Node or peer: measure all rows`);
  }
  const added = rows.filter(({ name }) => !before.some((row) => row.name === name));
  return [...before.map((row) => rows.find(({ name }) => name === row.name) ?? row), ...added];
}

const figure = (number) => (number === undefined ? '' : number.toLocaleString('en', { maximumSignificantDigits: 3 }));

const measured = ({ value, unit }) => `${figure(value)} ${unit}`.trim();

const against = ({ peer, of }) => (peer === undefined ? '' : `${figure(peer)} (${of})`);

/** README.md with the table of these results. */
function withTable(readme, { machine, node, peers, rows }) {
  const lines = rows.map(({ ratio, floor, reached, ...row }) => {
    const cells = [row.name, measured(row), against(row), figure(ratio), floor, reached ? 'yes' : 'no'];
    return `| ${cells.join(' | ')} |`;
  });
  const versions = Object.entries(peers).map(([name, version]) => `\`${name}\` ${version}`);
  const table = [
    `${machine}, Node ${node.slice(1)}, ${versions.join(', ')}:`,
    '',
    '| what | addon | against | ratio | floor | reached |',
    '| --- | --- | --- | --- | --- | --- |',
    ...lines,
  ];
  return readme.replace(
    /(<!-- bench -->\n).*(<!-- \/bench -->)/s,
    (_, start, end) => `${start}\n${table.join('\n')}\n\n${end}`,
  );
}

function format({ ratio, floor, reached, ...row }) {
  const cells = [
    row.name.padEnd(84),
    measured(row).padStart(14),
    against(row).padStart(36),
    figure(ratio).padStart(7),
    floor.padStart(11),
    reached ? 'yes' : 'NO',
  ];
  return cells.join('  ');
}

/** Four digits are more than a measurement has. */
function rounded(row) {
  const short = (figure) => (figure === undefined ? undefined : Number(figure.toPrecision(4)));
  return { ...row, value: short(row.value), peer: short(row.peer), ratio: short(row.ratio) };
}

/** What the numbers depend on, and nothing that names the machine. */
function machine() {
  const cpus = os.cpus();
  const memory = `${Math.round(os.totalmem() / 2 ** 30)} GiB`;
  return `${cpus[0].model.trim()}, ${cpus.length} cores, ${memory}, ${distribution()}`;
}

function distribution() {
  try {
    const name = /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
    return `${name ?? os.type()} (${os.type()} ${os.release().split('-')[0]})`;
  } catch {
    return `${os.type()} ${os.release()}`;
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
