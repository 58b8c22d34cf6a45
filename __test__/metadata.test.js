/** What is said in several places is the same in all of them: versions, what is needed to use and to build the packages. */

const { execFileSync } = require('node:child_process');
const { readFileSync, readdirSync } = require('node:fs');
const { join } = require('node:path');
const { ROOT } = require('../scripts/addon-path');
const { crateVersions } = require('../scripts/set-version');
const manifest = require('../package.json');
const lock = require('../package-lock.json');

const read = (path) => readFileSync(join(ROOT, path), 'utf8');
const PLATFORMS = readdirSync(join(ROOT, 'npm')).map((name) => require(join(ROOT, 'npm', name, 'package.json')));

/** What the files say, but those that speak of the past or of other packages, as `path:text`. */
function said(pattern) {
  const excluded = ['CHANGELOG.md', '*package-lock.json', '*Cargo.lock', __filename].map((path) => `:(exclude)${path}`);
  const args = ['grep', '-oIE', pattern, '--', '.', ...excluded];
  return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim().split('\n');
}

const numberIn = (text) => /[\d.]+$/.exec(text)[0];

test('one version, that of package.json', () => {
  const versions = {
    ...crateVersions(),
    ...Object.fromEntries(PLATFORMS.map(({ name, version }) => [name, version])),
    'package-lock.json': lock.version,
    'package-lock.json, the package': lock.packages[''].version,
  };
  const others = Object.entries(versions).filter(([, version]) => version !== manifest.version);
  expect(others).toEqual([]);
  const generated = [...read('binding.js').matchAll(/expected (\S+) but got/g)].map(([, version]) => version);
  expect([...new Set(generated)]).toEqual([manifest.version]);
});

test('what the platform packages say of themselves is what the main package says', () => {
  const same = ['description', 'keywords', 'license', 'engines', 'repository', 'author', 'homepage', 'bugs'];
  const described = (from) => Object.fromEntries(same.map((member) => [member, from[member]]));
  expect(PLATFORMS.length).toBe(manifest.napi.targets.length);
  for (const platform of PLATFORMS) expect(described(platform)).toEqual(described(manifest));
  expect(lock.packages[''].engines).toEqual(manifest.engines);
});

test('the Node that is asked for is that of "engines"', () => {
  const floors = [...manifest.engines.node.matchAll(/(\d+\.\d+)\.0/g)].map(([, floor]) => floor);
  const versions = said('(Node(\\.js)?|of Node 22 from) [0-9]+\\.[0-9]+(\\.[0-9]+)?');
  // A version of three numbers is that of a Node that something was measured with.
  const stated = versions.filter((text) => !/\d\.\d+\.\d/.test(text));
  expect(stated.length).toBeGreaterThan(4);
  expect(stated.filter((text) => !floors.includes(numberIn(text)))).toEqual([]);
});

test('the Rust that is asked for is "rust-version" of Cargo.toml', () => {
  const [, floor] = /^rust-version = "([\d.]+)"$/m.exec(read('Cargo.toml'));
  const stated = said('Rust [0-9]+\\.[0-9]+|rust-toolchain@[0-9.]+');
  expect(stated.length).toBeGreaterThan(3);
  expect(stated.filter((text) => numberIn(text).replace(/^(\d+\.\d+)\.0$/, '$1') !== floor)).toEqual([]);
});
