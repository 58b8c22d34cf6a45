// What is quicker in JavaScript than over Node-API: one call instead of one for each property. Every environment
// evaluates this text once, to the functions in the order of `Helper` in `prelude.rs`, which says what they are for.
(() => {
  const { parse, stringify } = JSON;
  const { defineProperty, getPrototypeOf, keys } = Object;
  const { isDate } = process.getBuiltinModule('node:util/types');
  const promises = Promise;

  /** Deeper nesting in host objects is cut off. */
  const MAX_DEPTH = 64;

  const PLAIN = { configurable: true, enumerable: true, writable: true };

  const setMember = (object, name, value) => defineProperty(object, name, { ...PLAIN, value });

  /** What JSON has a form for, without running `toJSON` of the host's objects; `above` are the objects it is in. */
  const plain = (value, above) => {
    if (typeof value === 'string') return value.toWellFormed();
    if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value;
    if (typeof value !== 'object') return undefined;
    if (isDate(value)) return Number(value);
    if (above.length >= MAX_DEPTH || above.includes(value)) return undefined;
    above.push(value);
    const copy = Array.isArray(value) ? value.map((item) => plain(item, above)) : members(value, keys(value), above);
    above.pop();
    return copy;
  };

  const members = (object, names, above) => {
    const copy = {};
    for (const name of names) {
      const member = plain(object[name], above);
      if (member === undefined) continue;
      if (name === '__proto__') setMember(copy, name, member);
      else copy[name.toWellFormed()] = member;
    }
    return copy;
  };

  const text = (value) => stringify(plain(value, []));

  const memberText = (object, names) => stringify(members(object, names, [object]));

  const fieldText = (object, names) => {
    const fields = {};
    for (const name of names) {
      if (name in object) fields[name] = `${object[name] ?? ''}`.toWellFormed();
    }
    return stringify(fields);
  };

  const variableText = (names) => fieldText(process.env, names);

  const copy = (object) => ({ ...object });

  const pick = (object, names) => {
    const found = [];
    for (let index = 0; index < names.length; index += 1) {
      const value = object[names[index]];
      if (value !== undefined && value !== null) found.push(index, value);
    }
    return found;
  };

  const present = (object, names) => {
    let bits = 0;
    for (let index = 0; index < names.length; index += 1) {
      const value = object[names[index]];
      if (value !== undefined && value !== null) bits |= 1 << index;
    }
    return bits;
  };

  const settle = (value, done) => {
    promises.resolve(value).then(
      (result) => done(true, result),
      (reason) => done(false, reason),
    );
  };

  const now = promises.resolve();

  const soon = (job) => {
    now.then(job);
  };

  /** Gives an object a private member. */
  class Given {
    constructor(object) {
      // biome-ignore lint/correctness/noConstructorReturn: a subclass makes this object one of its own
      return object;
    }
  }

  /** A tool, some members of which are parsed when they are first looked at; from then on they are like any other. */
  class Postponing extends Given {
    #text;
    #places;
    #values = {};

    constructor(tool, text, places) {
      super(tool);
      this.#text = text;
      this.#places = places;
    }

    /** `inherited` are objects that somebody made with a tool as their prototype. */
    static value(inherited, name) {
      let tool = inherited;
      while (!(#places in tool)) tool = getPrototypeOf(tool);
      const values = tool.#values;
      if (!(name in values)) {
        values[name] = parse(tool.#text.slice(...tool.#places[name]));
        // Not of a frozen tool.
        Reflect.defineProperty(tool, name, { ...PLAIN, value: values[name] });
      }
      return values[name];
    }
  }

  /** One for all tools: V8 keeps a pair of functions for longer than what they belong to. */
  const postponed = (name) => ({
    configurable: true,
    enumerable: true,
    get() {
      return Postponing.value(this, name);
    },
    set(value) {
      setMember(this, name, value);
    },
  });
  const SCHEMAS = { __proto__: null, inputSchema: postponed('inputSchema'), outputSchema: postponed('outputSchema') };

  const isPostponed = (tool) => Array.isArray(tool?.inputSchema) || Array.isArray(tool?.outputSchema);

  const tools = (outline, schemas) =>
    parse(outline).map((tool) => {
      if (Array.isArray(tool) || !isPostponed(tool)) return tool;
      const made = {};
      for (const name of keys(tool)) {
        if (SCHEMAS[name] && Array.isArray(tool[name])) defineProperty(made, name, SCHEMAS[name]);
        else if (name === '__proto__') setMember(made, name, tool[name]);
        else made[name] = tool[name];
      }
      return new Postponing(made, schemas, tool);
    });

  return [parse, text, memberText, fieldText, variableText, copy, pick, present, settle, soon, tools];
})();
