/**
 * Measures the addon beside the TypeScript SDK's client and plain Rust, against one server, and writes the results.
 *
 *   npm run bench                    the table, also in README.md, and bench/results.json
 *   npm run bench -- --short         only whether everything works
 *   npm run bench -- --only=a,b      some groups of rows only: reinit, burst, idle, calls, list, large, obo, growth,
 *                                    footprint
 */

const { readFileSync, writeFileSync } = require('node:fs');
const os = require('node:os');
const { join } = require('node:path');
const { parseArgs } = require('node:util');
const { FULL, SHORT, groups } = require('./rows');
const { buildNative, startServer } = require('./support/processes');

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
  try {
    for (const name of chosen) {
      process.stderr.write(`${name} …\n`);
      const measured = await groups[name]({ server, programs, short, sizes: short ? SHORT : FULL });
      for (const row of measured) console.log(format(row));
      rows.push(...measured);
    }
  } finally {
    server.stop();
  }
  if (!short && !options.only) {
    const results = { machine: machine(), node: process.version, rows: rows.map(rounded) };
    writeFileSync(RESULTS, `${JSON.stringify(results, null, 2)}\n`);
    writeFileSync(README, withTable(readFileSync(README, 'utf8'), results));
  }
  const missed = rows.filter(({ reached }) => !reached).length;
  console.log(
    short ? `bench: ${rows.length} rows measured, numbers of no meaning` : `bench: ${missed} rows not reached`,
  );
}

const figure = (number) => (number === undefined ? '' : number.toLocaleString('en', { maximumSignificantDigits: 3 }));

/** README.md with the table of these results. */
function withTable(readme, { machine, node, rows }) {
  const lines = rows.map(({ name, value, unit, peer, ratio, floor, reached }) => {
    const cells = [name, `${figure(value)} ${unit}`.trim(), figure(peer), figure(ratio), floor, reached ? 'yes' : 'no'];
    return `| ${cells.join(' | ')} |`;
  });
  const table = [
    `${machine}, Node ${node.slice(1)}:`,
    '',
    '| what | addon | peer | ratio | floor | reached |',
    '| --- | --- | --- | --- | --- | --- |',
    ...lines,
  ];
  return readme.replace(
    /(<!-- bench -->\n).*(<!-- \/bench -->)/s,
    (_, start, end) => `${start}\n${table.join('\n')}\n\n${end}`,
  );
}

function format({ name, value, unit, peer, ratio, floor, reached }) {
  const cells = [
    name.padEnd(66),
    `${figure(value)} ${unit}`.trim().padStart(14),
    figure(peer).padStart(8),
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
