/** What the documentation says can be followed: links lead somewhere, and CI runs each command. */

const { existsSync, readdirSync, readFileSync, statSync } = require('node:fs');
const { dirname, join, normalize } = require('node:path');

const ROOT = join(__dirname, '..');
const read = (path) => readFileSync(join(ROOT, path), 'utf8');
const pagesIn = (folder) =>
  readdirSync(join(ROOT, folder), { recursive: true })
    .filter((path) => path.endsWith('.md') && !path.includes('node_modules'))
    .map((path) => join(folder, path));

const PAGES = ['README.md', 'CHANGELOG.md', ...pagesIn('docs'), ...pagesIn('examples')];

const withoutCode = (text) => text.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, 'code');

/** A heading's anchor, as GitHub makes it. */
const anchor = (heading) =>
  heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/\\/g, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{Pc} -]/gu, '')
    .trim()
    .replaceAll(' ', '-');

function anchorsOf(page) {
  const text = read(page).replace(/^```[\s\S]*?^```/gm, '');
  const seen = new Map();
  const headings = [...text.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading]) => {
    const name = anchor(heading);
    const count = seen.get(name) ?? 0;
    seen.set(name, count + 1);
    return count === 0 ? name : `${name}-${count}`;
  });
  const named = [...text.matchAll(/<a id="([^"]+)">/g)].map(([, name]) => name);
  return new Set([...headings, ...named]);
}

function brokenLinks(page, text = read(page)) {
  const targets = [...withoutCode(text).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, target]) => target);
  return targets.filter((target) => {
    const [path, fragment] = target.split('#');
    const file = path ? normalize(join(dirname(page), path)) : page;
    if (!existsSync(join(ROOT, file))) return true;
    return fragment !== undefined && (statSync(join(ROOT, file)).isDirectory() || !anchorsOf(file).has(fragment));
  });
}

/** The commands of `sh` blocks; what nobody can run by itself stands in `text` blocks. */
const commandsOf = (page) =>
  [...read(page).matchAll(/^```sh\n([\s\S]*?)^```/gm)]
    .flatMap(([, block]) => block.split(/\n|&&/))
    .map((line) => line.replace(/\s#.*/, '').trim())
    .filter(Boolean);

/** What `.ci/run` runs, directly or through the scripts of `package.json`. */
function commandsOfCI() {
  const { scripts } = JSON.parse(read('package.json'));
  const found = new Set();
  const collect = (text) => {
    for (const [command, name] of text.matchAll(/npm (?:run )?([a-z][a-z:]*)/g)) {
      if (found.has(command)) continue;
      found.add(command);
      if (scripts[name]) collect(scripts[name]);
    }
  };
  collect(read('.ci/run'));
  return found;
}

test('links lead to files and headings that are there', () => {
  const broken = PAGES.flatMap((page) => brokenLinks(page).map((target) => `${page}: ${target}`));
  expect(broken).toEqual([]);
  expect(PAGES.length).toBeGreaterThan(6);
});

test('a broken link is found', () => {
  const links = '[a](errors.md#the-call) [b](errors.md#no-such) [c](no-such.md) [d](#the-call) `[e](no-such.md)`';
  expect(brokenLinks('docs/security.md', links)).toEqual(['errors.md#no-such', 'no-such.md', '#the-call']);
  expect(anchor('`POST` a/b: **why?**')).toBe('post-ab-why');
});

test('CI runs every command of the pages', () => {
  const run = commandsOfCI();
  expect([...run]).toEqual(expect.arrayContaining(['npm ci', 'npm test', 'npm run lint:rust']));
  const unknown = PAGES.flatMap((page) => commandsOf(page).map((command) => [page, command])).filter(
    ([, command]) => !run.has(command),
  );
  expect(unknown).toEqual([]);
});
