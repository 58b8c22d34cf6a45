const { readdirSync, readFileSync } = require('node:fs');
const { join } = require('node:path');

const ROOT = join(__dirname, '..', '..');
const CLI = 'npx librechat-mcp-native ';
/** Pages that show a configuration and the commands that go with it; all of these are run. */
const PAGES_THAT_RUN = ['docs/getting-started.md', 'docs/cli.md'];

/** A command that goes on until it is interrupted; it is run, too. */
const EXAMPLE = 'npm run example';

const read = (path) => readFileSync(join(ROOT, path), 'utf8');
const pagesIn = (folder) =>
  readdirSync(join(ROOT, folder), { recursive: true })
    .filter((path) => path.endsWith('.md') && !path.includes('node_modules'))
    .map((path) => join(folder, path));

const PAGES = [
  ...['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'],
  ...pagesIn('docs'),
  ...pagesIn('examples'),
  ...pagesIn('ops'),
];

const withoutBlocks = (text) => text.replace(/^```[\s\S]*?^```/gm, '');

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
  const text = withoutBlocks(read(page));
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

/** The blocks of a page in one language. */
const blocksOf = (page, language) =>
  [...read(page).matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, block]) => block);

const linesOf = (blocks) =>
  blocks
    .flatMap((block) => block.split(/\n|&&/))
    .map((line) => line.replace(/\s#.*/, '').trim())
    .filter(Boolean);

/** The commands of a page's `sh` blocks. */
const shellCommandsOf = (page) => linesOf(blocksOf(page, 'sh'));

const COMMAND = /^(?:(?:npx|npm|node|cargo|git|curl|docker|pip|apt-get|sh|bash) \S|\.ci\/run)/;

/** All commands of a page: those of `sh` and `text` blocks, and those between backticks. */
function commandsOf(page) {
  const spans = [...withoutBlocks(read(page)).matchAll(/`([^`]+)`/g)].map(([, code]) => code.replace(/\s+/g, ' '));
  const others = [...linesOf(blocksOf(page, 'text')), ...spans].filter((text) => COMMAND.test(text));
  return [...shellCommandsOf(page), ...others];
}

module.exports = {
  CLI,
  EXAMPLE,
  PAGES,
  PAGES_THAT_RUN,
  ROOT,
  anchor,
  anchorsOf,
  blocksOf,
  commandsOf,
  read,
  shellCommandsOf,
  withoutBlocks,
};
