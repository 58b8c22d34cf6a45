const os = require('node:os');
const { course } = require('./measure');

const number = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(1));
const answer = (flat) => (flat ? 'yes' : '**no**');

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

const growth = (verdicts, early = 'second tenth', late = 'last tenth') =>
  table(
    ['', early, late, 'flat up to', 'flat'],
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

function operations(counts, heading = 'operation') {
  const rows = [...counts].map(([name, outcomes]) => {
    const others = [...outcomes].filter(([outcome]) => outcome !== 'done');
    const ended = others.map(([outcome, times]) => `${times} ${outcome}`).join(', ');
    return [name, outcomes.get('done') ?? 0, ended];
  });
  return table([heading, 'done', 'ended otherwise'], rows);
}

/** @param stats  of each runtime */
function counted(stats) {
  const total = (numbers) => numbers.reduce((sum, number) => sum + number, 0);
  const mib = (direction) =>
    Math.round(total(stats.flatMap(({ bytes }) => Object.values(bytes).map((counts) => counts[direction]))) / 2 ** 20);
  const refreshed = total(stats.flatMap(({ oauthRefreshes }) => Object.values(oauthRefreshes).map(({ ok = 0 }) => ok)));
  const kept = total(stats.map(({ breakers }) => breakers.open + breakers.closed));
  return (
    `Tokens refreshed: ${refreshed}. JSON-RPC messages: ${mib('sent')} MiB sent, ${mib('received')} MiB received. ` +
    `Circuit breakers kept at the end: ${kept}.`
  );
}

const machine = () =>
  `${os.cpus().length} cores (${os.cpus()[0]?.model.trim() ?? 'unknown'}), ${os.type()} ${os.arch()}, Node ${process.version}`;

const sum = (counts) =>
  [...counts.values()].flatMap((outcomes) => [...outcomes.values()]).reduce((total, times) => total + times, 0);

/** The figures of a run as Markdown. */
function report({ seconds, rounds, seed, addon, samples, verdicts, endVerdicts, counts, stats, told }) {
  return `${sum(counts)} operations in ${rounds} rounds, ${seconds} s, seed ${seed}, ${addon} addon. ${machine()}.

${growth(verdicts)}

Resident memory in the course of the run, MiB: ${course(samples, 'resident memory').map(Math.round).join(', ')}.

${counted(stats)} The hosts were told of ${Object.entries(told)
    .map(([what, times]) => `${times} ${what}`)
    .join(', ')}.

After \`runtime.close()\`, compared with the time before the runtime:

${end(endVerdicts)}

${operations(counts)}
`;
}

/** Those of a run under faults. */
function reportOfFaults({ sessions, seconds, seed, addon, longest, memory, verdicts, endVerdicts, counts, stats }) {
  return `${sum(counts)} operations of ${sessions} sessions, ${seconds} s, seed ${seed}, ${addon} addon; the longest took ${longest} ms. ${machine()}.

${growth(verdicts, 'at the start', 'at the end')}

Resident memory in the course of the run, with all sessions open, MiB: ${memory.map(Math.round).join(', ')}.

${counted(stats)}

After \`runtime.close()\`, compared with the time before the runtime:

${end(endVerdicts)}

${operations(counts, 'what went wrong with a call')}
`;
}

module.exports = { report, reportOfFaults };
