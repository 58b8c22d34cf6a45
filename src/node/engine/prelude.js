// What is quicker in JavaScript than over Node-API: one call instead of one for each property. Every environment
// evaluates this text once, to the functions in the order of `Helper` in `prelude.rs`, which says what they are for.
(() => {
  const { parse, stringify } = JSON;
  const { defineProperty, getOwnPropertyDescriptor, hasOwn, keys, setPrototypeOf } = Object;
  const { ownKeys } = Reflect;
  const { isBigIntObject, isDate, isProxy } = process.getBuiltinModule('node:util/types');
  const INSPECT = Symbol.for('nodejs.util.inspect.custom');
  const promises = Promise;
  const { then } = Promise.prototype;

  /** Deeper nesting in host objects is cut off. */
  const MAX_DEPTH = 64;

  /** Deeper nesting in what goes to servers is an error: `MAX_NESTING` in `nesting.rs`. */
  const MAX_NESTING = 512;

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

  const present = (value) => value !== undefined && value !== null;

  /**
   * What a config inherits can only take away from what it may do. An inherited `dbId` or source `user` marks it as a
   * user's, and a user's config is refused for a process that it inherits as for one of its own.
   */
  const restrictions = (config, own) => {
    const inherits = (name) => !present(own[name]) && present(config[name]);
    const names = inherits('dbId') ? ['dbId'] : [];
    if (inherits('source') && config.source === 'user') names.push('source');
    if (names.length > 0 || own.source === 'user' || present(own.dbId)) {
      names.push(...['type', 'command'].filter(inherits));
    }
    return members(config, names, [config]);
  };

  const configText = (config, names) => {
    const own = members(
      config,
      names.filter((name) => hasOwn(config, name)),
      [config],
    );
    return stringify({ ...own, ...restrictions(config, own) });
  };

  /**
   * What `plain` does not show of a config, or what may be another value at the next look: pairs of a path and a text.
   * `names` are looked for on prototypes even where they are not enumerable.
   */
  const hiddenText = (config, names) => {
    const found = [];
    const inherited = (object, known, path) => {
      const seen = new Set(known.filter((name) => name in object));
      for (const name in object) seen.add(name);
      for (const name of seen)
        if (!hasOwn(object, name)) found.push([[...path, name], 'An inherited member is not allowed']);
    };
    const look = (value, path, above, known) => {
      if (value === null || !/^(object|function|symbol|bigint)$/.test(typeof value) || isDate(value)) return;
      if (typeof value !== 'object')
        found.push([path, `Expected a value that JSON has a form for, received ${typeof value}`]);
      else if (isProxy(value)) found.push([path, 'A proxy is not allowed: it may show another value at the next look']);
      else if (above.includes(value)) found.push([path, 'An object must not be within itself']);
      else if (above.length >= MAX_DEPTH) found.push([path, `Nesting over ${MAX_DEPTH} levels is not allowed`]);
      else {
        inherited(value, known, path);
        for (const name of ownKeys(value)) {
          if (Array.isArray(value) && name === 'length') continue;
          const { get, set, enumerable, value: member } = getOwnPropertyDescriptor(value, name);
          const at = [...path, Array.isArray(value) && Number(name) >= 0 ? Number(name) : String(name)];
          if (typeof name === 'symbol' || name === '__proto__')
            found.push([at, 'A member of this name is not allowed']);
          else if (get || set) found.push([at, 'A getter is not allowed: it may give another value at the next look']);
          else if (!enumerable) found.push([at, 'A member that is not enumerable is not allowed']);
          else look(member, at, [...above, value], []);
        }
      }
    };
    look(config, [], [], names);
    return stringify(
      found.map(([path, message]) => ({
        path: path.map((part) => (typeof part === 'string' ? part.toWellFormed() : part)),
        message,
      })),
    );
  };

  /** With the `code` that every error has: `type_error` in `js.rs` makes the same. */
  const wrong = (message, options) => {
    const error = new TypeError(message, options);
    setMember(error, 'code', 'MCP_INVALID_ARGUMENT');
    setMember(error, 'retryable', false);
    return error;
  };

  const tooDeep = (path) => wrong(`${path} cannot be sent: it is nested deeper than ${MAX_NESTING} levels`);

  /** What was thrown, as the end of a sentence. */
  const because = (reason) => {
    try {
      return `: ${reason?.message ?? reason}`;
    } catch {
      return '';
    }
  };

  const attempt = (path, read) => {
    try {
      return read();
    } catch (cause) {
      throw wrong(`${path} cannot be read${because(cause)}`, { cause });
    }
  };

  const below = (path, name, isElement) => {
    if (isElement) return `${path}[${name}]`;
    return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name) ? `${path}.${name}` : `${path}[${stringify(name)}]`;
  };

  /** Throws what `JSON.stringify` stumbles over, and where, in its order. `above` are the objects that the value is in. */
  const findUnwritable = (holder, name, path, root, above) => {
    const value = attempt(path, () => {
      const found = holder[name];
      const isAsked = ['bigint', 'function', 'object'].includes(typeof found) && found !== null;
      return isAsked && typeof found.toJSON === 'function' ? found.toJSON(String(name)) : found;
    });
    if (typeof value === 'bigint' || isBigIntObject(value)) {
      throw wrong(`${path} is a BigInt, which JSON has no form for`);
    }
    if (typeof value !== 'object' || value === null) return;
    if (above.includes(value)) throw wrong(`${path} is an object that contains itself`);
    if (above.length >= MAX_NESTING) throw tooDeep(root);
    const isArray = Array.isArray(value);
    const names = attempt(path, () => (isArray ? [...Array(value.length).keys()] : keys(value)));
    above.push(value);
    for (const inner of names) findUnwritable(value, inner, below(path, inner, isArray), root, above);
    above.pop();
  };

  /** Half of a surrogate pair, which `JSON.stringify` escapes, or another escape. */
  const ESCAPE = /\\(?:u(d[89a-f][\da-f]{2})|.)/g;

  /** The text that `JSON.stringify` makes; what it cannot write is a `TypeError` with the path from `path` on. */
  const exactText = (value, path) => {
    let text;
    try {
      text = stringify(value);
    } catch (cause) {
      findUnwritable({ '': value }, '', path, path, []);
      throw wrong(`${path} cannot be written as JSON${because(cause)}`, { cause });
    }
    return text?.includes('\\ud') ? text.replace(ESCAPE, (found, half) => (half ? '\\ufffd' : found)) : text;
  };

  const fieldText = (object, names) => {
    const fields = {};
    for (const name of names) {
      if (name in object) fields[name] = `${object[name] ?? ''}`.toWellFormed();
    }
    return stringify(fields);
  };

  /** `fieldText` of `process.env`, which Node asks the system for each time that a member is looked at. */
  const variableText = (names) => {
    const variables = process.env;
    const set = {};
    for (const name of names) {
      const value = variables[name];
      if (present(value)) set[name] = `${value}`.toWellFormed();
    }
    return stringify(set);
  };

  const copy = (object) => ({ ...object });

  const pick = (object, names) => {
    const found = [];
    for (let index = 0; index < names.length; index += 1) {
      const value = object[names[index]];
      if (value !== undefined && value !== null) found.push(index, value);
    }
    return found;
  };

  const presentBits = (object, names) => {
    let bits = 0;
    for (let index = 0; index < names.length; index += 1) {
      const value = object[names[index]];
      if (value !== undefined && value !== null) bits += 2 ** index;
    }
    return bits;
  };

  const settle = (value, done) => {
    const settled = promises.resolve(value);
    const [kept, broken] = [(result) => done(true, result), (reason) => done(false, reason)];
    // As `await` does it, whatever `then` the host has given its promise.
    Reflect.apply(then, settled, [kept, broken]);
  };

  const now = promises.resolve();

  const soon = (job) => {
    now.then(job);
  };

  /** One for all tools; what it sets is a property like any other. */
  const setter = (name) =>
    function set(value) {
      setMember(this, name, value);
    };
  const SETTERS = { __proto__: null, inputSchema: setter('inputSchema'), outputSchema: setter('outputSchema') };

  /** `console.log` shows getters as such. */
  function shown() {
    return { ...this };
  }

  /**
   * Gives a tool a member that is parsed when somebody first looks at it, through whatever Proxy, and that is like any
   * other from then on.
   */
  const postpone = (tool, name, text, place) => {
    let unparsed = text;
    let value;
    const get = () => {
      if (unparsed !== undefined) {
        value = parse(unparsed.slice(...place));
        unparsed = undefined;
        // It may have been replaced, or be of a frozen tool.
        if (getOwnPropertyDescriptor(tool, name)?.get === get) Reflect.defineProperty(tool, name, { ...PLAIN, value });
      }
      return value;
    };
    defineProperty(tool, name, { configurable: true, enumerable: true, get, set: SETTERS[name] });
  };

  const isPostponed = (tool) => Array.isArray(tool?.inputSchema) || Array.isArray(tool?.outputSchema);

  const tools = (outline, schemas) =>
    parse(outline).map((tool) => {
      if (Array.isArray(tool) || !isPostponed(tool)) return tool;
      // Made without a prototype, an object shares its shape with no other: V8 would keep the getters with the shape.
      const made = setPrototypeOf({ __proto__: null }, Object.prototype);
      for (const name of keys(tool)) {
        const member = tool[name];
        if (SETTERS[name] && Array.isArray(member)) postpone(made, name, schemas, member);
        else if (name === '__proto__') setMember(made, name, member);
        else made[name] = member;
      }
      return defineProperty(made, INSPECT, { ...PLAIN, enumerable: false, value: shown });
    });

  return [
    ...[parse, text, exactText, configText, hiddenText, fieldText, variableText],
    ...[copy, pick, presentBits, settle, soon, tools],
  ];
})();
