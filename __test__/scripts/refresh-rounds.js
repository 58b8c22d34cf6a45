/**
 * How often processes that refresh the same token at the same moment get in each other's way; see
 * support/refresh-race.js. The numbers of docs/oauth.md are from here.
 *
 *     node __test__/scripts/refresh-rounds.js ROUNDS TOKEN_DELAY_MS FLOW_DELAY_MS [lock]
 */

const { startRace } = require('../support/refresh-race');

async function main([rounds, tokenDelayMs, flowDelayMs, lock]) {
  const race = await startRace({
    withLock: lock === 'lock',
    tokenDelayMs: Number(tokenDelayMs),
    flowDelayMs: Number(flowDelayMs),
  });
  let failed = 0;
  const times = [];
  for (let round = 1; round <= Number(rounds); round += 1) {
    const started = performance.now();
    const { refreshes, failures } = await race.round();
    times.push(performance.now() - started);
    if (refreshes === 1 && failures.length === 0) continue;
    failed += 1;
    console.log(
      `round ${round}: ${refreshes} refreshes, ${failures.length} calls failed: ${[...new Set(failures.map(({ message }) => message))]}`,
    );
  }
  await race.close();
  times.sort((a, b) => a - b);
  const median = Math.round(times[Math.floor(times.length / 2)]);
  console.log(`${failed} of ${rounds} rounds failed; a round takes ${median} ms (median)`);
}

main(process.argv.slice(2));
