/** What the documentation says can be followed: links lead somewhere, and each command is run somewhere. */

const { existsSync, statSync } = require('node:fs');
const { dirname, join, normalize } = require('node:path');
const {
  CLI,
  EXAMPLE,
  PAGES,
  PAGES_THAT_RUN,
  ROOT,
  anchor,
  anchorsOf,
  commandsOf,
  read,
  shellCommandsOf,
  withoutBlocks,
} = require('./support/pages');

const withoutCode = (text) => withoutBlocks(text).replace(/`[^`\n]*`/g, 'code');

function brokenLinks(page, text = read(page)) {
  const targets = [...withoutCode(text).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, target]) => target);
  return targets.filter((target) => {
    const [path, fragment] = target.split('#');
    const file = path ? normalize(join(dirname(page), path)) : page;
    if (!existsSync(join(ROOT, file))) return true;
    return fragment !== undefined && (statSync(join(ROOT, file)).isDirectory() || !anchorsOf(file).has(fragment));
  });
}

/** Commands that a test cannot run as they stand, and why. */
const NOT_RUN = {
  '.ci/run': 'runs this test',
  '.ci/run change': 'runs this test',
  '.ci/run nightly': 'takes most of an hour',
  'cargo bench --bench micro': 'measures for minutes on an optimized build',
  'cargo test': 'a part of `npm test`, which CI runs',
  'curl -s localhost:3000/call -d \'{ "user": "alice", "server": "everything", "tool": "echo", "arguments": { "message": "hi" } }\'':
    'asks what a container engine runs; ops.test.js asks the same pod without one',
  'curl -s localhost:3000/metrics': 'the same',
  'docker compose -f ops/compose.yaml up --build':
    'needs a container engine; ops.test.js looks at what can be without one',
  'git revert': 'is about the checkout of LibreChat',
  'node bench/capacity.js': 'measures for minutes',
  'node bench/fairness.js': 'measures for minutes; call-limits.test.js looks at whose turn it is',
  'node __test__/scripts/fleet.js': 'takes minutes; fleet.test.js runs the same with fewer users',
  'node __test__/scripts/fleet-outages.js': 'takes minutes; fleet.test.js stops Redis meanwhile',
  'node scripts/screenshots.js': 'writes the pictures of docs/inspect.md; inspect-page.test.js looks at the same page',
  'node __test__/scripts/refresh-faults.js': 'takes ten minutes; refresh-faults.test.js runs some of its rounds',
  'node __test__/scripts/refresh-rounds.js ROUNDS TOKEN_DELAY_MS FLOW_DELAY_MS [lock]':
    'has placeholders; refresh.test.js runs rounds of the same race',
  'npm install': 'asks the registry; `npm ci`, which CI runs, does the same here',
  'npm install ioredis': 'asks the registry; the package is a development dependency here',
  'npm install CHECKOUT': 'makes a link, which the page warns of',
  'npm install CHECKOUT/librechat-mcp-native-*.tgz': 'has a placeholder; `npm run test:package` installs the same',
  'npm install CHECKOUT/librechat-mcp-native-*.tgz --workspace api': 'is about the checkout of LibreChat',
  'npm install librechat-mcp-native --workspace api': 'is about the checkout of LibreChat',
  'npm pack . ./npm/linux-x64-gnu': 'needs the addon of `npm run build`; `npm run test:package` packs the same',
  'npm run bench': 'measures for a third of an hour; CI runs it with `--short`',
  'npm run bench -- --only=reinit,calls': 'measures; CI runs all rows with `--short`',
  'npm run build': 'CI runs it with an `--output-dir` beside the tests, and copies what it made',
  'npm run build:debug': 'would overwrite the addon; CI runs `build:test` and `build`',
  'npm run example:agent': 'is run by adapters.test.js',
  'npm run example:fleet': 'takes a minute; fleet.test.js runs it with fewer users',
  'npm run example:fleet -- --users 50 --seconds 5': 'is `npm run example:fleet` with fewer users',
  'npm run example -- --step-1': 'is `npm run example` with another step, which example.test.js starts and uses',
  'npm run format': 'writes; CI runs `lint`, which checks the same',
  'npm run soak': 'takes ten minutes; soak.test.js runs some rounds of it',
  'npm run soak -- --faults': 'takes five minutes, and what it meets depends on the load',
  'npm run test:js -- reinit': 'is a part of this test run',
  'npm run test:model -- --full': 'takes half an hour; CI runs it with two processes',
  'npm run test:quick': 'is a part of `npm test`, which CI runs',
  'npm run test:quick -- core': 'is a part of `npm test`',
  'npm run test:quick -- core network::': 'is a part of `npm test`',
  'npm run test:quick -- node': 'is a part of `npm test`',
  'npm run test:quick -- node reinit oauth': 'is a part of `npm test`',
  'npm version --no-git-tag-version VERSION': 'changes the version of the package',
  'npx -y': 'quotes a configuration',
  'npx librechat-mcp-native inspect': 'goes on until Ctrl+C; inspect-server.test.js runs it',
  'npx librechat-mcp-native': 'is the name of the tool; its commands are run',
};

/** What `.ci/run` runs, directly or through the scripts of `package.json`. */
function commandsOfCI() {
  const { scripts } = JSON.parse(read('package.json'));
  const found = new Set();
  const collect = (text) => {
    const commands = text.split(/\n|&&|\|\|/).map((command) => command.replace(' --no-audit --no-fund', '').trim());
    for (const command of commands.filter((line) => line.startsWith('npm '))) {
      if (found.has(command)) continue;
      found.add(command);
      const [, name] = /^npm (?:run )?([a-z][a-z:]*)/.exec(command) ?? [];
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

test('every command of the pages is run by CI or by docs-commands.test.js, or the list says why not', () => {
  const run = new Set([...commandsOfCI(), ...PAGES_THAT_RUN.flatMap(shellCommandsOf), EXAMPLE]);
  expect([...run]).toEqual(expect.arrayContaining(['npm ci', 'npm test', 'npm run lint:rust', `${CLI}check`]));
  const all = PAGES.flatMap((page) => commandsOf(page).map((command) => ({ page, command })));
  expect(all.filter(({ command }) => !run.has(command) && !NOT_RUN[command])).toEqual([]);
  const listed = Object.keys(NOT_RUN);
  const isThere = (command) => all.some((known) => known.command === command);
  expect(listed.filter((command) => run.has(command) || !isThere(command))).toEqual([]);
});
