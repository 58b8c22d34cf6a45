const os = require('node:os');
const { course } = require('./measure');

const number = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(1));
const answer = (flat) => (flat ? 'yes' : '**no**');

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

const growth = (verdicts) =>
  table(
    ['', 'second tenth', 'last tenth', 'flat up to', 'flat'],
    verdicts.map(({ name, unit, before, after, allowed, flat }) => [
      unit ? `${name}, ${unit}` : name,
      number(before),
      number(after),
      number(allowed),
      answer(flat),
    ]),
  );

const end = (verdicts) =>
  table(
    ['', 'before', 'after', 'back'],
    verdicts.map(({ name, before, after, flat }) => [name, number(before), number(after), answer(flat)]),
  );

function operations(counts) {
  const rows = [...counts].map(([name, outcomes]) => {
    const others = [...outcomes].filter(([outcome]) => outcome !== 'done');
    const ended = others.map(([outcome, times]) => `${times} ${outcome}`).join(', ');
    return [name, outcomes.get('done') ?? 0, ended];
  });
  return table(['operation', 'done', 'ended otherwise'], rows);
}

function counted({ oauthRefreshes, bytes, breakers }) {
  const mib = (direction) =>
    Math.round(Object.values(bytes).reduce((sum, counts) => sum + counts[direction], 0) / 2 ** 20);
  return (
    `Tokens refreshed: ${oauthRefreshes.ok ?? 0}. JSON-RPC messages: ${mib('sent')} MiB sent, ${mib('received')} MiB ` +
    `received. Circuit breakers kept at the end: ${breakers.open + breakers.closed}.`
  );
}

const machine = () =>
  `${os.cpus().length} cores (${os.cpus()[0]?.model.trim() ?? 'unknown'}), ${os.type()} ${os.arch()}, Node ${process.version}`;

/** The figures of a run as Markdown. */
function report({ seconds, rounds, seed, addon, samples, verdicts, endVerdicts, counts, stats }) {
  const all = [...counts.values()].flatMap((outcomes) => [...outcomes.values()]);
  const total = all.reduce((sum, times) => sum + times, 0);
  return `${total} operations in ${rounds} rounds, ${seconds} s, seed ${seed}, ${addon} addon. ${machine()}.

${growth(verdicts)}

Resident memory in the course of the run, MiB: ${course(samples, 'resident memory').map(Math.round).join(', ')}.

${counted(stats)}

After \`runtime.close()\`, compared with the time before the runtime:

${end(endVerdicts)}

${operations(counts)}
`;
}

module.exports = { report };
