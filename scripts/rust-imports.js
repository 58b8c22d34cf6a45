/** Which files of a crate import from which others. */

const { existsSync, readFileSync } = require('node:fs');
const { join, posix } = require('node:path');

const COMMENTS_AND_LITERALS =
  /\/\/.*|\/\*[\s\S]*?\*\/|\bb?r(#*)"[\s\S]*?"\1|"(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\\n]|\\.[^'\n]*)'/gu;
const TEST = /#\[cfg\((?:all\()?test\b[^\]]*\]/;
const USE = /\b(pub\s+)?use\s+([^;]+);/g;
const MODULE = /\bmod\s+(\w+)\s*;/g;
const PATH = /(?<![\w:])[A-Za-z_]\w*(?:\s*::\s*[A-Za-z_]\w*)+/g;

/** What the compiler sees of a file where it builds no tests. */
function codeOf(path) {
  let code = readFileSync(path, 'utf8')
    .replace(COMMENTS_AND_LITERALS, ' ')
    .replace(/\bpub\([^)]*\)/g, 'pub');
  for (let test = TEST.exec(code); test; test = TEST.exec(code)) {
    code = code.slice(0, test.index) + code.slice(endOfItem(code, test.index + test[0].length));
  }
  return code;
}

/** Where an item ends: after its `;`, or after the `}` of its body. */
function endOfItem(code, start) {
  for (let at = start, depth = 0; at < code.length; at++) {
    depth += '{(['.includes(code[at]) - '})]'.includes(code[at]);
    if (depth === 0 && ';}'.includes(code[at])) return at + 1;
  }
  return code.length;
}

const partsOf = (list) => list.split(',').filter((part) => part.trim());
const segmentsOf = (path) => path.split('::').flatMap((segment) => segment.trim() || []);

/** The paths of a use tree; `name` is what the file calls what is there. */
function expand(tree) {
  const innermost = /([\w\s:]*)\{([^{}]*)\}/;
  const withPrefix = (_, prefix, inner) =>
    partsOf(inner)
      .map((part) => prefix + part)
      .join();
  let paths = tree;
  while (innermost.test(paths)) paths = paths.replace(innermost, withPrefix);
  return partsOf(paths).map((part) => {
    const [written, alias] = part.split(/\s+as\s+/);
    const path = segmentsOf(written);
    if (path.length > 1 && path.at(-1) === 'self') path.pop();
    return { path, name: alias?.trim() ?? path.at(-1) };
  });
}

/** Reads `file` and the files that it declares, directly or not, into `modules`. */
function read(modules, src, file, folder, parent) {
  const code = codeOf(join(src, file));
  const uses = [...code.matchAll(USE)].flatMap(([, pub, tree]) => expand(tree).map((use) => ({ ...use, pub })));
  const module = { file, folder, parent, uses, body: code.replace(USE, '').replace(MODULE, ''), children: new Map() };
  modules.push(module);
  for (const [, name] of code.matchAll(MODULE)) {
    const below = posix.join(folder, name);
    const child = [`${below}.rs`, `${below}/mod.rs`].find((path) => existsSync(join(src, path)));
    if (child) module.children.set(name, read(modules, src, child, below, module));
  }
  return module;
}

/** What a path that stands in `module` leads to: the module, and the name in it; nothing for other crates. */
function resolve(module, [head, ...rest], seen = []) {
  if (head === 'crate' && module.parent) return resolve(module.parent, ['crate', ...rest], seen);
  if (head === 'super') return resolve(module.parent, rest[0] === 'super' ? rest : ['self', ...rest], seen);
  if (head === 'self' || head === 'crate') return walk(module, rest, seen);
  const isHere = module.children.has(head) || module.uses.some((use) => use.name === head);
  return isHere ? walk(module, [head, ...rest], seen) : undefined;
}

function walk(module, [name, ...rest], seen) {
  if (module.children.has(name)) return walk(module.children.get(name), rest, seen);
  const use = module.uses.find((use) => use.name === name && !seen.includes(use));
  return (use && resolve(module, [...use.path, ...rest], [...seen, use])) ?? { module, name };
}

/**
 * The imports between the files under `src`, as `file -> Map(file -> Set(names))`. A name counts as being in the file that
 * defines it, whatever module passes it on. Tests are left out.
 */
function importsOf(src) {
  const modules = [];
  read(modules, src, 'lib.rs', '');
  const arrows = new Map(modules.map(({ file }) => [file, new Map()]));
  for (const module of modules) {
    // A module that passes on what its children have, without using it, only lists it.
    const isListed = ({ pub, path, name }) =>
      pub &&
      resolve(module, path)?.module.folder.startsWith(`${module.folder}/`) &&
      !new RegExp(`\\b${name}\\b`).test(module.body);
    const used = module.uses.filter((use) => !isListed(use)).map(({ path }) => path);
    for (const path of [...used, ...(module.body.match(PATH)?.map(segmentsOf) ?? [])]) {
      const { module: target, name } = resolve(module, path) ?? {};
      if (name === undefined || target === module) continue;
      const names = arrows.get(module.file).get(target.file);
      arrows.get(module.file).set(target.file, (names ?? new Set()).add(name));
    }
  }
  return arrows;
}

module.exports = { importsOf };
