/**
 * Programs that the documentation shows, with what a host has around them: TypeScript knows every name in them, and takes
 * every argument. They are JavaScript, so that it need not be convinced of what is never `null`.
 */

const { execFile } = require('node:child_process');
const { mkdirSync, rmSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { promisify } = require('node:util');
const { PAGES, ROOT, blocksOf } = require('./support/pages');

const TSC = require.resolve('typescript/bin/tsc');
const FOLDER = join(ROOT, 'target', 'docs-samples');

/** `docs/cli.md` 0 becomes `docs-cli-0.js`. */
const samplesIn = (language) =>
  PAGES.filter((page) => page !== 'docs/api.md').flatMap((page) =>
    blocksOf(page, language).map((text, index) => ({
      name: `${page.replace('.md', '').replaceAll('/', '-').toLowerCase()}-${index}.${language}`,
      text,
    })),
  );

const compilerOptions = {
  strict: false,
  noEmit: true,
  allowJs: true,
  checkJs: true,
  skipLibCheck: true,
  module: 'nodenext',
  // Names in one are no names in another.
  moduleDetection: 'force',
  target: 'es2023',
  lib: ['es2023'],
  types: ['node'],
  paths: {
    'librechat-mcp-native': [join(ROOT, 'index.d.ts')],
    'librechat-mcp-native/*': [join(ROOT, '*/index.d.ts')],
  },
};

async function errorsOf(samples) {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  for (const { name, text } of samples) writeFileSync(join(FOLDER, name), text);
  const include = ['*', join(ROOT, '__test__/types/samples/host.d.ts'), join(ROOT, 'examples/librechat/types.d.ts')];
  writeFileSync(join(FOLDER, 'tsconfig.json'), JSON.stringify({ compilerOptions, include }));
  const { stdout } = await promisify(execFile)(process.execPath, [TSC, '-p', FOLDER]).catch((error) => error);
  return stdout;
}

test('samples of the pages are right, and a wrong one would be found', async () => {
  const samples = [...samplesIn('js'), ...samplesIn('ts')];
  expect(samples.length).toBeGreaterThan(10);
  const text = 'createMCPRuntime({ config: 1 });\n';
  const errors = await errorsOf([...samples, { name: 'wrong.js', text }]);
  expect(errors.trim().split('\n')).toEqual([expect.stringMatching(/wrong\.js\(1,20\): error TS2322/)]);
});
