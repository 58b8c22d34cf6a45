/** What the documentation says can be followed: links lead somewhere, and CI runs each command. */

const { execFile } = require('node:child_process');
const { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } = require('node:fs');
const { dirname, join, normalize } = require('node:path');
const { promisify } = require('node:util');
const { parse } = require('yaml');
const { createCli } = require('./support/cli');
const { everythingOverStdio } = require('./support/everything');

const CLI = 'npx librechat-mcp-native ';
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

/** The blocks of a page in one language. */
const blocksOf = (page, language) =>
  [...read(page).matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, block]) => block);

/** The commands of `sh` blocks; what nobody can run by itself stands in `text` blocks. */
const commandsOf = (page) =>
  blocksOf(page, 'sh')
    .flatMap((block) => block.split(/\n|&&/))
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
    ([, command]) => !run.has(command) && !command.startsWith(CLI),
  );
  expect(unknown).toEqual([]);
});

describe('docs/getting-started.md', () => {
  const PAGE = 'docs/getting-started.md';
  let cli;

  beforeAll(() => {
    const config = parse(blocksOf(PAGE, 'yaml')[0]);
    // The same server, from where it is installed: npx would ask the registry.
    const { command, args } = everythingOverStdio();
    Object.assign(config.mcpServers.everything, { command, args });
    cli = createCli({ 'librechat.yaml': config, 'program.js': blocksOf(PAGE, 'js')[0] });
    mkdirSync(join(cli.folder, 'node_modules'));
    symlinkSync(ROOT, join(cli.folder, 'node_modules', 'librechat-mcp-native'));
  });

  afterAll(() => cli.close());

  test.each(commandsOf(PAGE))('%s', async (command) => {
    const shown = { check: '1 of 1 servers work', tools: 'echo', call: 'Hello' };
    const words = command.slice(CLI.length).match(/'[^']*'|\S+/g);
    const { code, stdout } = await cli.run(words.map((word) => word.replace(/^'(.*)'$/, '$1')));
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringContaining(shown[words[0]]),
    });
  });

  test('the program', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['program.js'], { cwd: cli.folder, env: cli.env });
    expect(stdout).toMatch(/^\d+ tools\n[\s\S]*Hello/);
  });
});
