// biome-ignore-all lint/suspicious/noThenProperty: thenables are what is tested

/** The functions of `prelude.js` by themselves, evaluated in the realm in which the addon evaluates them. */

const { AsyncLocalStorage } = require('node:async_hooks');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { inspect } = require('node:util');
const { runInThisContext } = require('node:vm');

const ENGINE = join(__dirname, '../src/node/engine');
const read = (file) => readFileSync(join(ENGINE, file), 'utf8');

/** The names of the functions, in the order in which Rust finds them. */
const [, variants] = /pub enum Helper \{(.*?)\n\}/s.exec(read('prelude.rs'));
const names = [...variants.matchAll(/^ {4}(\w)(\w+),$/gm)].map(([, first, rest]) => first.toLowerCase() + rest);
const functions = runInThisContext(read('prelude.js'));
const helpers = Object.fromEntries(names.map((name, index) => [name, functions[index]]));

/** Values of the realm of the script: what the host passes is of that one, while Jest's own is another. */
const host = (expression) => runInThisContext(`(${expression})`);

test('the script has one function for each name that Rust knows', () => {
  expect(functions).toHaveLength(names.length);
  expect(names).toEqual(expect.arrayContaining(['parse', 'exactText', 'present', 'settle', 'soon', 'tools']));
  for (const made of functions) expect(typeof made).toBe('function');
});

describe('settle', () => {
  /** Resolves to what `done` is called with, after a look for a second call. */
  async function settled(value) {
    const calls = [];
    helpers.settle(value, (...outcome) => calls.push(outcome));
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
  test('fieldText: those that are there, as texts', () => {
    const user = Object.create({ role: 'USER' }, { id: { value: 7, enumerable: true } });
    Object.assign(user, { name: null, email: undefined, half: '\ud800' });
    const fields = JSON.parse(helpers.fieldText(user, ['id', 'role', 'name', 'email', 'half', 'missing']));
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

  test('pick: the values themselves, behind the places of their names', () => {
    const signal = AbortSignal.abort();
    const picked = helpers.pick({ a: null, b: 0, signal, d: undefined }, ['a', 'b', 'signal', 'd', 'e']);
    expect([...picked]).toEqual([1, 0, 2, signal]);
    expect(picked[3]).toBe(signal);
  });

  test('present: one bit for each of 53 names', () => {
    const fiftyThree = Array.from({ length: 53 }, (_, index) => `n${index}`);
    expect(helpers.present({ n0: '', n3: false, n4: null, n52: 0 }, fiftyThree)).toBe(1 + 8 + 2 ** 52);
    const all = Object.fromEntries(fiftyThree.map((name) => [name, 1]));
    expect(helpers.present(all, fiftyThree)).toBe(Number.MAX_SAFE_INTEGER);
  });
});

describe('tools', () => {
  const SCHEMAS = '{"type":"object"}{"type":"array"}';
  const made = (members = {}) => {
    const tool = { name: 'a', inputSchema: [0, 17], ...members };
    return helpers.tools(JSON.stringify([tool]), SCHEMAS)[0];
  };
  const isGetter = (tool, name = 'inputSchema') => 'get' in Object.getOwnPropertyDescriptor(tool, name);

  test('a schema is parsed when somebody looks at it, once', () => {
    const tool = made({ outputSchema: [17, 33] });
    expect(isGetter(tool)).toBe(true);
    const { inputSchema } = tool;
    expect(inputSchema).toEqual({ type: 'object' });
    expect([isGetter(tool), isGetter(tool, 'outputSchema')]).toEqual([false, true]);
    expect(tool.inputSchema).toBe(inputSchema);
    expect(tool.outputSchema).toEqual({ type: 'array' });
  });

  test('names keep their order, and only schemas are getters', () => {
    const tool = made({ description: ['x'], outputSchema: { type: 'string' } });
    expect(Object.keys(tool)).toEqual(['name', 'inputSchema', 'description', 'outputSchema']);
    expect(tool).toMatchObject({ description: ['x'], outputSchema: { type: 'string' } });
    expect(JSON.stringify(made())).toBe('{"name":"a","inputSchema":{"type":"object"}}');
  });

  test('a schema that is replaced stays so', () => {
    const tool = made();
    tool.inputSchema = 'mine';
    expect(Object.getOwnPropertyDescriptor(tool, 'inputSchema')).toEqual({
      ...{ value: 'mine', writable: true, enumerable: true, configurable: true },
    });
    const other = made();
    const { get } = Object.getOwnPropertyDescriptor(other, 'inputSchema');
    other.inputSchema = 'mine';
    expect(get()).toEqual({ type: 'object' });
    expect(other.inputSchema).toBe('mine');
  });

  test('frozen, inherited from and behind a Proxy it is the same schema at every look', () => {
    const frozen = Object.freeze(made());
    expect(frozen.inputSchema).toBe(frozen.inputSchema);
    const heir = Object.create(made());
    heir.inputSchema = 'mine';
    expect(Object.getPrototypeOf(heir).inputSchema).toEqual({ type: 'object' });
    const target = made();
    expect(new Proxy(target, {}).inputSchema).toBe(target.inputSchema);
  });

  test('a member that would be the prototype is a member', () => {
    const [tool] = helpers.tools('[{"inputSchema":[0,17],"__proto__":{"polluted":1}}]', SCHEMAS);
    expect(Object.hasOwn(tool, '__proto__')).toBe(true);
    expect(tool.polluted).toBeUndefined();
  });

  test('console.log shows the schema, and parses it for nobody else', () => {
    expect(inspect(made())).toContain("inputSchema: { type: 'object' }");
  });

  test('what is no object stays what it is', () => {
    expect(helpers.tools('[null,1,"a",[2]]', SCHEMAS)).toEqual([null, 1, 'a', [2]]);
  });
});
