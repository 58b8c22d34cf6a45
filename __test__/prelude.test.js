// biome-ignore-all lint/suspicious/noThenProperty: thenables are what is tested

/** The functions of `prelude.js`, but for that of tools. */

const { AsyncLocalStorage } = require('node:async_hooks');
const { runInThisContext } = require('node:vm');
const { functions, helpers, host, names } = require('./support/prelude');

test('the script has one function for each name that Rust knows', () => {
  expect(functions).toHaveLength(names.length);
  expect(names).toEqual(expect.arrayContaining(['parse', 'exactText', 'presentReader', 'settle', 'soon', 'tools']));
  for (const made of functions) expect(typeof made).toBe('function');
});

describe('settle', () => {
  /** Resolves to what `done` is called with, after a look for a second call. */
  async function settled(value) {
    const calls = [];
    helpers.settle(value, (waiting, ...outcome) => calls.push(waiting === 'waiting' && outcome), 'waiting');
    await new Promise(setImmediate);
    expect(calls).toHaveLength(1);
    return calls[0];
  }

  const thrown = new Error('thrown');
  const throwing = () => {
    throw thrown;
  };

  test.each([
    ['a promise', Promise.resolve(1), true, 1],
    ['a promise of the realm', host('Promise.resolve(1)'), true, 1],
    ['a promise that rejects', Promise.reject(thrown), false, thrown],
    ['a thenable', { then: (keep) => keep(2) }, true, 2],
    ['a thenable that rejects', { then: (_, reject) => reject(thrown) }, false, thrown],
    ['a thenable that throws', { then: throwing }, false, thrown],
    [
      'a thenable that settles more than once',
      {
        then(keep, reject) {
          keep(3);
          reject(thrown);
          keep(4);
          throw thrown;
        },
      },
      true,
      3,
    ],
    ['a thenable whose getter throws', Object.defineProperty({}, 'then', { get: throwing }), false, thrown],
    ['a thenable of a thenable', { then: (keep) => keep({ then: (inner) => inner(5) }) }, true, 5],
    ['a value', 6, true, 6],
    ['a function without then', helpers.copy, true, helpers.copy],
  ])('%s', async (_, value, isKept, outcome) => {
    expect(await settled(value)).toEqual([isKept, outcome]);
  });

  test('a `then` that the host has put on its promise is not called', async () => {
    const promise = host('Promise.resolve(1)');
    promise.then = throwing;
    expect(await settled(promise)).toEqual([true, 1]);
  });

  test('a promise that hides what it is throws at once, and is not heard', () => {
    const promise = host('Promise.resolve(1)');
    Object.defineProperty(promise, 'constructor', { get: throwing });
    const done = jest.fn();
    expect(() => helpers.settle(promise, done)).toThrow(thrown);
    expect(done).not.toHaveBeenCalled();
  });

  test('what hears it is in the context of whoever waits', async () => {
    const storage = new AsyncLocalStorage();
    let settle;
    const promise = new Promise((resolve) => {
      settle = resolve;
    });
    const heard = new Promise((resolve) => {
      storage.run('waits', () => helpers.settle(promise, () => resolve(storage.getStore())));
    });
    storage.run('settles', () => settle());
    expect(await heard).toBe('waits');
  });
});

describe('soon', () => {
  test('jobs run in their order, after the code that is running and before the event loop', async () => {
    const order = [];
    setImmediate(() => order.push('event loop'));
    helpers.soon(() => order.push('first'));
    helpers.soon(() => order.push('second'));
    order.push('running');
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(order).toEqual(['running', 'first', 'second', 'event loop']);
  });

  test('each runs in the context in which it was given', async () => {
    const storage = new AsyncLocalStorage();
    const found = ['a', 'b'].map(
      (store) => new Promise((resolve) => storage.run(store, () => helpers.soon(() => resolve(storage.getStore())))),
    );
    expect(await Promise.all(found)).toEqual(['a', 'b']);
  });
});

