/** What callers give to servers: exactly what `JSON.stringify` makes of it, or an error that says where it cannot. */

const vm = require('node:vm');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');

const fixtures = useFixtures();
const user = createUser();

async function setup() {
  const server = await fixtures.server();
  const { runtime } = fixtures.runtime({ servers: { srv: server.config({ startup: false }) }, allow: [server] });
  const call = (toolArguments) =>
    runtime.manager.callTool({ user, serverName: 'srv', toolName: 'echo', toolArguments, provider: 'openai' });
  return { runtime, server, call };
}

/** The arguments that the server gets, and what it answers does not matter. */
async function sent(toolArguments) {
  const { call, server } = await setup();
  await call(toolArguments).catch(() => {});
  return server.received('tools/call')[0].message.params.arguments;
}

class Model {
  id = 1;
  #hidden = 2;
  get computed() {
    return this.#hidden;
  }
}

const OBJECTS = {
  dates: { at: new Date(1234), never: new Date(Number.NaN), list: [new Date(0)] },
  toJSON: {
    model: { id: 1, toJSON: (name) => ({ name }) },
    nested: [{ toJSON: () => [1, { toJSON: (name) => name }] }],
  },
  'what JSON has no form for': {
    absent: undefined,
    method() {},
    symbol: Symbol('s'),
    list: [undefined, () => 1, Symbol('none'), null, true],
    [Symbol('key')]: 1,
  },
  numbers: {
    list: [0, -0, 1.5, 1e21, 1e-7, 2 ** 53, 2 ** 64, Number.NaN, Infinity, -Infinity, Number.MAX_VALUE, 5e-324],
  },
  'numbers to the last digit': {
    list: [0.1 + 0.2, 0.30000000000000004, 1 / 3, 123456.78901234567, 8.41e21, 1.7976931348623157e308],
  },
  boxes: { text: Object('x'), number: Object(1.5), boolean: Object(false), list: [Object('y')] },
  collections: { map: new Map([[1, 2]]), set: new Set([1]), weak: new WeakMap(), error: new Error('x'), regex: /x/g },
  buffers: {
    typed: new Uint8Array([1, 2]),
    floats: new Float64Array([0.5]),
    buffer: Buffer.from('ab'),
    raw: new ArrayBuffer(2),
  },
  classes: {
    model: new Model(),
    bare: Object.assign(Object.create(null), { a: 1 }),
    heir: Object.create({ inherited: 1 }),
  },
  keys: JSON.parse('{"b":1,"a":2,"2":3,"1":4,"":5,"__proto__":{"own":true},"constructor":6,"ü 😀":7}'),
  'hidden properties': Object.defineProperty({ shown: 1 }, 'hidden', { value: 2, enumerable: false }),
  texts: { text: 'Größe 😀 \u2028 "quoted" \\ud800 \u0000 \ud83d\ude00' },
  'another realm': vm.runInNewContext('({ at: new Date(5), list: [1, [2]], none: undefined })'),
  proxies: new Proxy({ a: [new Proxy([1, 2], {})] }, {}),
  'the same twice': ((shared) => ({ one: shared, two: [shared, shared] }))({ name: 'shared' }),
  nothing: {},
};

test.each(Object.entries(OBJECTS))('%s', async (_, given) => {
  expect(JSON.stringify(await sent(given))).toBe(JSON.stringify(JSON.parse(JSON.stringify(given))));
});

test('half of a surrogate pair becomes U+FFFD, as everywhere where text is sent', async () => {
  const given = { lone: 'a\ud800b', 'lone\udc00': '\\ud800 \udfff\\', whole: '\ud83d\ude00' };
  const expected = { lone: 'a\ufffdb', 'lone\ufffd': '\\ud800 \ufffd\\', whole: '😀' };
  expect(await sent(given)).toEqual(expected);
});

test('500 levels are sent', async () => {
  let given = {};
  for (let level = 1; level < 500; level += 1) given = { given };
  expect(JSON.stringify(await sent(given))).toBe(JSON.stringify(given));
});

const fail = () => {
  throw new RangeError('unreadable');
};
const loop = { list: [1] };
loop.list.push({ again: loop });
const nested = (levels) => {
  let given = {};
  for (let level = 1; level < levels; level += 1) given = [given];
  return { given };
};

test.each([
  ['a BigInt', { a: [0, 1, { b: 5n }] }, '.a[2].b is a BigInt, which JSON has no form for'],
  ['a BigInt in a box', { a: Object(5n) }, '.a is a BigInt, which JSON has no form for'],
  ['a BigInt of toJSON', { a: { toJSON: () => 5n } }, '.a is a BigInt, which JSON has no form for'],
  ['a cycle', { loop }, '.loop.list[1].again is an object that contains itself'],
  [
    'a getter that throws',
    { a: [Object.defineProperty({}, 'b c', { get: fail, enumerable: true })] },
    '.a[0]["b c"] cannot be read: unreadable',
    true,
  ],
  ['a toJSON that throws', { a: { toJSON: fail } }, '.a cannot be read: unreadable', true],
  ['a proxy that throws', { a: new Proxy({}, { ownKeys: fail }) }, '.a cannot be read: unreadable', true],
  ['itself', Object.defineProperty({}, 'toJSON', { value: fail }), ' cannot be read: unreadable', true],
  ['600 levels', nested(600), ' cannot be sent: it is nested deeper than 512 levels'],
  ['200,000 levels', nested(200_000), ' cannot be sent: it is nested deeper than 512 levels'],
])('%s is a TypeError that says where', async (_, given, where, isThrown = false) => {
  const { call, runtime, server } = await setup();
  const error = await call(given).then(fail, (reason) => reason);
  expect({ name: error.name, code: error.code, message: error.message }).toEqual({
    name: 'TypeError',
    code: 'MCP_INVALID_ARGUMENT',
    message: `callTool: params.toolArguments${where}`,
  });
  if (isThrown) expect(error.cause).toMatchObject({ name: 'RangeError', message: 'unreadable' });
  expect(server.received('tools/call')).toEqual([]);

  const connection = await runtime.manager.getConnection({ user, serverName: 'srv' });
  const request = connection.client.request({ method: 'x/y', params: given });
  await expect(request).rejects.toMatchObject({ name: 'TypeError', message: `client.request: params${where}` });
});
