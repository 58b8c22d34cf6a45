// What is quicker in JavaScript than over Node-API: one call instead of one for each property. Every environment
// evaluates this text once, to the functions in the order of `Helper` in `prelude.rs`, which says what they are for.
(() => {
  const { parse, stringify } = JSON;
  const { defineProperty, getOwnPropertyDescriptor, hasOwn, keys, setPrototypeOf } = Object;
  const { apply, ownKeys } = Reflect;
  const { isBigIntObject, isDate, isProxy } = process.getBuiltinModule('node:util/types');
  const { runInAsyncScope } = process.getBuiltinModule('node:async_hooks').AsyncResource.prototype;
  const INSPECT = Symbol.for('nodejs.util.inspect.custom');
  const promises = Promise;
  const { then } = Promise.prototype;

  /** Deeper nesting in host objects is cut off. */
  const MAX_DEPTH = 64;

  /** Deeper nesting in what goes to servers is an error: `MAX_NESTING` in `nesting.rs`. */
  const MAX_NESTING = 512;

  const PLAIN = { configurable: true, enumerable: true, writable: true };

  const setMember = (object, name, value) => defineProperty(object, name, { ...PLAIN, value });

  /** A member of any name. What a prototype has may be an accessor there, or frozen, and an assignment would be lost. */
  const addMember = (object, name, value) => {
    if (name in object) setMember(object, name, value);
    else object[name] = value;
  };

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
      if (member !== undefined) addMember(copy, name.toWellFormed(), member);
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

  /** LibreChat's inspection writes the names of a server's tools where an operator's rule would be, as a text. */
  const isFound = (config, name) => name === 'tools' && typeof config.tools === 'string';

  const configText = (config, names) => {
    const ownNames = names.filter((name) => hasOwn(config, name) && !isFound(config, name));
    const own = members(config, ownNames, [config]);
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

  /**
   * The script of a function that looks at these members of an object, one line for each. V8 finds a member whose name
   * stands in a script in a tenth of the time that it takes for one in a variable.
   */
  const readerScript = (begin, names, line, end) =>
    `(() => { const { stringify } = JSON; return (object) => { ${begin} ${names
      .map((name, index) => line(stringify(name), index))
      .join('\n')} return ${end}; }; })()`;

  const fieldReader = (names) =>
    readerScript(
      'const fields = {};',
      names,
      (name) => `if (${name} in object) fields[${name}] = \`\${object[${name}] ?? ''}\`.toWellFormed();`,
      'stringify(fields)',
    );

  /** Nothing where there is none: an array begins with two numbers of 32 bits each. */
  const pickReader = (names) =>
    readerScript(
      'const found = [0, 0]; let value;',
      names,
      (name, index) =>
        `value = object[${name}]; if (value !== undefined && value !== null) { found[${index >> 5}] += ${2 ** (index & 31)}; found.push(value); }`,
      'found.length > 2 ? found : undefined',
    );

  const presentReader = (names) =>
    readerScript(
      'let bits = 0; let value;',
      names,
      (name, index) => `value = object[${name}]; if (value !== undefined && value !== null) bits += ${2 ** index};`,
      'bits',
    );

  /** Members of `process.env` as texts. Node asks the system each time that one is looked at. */
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

  const anySubscribed = (channels) => channels.some((channel) => channel.hasSubscribers);

  /** `done` is called with `waiting` first, which is garbage with the promise where that can settle no more. */
  const settle = (value, done, waiting) => {
    const settled = promises.resolve(value);
    const kept = (result) => done(waiting, true, result);
    const broken = (reason) => done(waiting, false, reason);
    // As `await` does it, whatever `then` the host has given its promise.
    apply(then, settled, [kept, broken]);
  };

  /** A method of the host's registry, called. `call_on` in `callee.rs` refuses a missing one with the same text. */
  const ask = (registry, name) => {
    const method = registry?.[name];
    if (typeof method !== 'function') throw wrong(`host.registry has no function ${name}`);
    return apply(method, registry, []);
  };

  const isThenable = (value) => typeof value === 'object' && value !== null && typeof value.then === 'function';

  /** Takes note of an answer that is of no use, so that it is no unhandled rejection. */
  const unheeded = (answer) => {
    try {
      if (isThenable(answer)) settle(answer, () => {});
    } catch {
      // It was of no use.
    }
  };

  /** Asks the registry for all rules at once; each answer may be a promise. Rules of a tenant come last. */
  const networkAnswers = (registry, userId, role) => {
    const answers = [];
    try {
      answers.push(ask(registry, 'shouldEnableSSRFProtection'));
      answers.push(ask(registry, 'getAllowedDomains'));
      answers.push(ask(registry, 'getAllowedAddresses'));
      const resolve = registry.resolveAllowlists;
      if (typeof resolve === 'function') answers.push(apply(resolve, registry, [{ userId, role }]));
      return answers.some(isThenable) ? promises.all(answers) : answers;
    } catch (error) {
      answers.forEach(unheeded);
      throw error;
    }
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

  /** As `map` does it, whatever the host has put in its place: nobody gets hold of the list itself. */
  const mapped = (list, change) => {
    const made = [];
    for (let index = 0; index < list.length; index += 1) made[index] = change(list[index]);
    return made;
  };

  /** The same JSON as objects of its own. Texts are shared, so that it takes half of the time that parsing does. */
  const duplicate = (value) => {
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return mapped(value, duplicate);
    const object = { ...value };
    for (const name in object) {
      const member = object[name];
      if (typeof member === 'object' && member !== null && hasOwn(object, name)) object[name] = duplicate(member);
    }
    return object;
  };

  /** How many characters of lists are remembered. */
  const REMEMBERED = 2 ** 20;

  /** What lists were parsed to, by their numbers. Nobody is given that itself. */
  const lists = new Map();
  let remembered = 0;

  const remember = (number, list) => {
    if (list.length > REMEMBERED) return;
    lists.set(number, list);
    remembered += list.length;
    for (const [oldest, { length }] of lists) {
      if (remembered <= REMEMBERED) return;
      lists.delete(oldest);
      remembered -= length;
    }
  };

  const withPostponed = (tool, schemas) => {
    if (Array.isArray(tool) || !isPostponed(tool)) return tool;
    // Made without a prototype, an object shares its shape with no other: V8 would keep the getters with the shape.
    const made = setPrototypeOf({ __proto__: null }, Object.prototype);
    for (const name of keys(tool)) {
      const member = tool[name];
      if (SETTERS[name] && Array.isArray(member)) postpone(made, name, schemas, member);
      else addMember(made, name, member);
    }
    return defineProperty(made, INSPECT, { ...PLAIN, enumerable: false, value: shown });
  };

  /** Nothing where a number is not known, and there are no texts with it. */
  const tools = (number, outline, schemas) => {
    let list = lists.get(number);
    if (list === undefined) {
      if (outline === undefined) return undefined;
      list = { parsed: parse(outline), schemas, length: outline.length + schemas.length };
      if (number === undefined) return mapped(list.parsed, (tool) => withPostponed(tool, schemas));
      remember(number, list);
    }
    return mapped(list.parsed, (tool) => withPostponed(duplicate(tool), list.schemas));
  };

  return [
    ...[parse, text, exactText, configText, hiddenText, fieldReader, variableText],
    ...[copy, pickReader, presentReader, anySubscribed, settle, soon, runInAsyncScope, networkAnswers, tools],
  ];
})();
