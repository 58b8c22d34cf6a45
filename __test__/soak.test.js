/** The soak test in short: it works, it would see growth, and nothing is left when the runtime is closed. */

const { spawn } = require('node:child_process');
const { join } = require('node:path');
const { MEASURES, judge, judgeEnd } = require('../bench/soak/measure');

const RUN = join(__dirname, '..', 'bench', 'soak', 'run.js');

function run(...args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [RUN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

test('a few rounds leave nothing behind', async () => {
  const { code, output } = await run('8');
  expect(output).toContain('| connect and list tools |');
  expect(code === 0 ? '' : output).toBe('');
}, 600_000);

describe('the verdict', () => {
  const flat = Object.fromEntries(Object.keys(MEASURES).map((name) => [name, 100]));
  const rounds = (change) => Array.from({ length: 60 }, (_, round) => ({ ...flat, ...change(round) }));
  const grown = (samples) => judge(samples).filter((verdict) => !verdict.flat);

  test('is flat for noise, for a peak, and for growth in the first tenth', () => {
    expect(judge(rounds(() => ({})))).toHaveLength(Object.keys(MEASURES).length);
    expect(grown(rounds((round) => ({ 'resident memory': 100 + (round % 7) })))).toEqual([]);
    expect(grown(rounds((round) => ({ threads: round === 30 ? 900 : 100 })))).toEqual([]);
    expect(grown(rounds((round) => ({ 'resident memory': round < 6 ? 10 * round : 100 })))).toEqual([]);
  });

  test.each(Object.keys(MEASURES))('sees that there are more and more of: %s', (name) => {
    expect(grown(rounds((round) => ({ [name]: 100 + round })))).toMatchObject([{ name, flat: false }]);
  });

  test('sees what is left at the end', () => {
    expect(judgeEnd(flat, flat).every((verdict) => verdict.flat)).toBe(true);
    const left = judgeEnd(flat, { ...flat, 'child processes': 101 }).filter((verdict) => !verdict.flat);
    expect(left).toMatchObject([{ name: 'child processes' }]);
  });
});
