/** What `scripts/check-modules.js` finds in small trees. */

const { spawnSync } = require('node:child_process');
const { mkdirSync, mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { dirname, join } = require('node:path');
const { ROOT } = require('../scripts/addon-path');
const { findProblems } = require('../scripts/check-modules');

const FLOORS = [['top'], ['left', 'right'], ['base']];
const SCRIPT = join(ROOT, 'scripts', 'check-modules.js');

let folders = [];

/** A folder with these sources; `lib.rs` declares the top-level ones unless it is among them. */
function tree(files) {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-modules-'));
  folders.push(folder);
  const modules = new Set(Object.keys(files).map((path) => path.split(/[/.]/)[0]));
  const lib = [...modules].map((name) => `mod ${name};`).join('\n');
  for (const [path, source] of Object.entries({ 'lib.rs': lib, ...files })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), source);
  }
  return folder;
}

const problems = (files, options) => findProblems(tree(files), { floors: FLOORS, ...options });

afterEach(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
  folders = [];
});

test('imports that run downward are no problem', () => {
  const files = {
    'top.rs': 'use crate::left::Left;\nuse std::fmt;\npub fn top() { crate::base::helper(); }',
    'left.rs': 'use crate::base::{self, Base};\npub struct Left(Base);\nfn left() { base::helper() }',
    'base.rs': 'pub struct Base;\npub fn helper() {}',
  };
  expect(problems(files)).toEqual([]);
});

test('a circle is shown with its arrows', () => {
  const files = {
    'base/mod.rs': 'mod one;\nmod two;\nmod three;\nmod apart;',
    'base/one.rs': 'use super::two::Two;\npub struct One;',
    'base/two.rs': 'use crate::base::three::{Three, third};\npub struct Two;',
    'base/three.rs': 'pub struct Three(super::one::One);\npub fn third() {}',
    'base/apart.rs': 'use super::one::One;',
  };
  expect(problems(files)).toEqual([
    [
      '3 files import each other:',
      '  base/one.rs -> base/two.rs: Two',
      '  base/three.rs -> base/one.rs: One',
      '  base/two.rs -> base/three.rs: Three, third',
    ].join('\n'),
  ]);
});

test('nested trees, names of their own and several lines are read', () => {
  const files = {
    'top.rs': '',
    'base/mod.rs': 'pub mod one;\npub mod two;',
    'base/one.rs': 'use super::{\n    two::{self as other, deep::{Deep, Other as Renamed}},\n};\npub fn one() {}',
    'base/two.rs': 'pub mod deep;\npub(in crate::base) fn two() { crate::base::one::one() }',
    'base/two/deep.rs': 'use super::super::one;\npub struct Deep;\nfn deep() { one::one() }',
  };
  expect(problems(files)).toEqual([
    [
      '2 files import each other:',
      '  base/one.rs -> base/two/deep.rs: Deep, Other',
      '  base/two/deep.rs -> base/one.rs: one',
    ].join('\n'),
  ]);
});

test('a name is where it is defined, whoever passes it on', () => {
  const listed = {
    'base/mod.rs': 'mod one;\nmod two;\npub use one::One;\npub use two::Two;',
    'base/one.rs': 'pub struct One;',
    'base/two.rs': 'use super::One;\npub struct Two(One);',
  };
  expect(problems(listed)).toEqual([]);

  const withCode = { ...listed, 'base/mod.rs': `${listed['base/mod.rs']}\npub struct Both(One, Two);` };
  expect(problems(withCode)).toEqual([]);

  const used = { ...withCode, 'base/two.rs': 'use super::Both;\npub struct Two;' };
  expect(problems(used)).toEqual([
    '2 files import each other:\n  base/mod.rs -> base/two.rs: Two\n  base/two.rs -> base/mod.rs: Both',
  ]);
});

test('imports from above, and from the same floor, are shown', () => {
  const files = {
    'top.rs': 'pub struct Top;',
    'left.rs': 'use crate::right::Right;',
    'right.rs': 'pub struct Right;',
    'base.rs': 'fn base() -> crate::top::Top { todo!() }',
  };
  expect(problems(files)).toEqual([
    'left.rs imports what is not below it:\n  left.rs -> right.rs: Right',
    'base.rs imports what is not below it:\n  base.rs -> top.rs: Top',
  ]);
});

test('a module that is on no floor is shown', () => {
  expect(problems({ 'new.rs': '' })).toEqual(['new.rs is on no floor']);
});

test('tests, comments and texts do not count', () => {
  const above = 'use crate::top::Top;';
  const files = {
    'top.rs': 'use crate::base::Base;\npub struct Top;',
    'base.rs': [
      `// ${above}`,
      `/* ${above} */`,
      `const TEXT: &str = "quoted \\" ${above}";`,
      `const RAW: &str = r#"raw " ${above}"#;`,
      "const QUOTE: char = '\"';",
      "pub struct Base<'a>(&'a str);",
      `#[cfg(test)]\n${above}`,
      `#[cfg(test)]\nimpl Base<'_> { fn of(_: crate::top::Top) {} }`,
      `#[cfg(test)]\n#[allow(unused)]\nmod tests {\n    ${above}\n    fn test() { let _ = [Top; 1]; }\n}`,
      '#[cfg(all(test, unix))]\nmod more;',
    ].join('\n'),
    'base/more.rs': above,
  };
  expect(problems(files)).toEqual([]);
});

test('what follows a test counts', () => {
  const files = { 'top.rs': 'pub struct Top;', 'base.rs': '#[cfg(test)]\nmod tests {}\nuse crate::top::Top;' };
  expect(problems(files)).toHaveLength(1);
});

test('a floor may be a folder within another', () => {
  const files = {
    'node/mod.rs': 'mod base;\nmod top;',
    'node/base.rs': 'use super::top::Top;\npub struct Base;',
    'node/top.rs': 'pub struct Top;',
  };
  const floors = [['node/top'], ['node/base']];
  expect(problems(files, { floors })).toEqual([expect.stringContaining('node/base.rs -> node/top.rs: Top')]);
});

test('the script fails with what it found', () => {
  const circle = tree({
    'host/mod.rs': 'mod one;\nmod two;',
    'host/one.rs': 'use super::two::Two;\npub struct One;',
    'host/two.rs': 'use super::one::One;\npub struct Two;',
  });
  const run = (...args) => spawnSync(process.execPath, [SCRIPT, ...args], { encoding: 'utf8' });
  expect(run(circle)).toMatchObject({ status: 1, stderr: expect.stringContaining('2 files import each other') });
  expect(run()).toMatchObject({ status: 0, stderr: '' });
});