describe('text', () => {
  const text = (value) => helpers.text(value);

  test.each([
    ['null', null, 'null'],
    ['what JSON has no form for', undefined, undefined],
    ['a function', () => {}, undefined],
    ['a BigInt', 1n, undefined],
    ['numbers that JSON has no form for', [Number.NaN, Number.POSITIVE_INFINITY, -0], '[null,null,0]'],
    ['a date, in milliseconds', { at: new Date(5) }, '{"at":5}'],
    ['toJSON, which is not run', { toJSON: () => 'no', a: 1 }, '{"a":1}'],
    ['members that are left out', { a: undefined, b: Symbol('b'), c: () => {}, d: 1n, e: 0 }, '{"e":0}'],
    ['what has no form in an array, and holes', [undefined, () => {}, Array(1), 1], '[null,null,[null],1]'],
    ['members of an array', Object.assign([1], { name: 'x' }), '[1]'],
    ['halves of surrogate pairs, in names as well', { 'a\ud800': '\udc00b' }, '{"a\ufffd":"\ufffdb"}'],
    ['a member that would be the prototype', JSON.parse('{"__proto__":{"a":1}}'), '{"__proto__":{"a":1}}'],
    ['what is inherited', Object.create({ a: 1 }, { b: { value: 2, enumerable: true } }), '{"b":2}'],
  ])('%s', (_, value, expected) => {
    expect(text(value)).toBe(expected);
  });

  test('an object that contains itself is cut off there, one that is there twice is not', () => {
    const shared = { a: 1 };
    const object = { shared, again: shared };
    object.self = object;
    object.list = [object];
    expect(text(object)).toBe('{"shared":{"a":1},"again":{"a":1},"list":[null]}');
  });

  test('64 levels are shown', () => {
    const nested = (levels) => (levels === 0 ? 1 : { a: nested(levels - 1) });
    expect(text(nested(64))).toBe(JSON.stringify(nested(64)));
    expect(text(nested(65))).toBe(JSON.stringify(nested(64)).replace('"a":1', ''));
  });

  test('huge texts and arrays are whole', () => {
    const huge = 'ü"\\'.repeat(2 ** 21);
    expect(JSON.parse(text({ huge })).huge === huge).toBe(true);
    const many = Array.from({ length: 200_000 }, (_, index) => index);
    expect(text(many) === `[${many}]`).toBe(true);
  });

  test('a getter that throws is the host’s error', () => {
    const error = new Error('from the getter');
    const get = () => {
      throw error;
    };
    const object = Object.defineProperty({}, 'a', { get, enumerable: true });
    expect(() => text(object)).toThrow(error);
  });
});

describe('exactText', () => {
  const exact = (value) => helpers.exactText(value, 'args');

  test.each([
    ['a date', new Date(5)],
    ['toJSON', { toJSON: (name) => ({ name }) }],
    ['what is left out', { a: undefined, b: () => {}, c: [undefined, () => {}] }],
    ['nothing', undefined],
    ['an escaped backslash before what looks like half of a pair', '\\ud800'],
    ['a whole pair', '\u{1f600}'],
  ])('%s is as JSON.stringify has it', (_, value) => {
    expect(exact(value)).toBe(JSON.stringify(value));
  });

  test('half of a surrogate pair is U+FFFD', () => {
    expect(JSON.parse(exact({ 'a\ud800': ['\udfff', '\\\udfff'] }))).toEqual({ 'a\ufffd': ['\ufffd', '\\\ufffd'] });
  });

  const cause = new Error('from the host');
  const failing = () => {
    throw cause;
  };
  const inItself = { inner: [{}] };
  inItself.inner[0].again = inItself;
  const nested = (levels) => (levels === 0 ? 1n : [nested(levels - 1)]);

  test.each([
    ['a BigInt', { a: [{ 'b c': 1n }] }, 'args.a[0]["b c"] is a BigInt, which JSON has no form for'],
    ['an object of one', { a: Object(1n) }, 'args.a is a BigInt, which JSON has no form for'],
    ['itself', inItself, 'args.inner[0].again is an object that contains itself'],
    ['too deep', nested(513), 'args cannot be sent: it is nested deeper than 512 levels'],
    [
      'a getter',
      Object.defineProperty({}, 'a', { get: failing, enumerable: true }),
      'args.a cannot be read: from the host',
    ],
    ['toJSON', { list: [{ toJSON: failing }] }, 'args.list[0] cannot be read: from the host'],
    ['keys', { a: new Proxy({}, { ownKeys: failing }) }, 'args.a cannot be read: from the host'],
  ])('what cannot be written is named: %s', (_, value, message) => {
    let error;
    try {
      exact(value);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ name: 'TypeError', message, code: 'MCP_INVALID_ARGUMENT', retryable: false });
    if (message.endsWith('from the host')) expect(error.cause).toBe(cause);
  });

  test('a reason that cannot be shown is left out', () => {
    const reason = Object.defineProperty({}, 'message', { get: failing });
    const value = {
      toJSON() {
        throw reason;
      },
    };
    expect(() => exact(value)).toThrow(/^args cannot be read$/);
  });
});

