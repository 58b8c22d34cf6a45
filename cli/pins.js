/** Tools as they are approved (`pinTools`), for people. */

const { clean, paint, print } = require('./output');

const COLORS = { approved: 'green', changed: 'yellow', new: 'yellow', removed: 'dim' };

/** Whether tools of the server are pinned at all. */
function arePinned({ document, servers }, name) {
  const pinTools = servers[name].pinTools ?? document.mcpSettings?.pinTools;
  return pinTools === 'warn' || pinTools === 'block';
}

/** The tool, its state, and all that is different from what was approved: somebody may approve it. */
function printPin({ name, state, hash, findings, diff = [], diffIsPartial }) {
  print(`${paint.bold(clean(name))}  ${paint[COLORS[state]](state)}  ${paint.dim(clean(hash))}`);
  for (const { path, before, after } of diff) {
    print(`  ${clean(path)}`);
    if (before !== null) print(paint.red(`  - ${clean(before)}`));
    if (after !== null) print(paint.green(`  + ${clean(after)}`));
  }
  if (diffIsPartial) print(paint.yellow('  not all that is different is shown'));
  if (findings.length > 0) print(paint.yellow(`  its texts have: ${findings.map(clean).join(', ')}`));
}

/** What waits for somebody to approve it. */
const waits = ({ state }) => state === 'changed' || state === 'new';

module.exports = { arePinned, printPin, waits };
