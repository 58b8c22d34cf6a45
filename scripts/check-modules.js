/**
 * Lists circles of imports between the files of `src`, and imports that run upward. Tests may import what they like.
 *
 *   npm run lint:modules
 *   node scripts/check-modules.js [<src>]
 */

const { join } = require('node:path');
const { ROOT } = require('./addon-path');
const { importsOf } = require('./rust-imports');

/** The modules of the crate, from top to bottom. Those on one floor do not import each other. */
const FLOORS = [
  ['node/surface'],
  ['node/host'],
  ['node/marshal'],
  ['node/engine'],
  ['embedded', 'reconnect', 'reinit'],
  ['manager'],
  ['grants'],
  ['oauth', 'obo'],
  ['connection'],
  ['transport'],
  ['governance'],
  ['host'],
  ['server_config'],
  ['network', 'settings', 'log_room'],
  ['dpop', 'log'],
  ['secret_file', 'trace'],
  ['foreign_text', 'telemetry', 'background', 'blocking', 'cancel', 'flights', 'jws', 'seal', 'user'],
  [
    'error',
    'secret',
    'abilities',
    'challenges',
    'clock',
    'digest',
    'environment',
    'file_stamp',
    'hex',
    'keyed_lock',
    'literal',
    'lru_map',
    'nesting',
    'scheduler',
    'tools',
  ],
];

/** Files that list modules of several floors, and nothing else. */
const LISTS = ['lib.rs', 'node/mod.rs'];

/** The sets of files that all lead to each other. */
function circlesOf(arrows) {
  const reached = (from, found = new Set()) => {
    for (const to of arrows.get(from).keys()) if (!found.has(to)) reached(to, found.add(to));
    return found;
  };
  const from = new Map([...arrows.keys()].map((file) => [file, reached(file)]));
  const circles = [...from.keys()].map((file) => [...from.get(file)].filter((to) => from.get(to).has(file)).sort());
  return circles.filter((circle, at) => circle[0] === [...from.keys()][at]);
}

/** What is wrong with the modules of `src`, a text each. */
function findProblems(src, { floors = FLOORS } = {}) {
  const arrows = importsOf(src);
  const show = (from, to) => `  ${from} -> ${to}: ${[...arrows.get(from).get(to)].sort().join(', ')}`;
  const problems = circlesOf(arrows).map((files) => {
    const within = files.flatMap((from) => files.filter((to) => arrows.get(from).has(to)).map((to) => show(from, to)));
    return [`${files.length} files import each other:`, ...within].join('\n');
  });
  const moduleOf = (file) => floors.flat().find((name) => file === `${name}.rs` || file.startsWith(`${name}/`));
  const floorOf = (file) => floors.findIndex((floor) => floor.includes(moduleOf(file)));
  for (const [from, targets] of arrows) {
    if (!LISTS.includes(from) && floorOf(from) < 0) problems.push(`${from} is on no floor`);
    const upward = [...targets.keys()].filter((to) => moduleOf(to) !== moduleOf(from) && floorOf(to) <= floorOf(from));
    for (const to of upward) problems.push(`${from} imports what is not below it:\n${show(from, to)}`);
  }
  return problems;
}

if (require.main === module) {
  const problems = findProblems(process.argv[2] ?? join(ROOT, 'src'));
  for (const problem of problems) console.error(problem);
  process.exitCode = Math.min(problems.length, 1);
}

module.exports = { findProblems };
