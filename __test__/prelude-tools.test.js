/** What `prelude.js` makes of the tools of a list. */

const { inspect } = require('node:util');
const { helpers, host } = require('./support/prelude');

const SCHEMAS = '{"type":"object"}{"type":"array"}';
const made = (members = {}) => {
  const tool = { name: 'a', inputSchema: [0, 17], ...members };
  return helpers.tools(undefined, JSON.stringify([tool]), SCHEMAS)[0];
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
  const [tool] = helpers.tools(undefined, '[{"inputSchema":[0,17],"__proto__":{"polluted":1}}]', SCHEMAS);
  expect(Object.hasOwn(tool, '__proto__')).toBe(true);
  expect(tool.polluted).toBeUndefined();
});

test('members that a frozen prototype has are members', () => {
  const { defineProperty, prototype } = host('Object');
  defineProperty(prototype, 'ofHost', { configurable: true, value: 0 });
  try {
    const [tool] = helpers.tools(undefined, '[{"inputSchema":[0,17],"ofHost":1}]', SCHEMAS);
    expect(Object.hasOwn(tool, 'ofHost')).toBe(true);
    expect(helpers.text(host('{ ofHost: 1, valueOf: 2 }'))).toBe('{"ofHost":1,"valueOf":2}');
  } finally {
    delete prototype.ofHost;
  }
});

test('console.log shows the schema, and parses it for nobody else', () => {
  expect(inspect(made())).toContain("inputSchema: { type: 'object' }");
});

test('what is no object stays what it is', () => {
  expect(helpers.tools(undefined, '[null,1,"a",[2]]', SCHEMAS)).toEqual([null, 1, 'a', [2]]);
});

describe('of a number', () => {
  const LIST =
    '[null,[2],{"name":"a","inputSchema":[0,17],"__proto__":{"x":[1]},"_meta":{"2":[{}],"1":-0}},{"inputSchema":{"a":[{}]}}]';
  const plain = (tools) => JSON.stringify(tools);

  test('are the same each time, and each caller’s own', () => {
    expect(helpers.tools(1)).toBeUndefined();
    const expected = plain(helpers.tools(undefined, LIST, SCHEMAS));
    const first = helpers.tools(1, LIST, SCHEMAS);
    expect(plain(first)).toBe(expected);
    for (const change of [
      (tools) => tools.pop(),
      (tools) => tools[1].push(3),
      (tools) => tools[2]._meta['2'].push(1),
      (tools) => Object.assign(Object.getOwnPropertyDescriptor(tools[2], '__proto__').value, { x: 2 }),
      (tools) => Object.assign(tools[2].inputSchema, { type: 'changed' }),
      (tools) => Object.assign(tools[3].inputSchema.a[0], { x: 1 }),
    ]) {
      const tools = helpers.tools(1);
      change(tools);
      expect(plain(tools)).not.toBe(expected);
      expect(plain(helpers.tools(1))).toBe(expected);
    }
    expect(plain(first)).toBe(expected);
  });

  test('take nothing over from a prototype that somebody has changed', () => {
    const { prototype } = host('Object');
    prototype.added = {};
    try {
      helpers.tools(2, LIST, SCHEMAS);
      expect(Object.hasOwn(helpers.tools(2)[3], 'added')).toBe(false);
    } finally {
      delete prototype.added;
    }
  });

  test('are shown to no function that somebody has put into the prototype of arrays', () => {
    const { prototype } = host('Array');
    const { map } = prototype;
    const expected = plain(helpers.tools(3, LIST, SCHEMAS));
    const seen = [];
    prototype.map = function spy(...of) {
      seen.push(this);
      return map.apply(this, of);
    };
    try {
      helpers.tools(3);
    } finally {
      prototype.map = map;
    }
    for (const list of seen) list.length = 0;
    expect(plain(helpers.tools(3))).toBe(expected);
  });

  test('are forgotten where others need the room', () => {
    const [short, long] = [2 ** 18, 2 ** 20].map((length) => `["${'x'.repeat(length)}"]`);
    helpers.tools(10, short, '');
    for (let number = 11; number < 14; number += 1) helpers.tools(number, short, '');
    expect([10, 11, 13].map((number) => helpers.tools(number)?.length)).toEqual([undefined, 1, 1]);
    expect(helpers.tools(14, long, '')).toHaveLength(1);
    expect([13, 14].map((number) => helpers.tools(number)?.length)).toEqual([1, undefined]);
  });
});
