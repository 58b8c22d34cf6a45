/** Records of an audit as lines for people. */

const { columnsOf, cut, cutInside, width } = require('../columns');
const { clean, paint } = require('../output');

const NOTHING = '–';
const GAP = '  ';
/** Less of a name tells none from another. */
const MIN_NAME = 12;
const MAX_USER = 24;
const MAX_OUTCOME = 40;

/** Makes lines; a day has a line of its own, before its first record. */
class Lines {
  #day;

  of(record) {
    const [day, time] = String(record.at).split('T');
    const lines = day === this.#day ? [] : [paint.dim(clean(day))];
    this.#day = day;
    const row = record.event === 'call' ? rowOfCall(record) : rowOfTools(record);
    return [...lines, lineOf(clean(time.slice(0, 8)), row)].join('\n');
  }
}

function lineOf(time, { mark, name, rest }) {
  const ends = rest.map(([text]) => text).join(GAP);
  const room = width() - columnsOf(`${time} ✓ ${GAP}${ends}`);
  const shown = cutInside(name, Math.max(room, MIN_NAME));
  const begin = `${time} ✓ ${shown}${GAP}`;
  // On a narrow terminal something is lost, and no line becomes two.
  const left = Math.max(0, width() - columnsOf(begin));
  if (columnsOf(ends) > left) return `${time} ${mark} ${shown}${GAP}${cut(ends, left)}`;
  return `${time} ${mark} ${shown}${GAP}${rest.map(([text, painted = String]) => painted(text)).join(GAP)}`;
}

function rowOfCall({ serverName, toolName, userId, tenantId, decision, rule, outcome, durationMs, resultBytes }) {
  const isGood = outcome === 'ok';
  const isRefused = decision === 'refused';
  const by = rule ? ` by ${rule}` : '';
  const told = isRefused ? `refused${by}` : `${outcome}${decision === 'rewritten' ? `, rewritten${by}` : ''}`;
  const user = cutInside(clean(userId ?? NOTHING), MAX_USER) + (tenantId ? `@${cut(clean(tenantId), MAX_USER)}` : '');
  const paintOf = isRefused ? paint.yellow : isGood ? String : paint.red;
  return {
    mark: isRefused ? paint.yellow('!') : isGood ? paint.green('✓') : paint.red('✗'),
    name: `${clean(serverName)} ${clean(toolName)}`,
    rest: [
      [user],
      [cut(clean(told), MAX_OUTCOME), paintOf],
      [duration(durationMs)],
      ...(typeof resultBytes === 'number' ? [[bytes(resultBytes), paint.dim]] : []),
    ],
  };
}

function rowOfTools({ event, serverName, approvedBy, tools }) {
  const isApproved = event === 'tools-approved';
  const by = approvedBy ? ` by ${cut(clean(approvedBy), MAX_USER)}` : '';
  const listed = Array.isArray(tools) ? tools : [];
  const told = listed.map((tool) => clean(isApproved ? tool?.name : `${tool?.change} ${tool?.name}`)).join(', ');
  return {
    mark: isApproved ? paint.green('✓') : paint.yellow('!'),
    name: clean(serverName),
    rest: [[isApproved ? `approved${by}: ${told}` : `tools changed: ${told}`]],
  };
}

function duration(ms) {
  if (typeof ms !== 'number') return NOTHING;
  return ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function bytes(count) {
  if (count < 1000) return `${count} B`;
  return count < 1e6 ? `${(count / 1000).toFixed(1)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}

module.exports = { Lines };
