/**
 * What becomes of users whose tokens three processes refresh at the same moment, while something happens to one of them or
 * to Redis: the table of docs/oauth.md. On standard error what went wrong with calls.
 *
 *     node __test__/scripts/refresh-faults.js
 */

const { startFaultyFleet } = require('../support/refresh-faults');
const { KINDS } = require('../support/refresh-faults/kinds');

const USERS = 16;
/** What takes as long as a lock lasts happens once to all users, everything else that often. */
const TIMES = 3;
const [NOTHING] = KINDS;
const MIXED = { ...NOTHING, name: 'nothing; one of the three is LibreChat’s own manager' };
const BESIDE = 'a process that waits is killed, stopped or cut off';

/** Resolves to the rounds of all kinds by name, one for each user and time. */
async function measure(options, kinds) {
  const fleet = await startFaultyFleet({ ...options, users: USERS });
  const all = new Map();
  const add = (name, rounds) => {
    if (rounds.length > 0) all.set(name, [...(all.get(name) ?? []), ...rounds]);
  };
  for (const kind of kinds) {
    for (let time = 0; time < (kind.isSlow ? 1 : TIMES); time += 1) {
      const rounds = await fleet.round(kind);
      add(
        kind.name,
        rounds.filter(({ isHit }) => isHit),
      );
      add(
        BESIDE,
        rounds.filter(({ isHit }) => !isHit),
      );
    }
    complain(options, kind, all.get(kind.name));
  }
  if (all.has(BESIDE)) complain(options, { name: BESIDE }, all.get(BESIDE));
  await fleet.close();
  return all;
}

function complain({ withLock }, { name }, rounds) {
  const failures = rounds.flatMap((round) => round.failures);
  const texts = failures.map(({ code, retryable, message }) => [code, retryable && 'retryable', message].join(' '));
  console.error(`${withLock ? 'lock' : 'claims'}: ${name}: ${rounds.length} rounds`);
  for (const text of new Set(texts)) console.error(`  ${texts.filter((other) => other === text).length} x ${text}`);
}

const COLUMNS = [({ failures }) => failures.length > 0, ({ sentTwice }) => sentTwice, ({ isLost }) => isLost];

async function main() {
  const columns = (options, kinds) =>
    Promise.all([true, false].map((withLock) => measure({ ...options, withLock }, kinds)));
  const alone = await columns({}, KINDS);
  const mixed = await columns({ withLibreChat: true }, [MIXED]);
  const [withLock, without] = alone.map((column, at) => new Map([...column, ...mixed[at]]));
  const print = (...cells) => console.log(`| ${cells.join(' | ')} |`);
  for (const [name, rounds] of withLock) {
    const both = [rounds, without.get(name) ?? []];
    const cells = COLUMNS.map((counts) => both.map((side) => side.filter(counts).length));
    print(name, ...[both.map(({ length }) => length), ...cells].map((cell) => cell.join(' / ')));
  }
}

main();
