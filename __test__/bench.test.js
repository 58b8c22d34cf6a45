const { setTimeout: delay } = require('node:timers/promises');
const { median, percentile } = require('../bench/support/measure');
const { highest, isHeld, paced } = require('../bench/support/pace');
const { beside, series } = require('../bench/support/row');

const forever = new Promise(() => {});

describe('percentile', () => {
  const numbers = Array.from({ length: 200 }, (_, index) => 200 - index);

  test.each([
    [0.5, 100],
    [0.99, 198],
    [1, 200],
  ])('%d', (share, expected) => expect(percentile(numbers, share)).toBe(expected));

  test('of one number', () => expect(percentile([7], 0.99)).toBe(7));

  test('median', () => expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5]));
});

describe('calls at a rate', () => {
  test('makes all calls of its time', async () => {
    const call = jest.fn(async () => {});
    const { latencies, overrun } = await paced(call, { rate: 1000, ms: 50 });
    expect(call).toHaveBeenCalledTimes(50);
    expect(latencies).toHaveLength(50);
    expect(latencies.every((latency) => latency >= 0)).toBe(true);
    expect(overrun).toBe(false);
  });

  test('does not wait for an answer before the next call', async () => {
    const answers = [];
    const call = () => new Promise((resolve) => answers.push(resolve));
    const last = async () => {
      if (answers.length < 9) return call();
      for (const answer of answers) answer();
    };
    const { latencies, overrun } = await paced(last, { rate: 1000, ms: 10 });
    expect([latencies.length, answers.length, overrun]).toEqual([10, 9, false]);
  });

  test('ends when too many wait, and has a latency of those too', async () => {
    const call = jest.fn(() => forever);
    const { latencies, perSecond, overrun } = await paced(call, { rate: 1000, ms: 60_000, bound: 5, patienceMs: 1 });
    expect(call).toHaveBeenCalledTimes(5);
    expect(latencies).toHaveLength(5);
    expect(latencies.every((latency) => latency > 0)).toBe(true);
    expect([perSecond, overrun]).toEqual([0, true]);
  });

  test('counts from when a call was due', async () => {
    const heldUpMs = 30;
    let first = true;
    const call = async () => {
      const until = performance.now() + (first ? heldUpMs : 0);
      first = false;
      while (performance.now() < until);
    };
    const { latencies } = await paced(call, { rate: 1000, ms: 10 });
    // All of them were due while the first held up the loop.
    expect(Math.min(...latencies)).toBeGreaterThan(heldUpMs - 10);
  });

  test('rejects with what a call rejects with', async () => {
    const failure = new Error('another call’s answer');
    await expect(paced(() => Promise.reject(failure), { rate: 1000, ms: 10 })).rejects.toBe(failure);
  });

  test('is held when they are answered in time, and not when they are late', async () => {
    const step = { rate: 100, ms: 60 };
    expect(await isHeld(async () => {}, { ...step, limitMs: 60_000 })).toBe(true);
    expect(await isHeld(() => delay(20), { ...step, limitMs: 1 })).toBe(false);
  });
});

describe('the highest rate', () => {
  const search = { from: 100, doublings: 8, halvings: 3 };
  const found = async (holds) => {
    const tried = [];
    const rate = await highest(async (next) => {
      tried.push(next);
      return holds(next, tried);
    }, search);
    return { rate, tried };
  };

  test('is sought between the last that held and the first that did not', async () => {
    const { rate, tried } = await found((next) => next <= 1000);
    expect(rate).toBe(1000);
    expect(tried).toEqual([100, 200, 400, 800, 1600, 1600, 1200, 1200, 1000, 1100, 1100]);
  });

  test('may be below the first', async () => {
    const { rate } = await found((next) => next <= 60);
    expect(rate).toBe(50);
  });

  test('is 0 where none holds', async () => {
    const { rate, tried } = await found(() => false);
    expect(rate).toBe(0);
    expect(tried).toHaveLength(8);
  });

  test('has a second chance', async () => {
    const { rate } = await found((next, tried) => next <= 1000 && tried.filter((it) => it === next).length === 2);
    expect(rate).toBe(1000);
  });
});

describe('rows', () => {
  const measured = {
    addon: { held: 3000, latency: 2 },
    peers: { sdk: { held: 600, latency: 4 }, 'ai-sdk': { held: 750, latency: 8 } },
  };
  const floor = { text: 'none', holds: () => true };

  test('are held against the peer that took least', () => {
    expect(beside('latency', measured, 'latency', { floor })).toMatchObject({
      peer: 4,
      of: '@modelcontextprotocol/sdk',
    });
  });

  test('are held against the peer that did most', () => {
    const row = beside('held', measured, 'held', { floor, most: true });
    expect(row).toMatchObject({ value: 3000, peer: 750, of: '@ai-sdk/mcp', ratio: 4 });
  });

  test('have no ratio to a peer that did nothing', () => {
    const none = { ...measured, peers: { sdk: { held: 0 } } };
    const row = beside('held', none, 'held', { floor, most: true, judged: 'value' });
    expect(row).toMatchObject({ value: 3000, peer: 0, ratio: undefined, reached: true });
  });

  test('of a series hold the largest against the one before', () => {
    const rows = series([10, 5000, 20_000], (count) => `${count}`, { values: [9, 4, 6], unit: 'KiB' });
    expect(rows.map(({ name, ratio, reached }) => [name, ratio, reached])).toEqual([
      ['10', undefined, true],
      ['5000', undefined, true],
      ['20000', 1.5, false],
    ]);
  });
});