describe('configs', () => {
  const KNOWN = ['type', 'url', 'command', 'source', 'dbId', 'headers'];
  const config = (own, inherited = {}) => Object.assign(Object.create(inherited), own);
  const shown = (value) => JSON.parse(helpers.configText(value, KNOWN));

  test.each([
    ['own members that are known', config({ type: 'sse', other: 1 }), { type: 'sse' }],
    ['what is inherited gives nothing', config({ type: 'sse' }, { url: 'http://x' }), { type: 'sse' }],
    ['an inherited id makes it a user’s', config({ type: 'sse' }, { dbId: 'd' }), { type: 'sse', dbId: 'd' }],
    [
      'an inherited source of a user, too',
      config({}, { source: 'user', type: 'stdio' }),
      { source: 'user', type: 'stdio' },
    ],
    ['another inherited source gives nothing', config({ type: 'sse' }, { source: 'yaml' }), { type: 'sse' }],
    [
      'a user’s config inherits a process to be refused for',
      config({ dbId: 'd' }, { command: 'sh' }),
      { dbId: 'd', command: 'sh' },
    ],
    ['an own null is a value, which hides what is inherited', config({ dbId: null }, { dbId: 'd' }), { dbId: null }],
  ])('%s', (_, value, expected) => {
    expect(shown(value)).toEqual(expected);
  });

  const hidden = (value) => JSON.parse(helpers.hiddenText(value, KNOWN));

  test('a plain config hides nothing', () => {
    expect(hidden({ type: 'sse', headers: { a: ['b', { c: null }] }, at: new Date(0) })).toEqual([]);
  });

  test.each([
    ['a getter', Object.defineProperty({}, 'a', { get: () => 1, enumerable: true }), ['a'], /^A getter/],
    ['what is not enumerable', Object.defineProperty({}, 'a', { value: 1 }), ['a'], /not enumerable/],
    ['a symbol', { [Symbol('s')]: 1 }, ['Symbol(s)'], /of this name/],
    ['a prototype as a member', JSON.parse('{"__proto__":1}'), ['__proto__'], /of this name/],
    ['a proxy', { list: [new Proxy({}, {})] }, ['list', 0], /^A proxy/],
    ['a function', { headers: { a: () => {} } }, ['headers', 'a'], /received function$/],
    ['a BigInt', { a: 1n }, ['a'], /received bigint$/],
    ['what is inherited', Object.create({ a: 1 }), ['a'], /inherited/],
  ])('%s', (_, value, path, message) => {
    expect(hidden(value)).toEqual([{ path, message: expect.stringMatching(message) }]);
  });

  test('a known member of a prototype is found even where it is not enumerable', () => {
    const value = Object.create(Object.defineProperty({}, 'dbId', { value: 'd' }));
    expect(hidden(value)).toEqual([{ path: ['dbId'], message: 'An inherited member is not allowed' }]);
  });

  test('a cycle and too much nesting are found, and end', () => {
    const value = { inner: {} };
    value.inner.outer = value;
    expect(hidden(value)).toEqual([{ path: ['inner', 'outer'], message: 'An object must not be within itself' }]);
    const nested = (levels) => (levels === 0 ? {} : { a: nested(levels - 1) });
    expect(hidden(nested(63))).toEqual([]);
    expect(hidden(nested(64))).toEqual([
      { path: Array(64).fill('a'), message: expect.stringMatching(/over 64 levels/) },
    ]);
  });
});

describe('members', () => {
  /** What the function reads whose script a helper makes. */
  const readBy = (reader, object, names) => runInThisContext(reader(names))(object);

  test('fieldReader: those that are there, as texts', () => {
    const user = Object.create({ role: 'USER' }, { id: { value: 7, enumerable: true } });
    Object.assign(user, { name: null, email: undefined, half: '\ud800' });
    const fields = JSON.parse(readBy(helpers.fieldReader, user, ['id', 'role', 'name', 'email', 'half', 'missing']));
    expect(fields).toEqual({ id: '7', role: 'USER', name: '', email: '', half: '\ufffd' });
  });

  test('variableText: those that are set', () => {
    const { env } = host('process');
    env.PRELUDE_TEST = 'x';
    try {
      expect(JSON.parse(helpers.variableText(['PRELUDE_TEST', 'PRELUDE_TEST_MISSING']))).toEqual({ PRELUDE_TEST: 'x' });
    } finally {
      delete env.PRELUDE_TEST;
    }
  });

  test('copy: own enumerable members, without the getters', () => {
    const signal = AbortSignal.abort();
    const copied = helpers.copy(Object.defineProperty({ signal }, 'a', { get: () => 1, enumerable: true }));
    expect(Object.getOwnPropertyDescriptor(copied, 'a')).toMatchObject({ value: 1, writable: true });
    expect(copied.signal).toBe(signal);
  });

  test('pickReader: the values themselves, behind the bits of their names', () => {
    const signal = AbortSignal.abort();
    const object = Object.create({ e: '' });
    Object.assign(object, { a: null, b: 0, signal, d: undefined });
    const picked = readBy(helpers.pickReader, object, ['a', 'b', 'signal', 'd', 'e', 'f']);
    expect([...picked]).toEqual([2 + 4 + 16, 0, 0, signal, '']);
    expect(picked[3]).toBe(signal);
    const sixtyFour = Array.from({ length: 64 }, (_, index) => `n${index}`);
    const last = readBy(helpers.pickReader, { n31: 1, n32: 2, n63: 3 }, sixtyFour);
    expect([...last]).toEqual([2 ** 31, 1 + 2 ** 31, 1, 2, 3]);
    expect(readBy(helpers.pickReader, {}, sixtyFour)).toBeUndefined();
  });

  test('presentReader: one bit for each of 53 names', () => {
    const fiftyThree = Array.from({ length: 53 }, (_, index) => `n${index}`);
    expect(readBy(helpers.presentReader, { n0: '', n3: false, n4: null, n52: 0 }, fiftyThree)).toBe(1 + 8 + 2 ** 52);
    const all = Object.fromEntries(fiftyThree.map((name) => [name, 1]));
    expect(readBy(helpers.presentReader, all, fiftyThree)).toBe(Number.MAX_SAFE_INTEGER);
  });
});
