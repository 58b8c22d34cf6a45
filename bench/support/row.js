/** Lines of the table, and what is measured in turn for them. */

const { median } = require('./measure');
const { inChild } = require('./processes');

/** The clients that users would otherwise run, by the name of their file in `clients/`. */
const PEERS = {
  sdk: '@modelcontextprotocol/sdk',
  client: '@modelcontextprotocol/client',
  'ai-sdk': '@ai-sdk/mcp',
};

const atMost = (limit) => ({ text: `≤ ${limit}`, holds: (number) => number <= limit });
const atLeast = (limit) => ({ text: `≥ ${limit.toLocaleString('en')}`, holds: (number) => number >= limit });
const exactly = (count) => ({ text: `exactly ${count}`, holds: (number) => number === count });

const SHOWN = { text: 'none', holds: () => true };

/** How much more one thing may take where there are very many than where there are a thousand. */
const FLAT = atMost(1.25);

/**
 * One line of the table. `peer` is what `value` is held against, `of` whose that is; nothing is a multiple of 0. `judged`
 * is the number that the floor is for: `value`, or `ratio`.
 */
function row(name, { value, unit, peer, of, floor, judged = 'ratio' }) {
  const ratio = peer ? value / peer : undefined;
  const number = judged === 'ratio' ? ratio : value;
  return {
    name,
    value,
    unit,
    peer,
    of,
    ratio,
    floor: floor.text,
    reached: number !== undefined && floor.holds(number),
  };
}

/**
 * A line about the addon and the peer that took least, or did most. `key` of what `inTurn` measured, in `scale` per
 * unit.
 */
function beside(name, { addon, peers }, key, { scale = 1, most = false, ...rest }) {
  const ascending = Object.entries(peers).toSorted(([, a], [, b]) => a[key] - b[key]);
  const [of, best] = ascending.at(most ? -1 : 0);
  return row(name, { value: addon[key] / scale, peer: best[key] / scale, of: PEERS[of], ...rest });
}

/** Addon and peers in turn, `rounds` times. Answers with the medians of each; `then` is run after each round. */
async function inTurn(rounds, work, task, then = async () => {}) {
  const names = ['addon', ...Object.keys(PEERS)];
  const results = names.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, name] of names.entries()) results[index].push(await inChild(name, work, task));
    await then();
  }
  const [addon, ...peers] = results.map(medians);
  return { addon, peers: Object.fromEntries(Object.keys(PEERS).map((name, index) => [name, peers[index]])) };
}

function medians(results) {
  const names = Object.keys(results[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, median(results.map((result) => result[name]))]));
}

/**
 * A row for each size, from small to large. The largest is held against the one before; what a few take is too close to
 * the noise of a whole process.
 */
function series(sizes, name, { values, unit }) {
  const last = sizes.length - 1;
  return sizes.map((size, index) => {
    if (index < last) return row(name(size), { value: values[index], unit, floor: SHOWN, judged: 'value' });
    return row(name(size), {
      value: values[last],
      unit,
      peer: values[last - 1],
      of: `${sizes[last - 1]}`,
      floor: FLAT,
    });
  });
}

module.exports = { PEERS, SHOWN, atLeast, atMost, beside, exactly, inTurn, medians, row, series };
