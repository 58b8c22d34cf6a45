const { execFileSync } = require('node:child_process');
const { join } = require('node:path');

const TSC = require.resolve('typescript/bin/tsc');
const OPTIONS = ['--strict', '--noEmit', '--target', 'es2022', '--module', 'nodenext'];

test('programs in TypeScript may make, extend and test the error classes', () => {
  const program = join(__dirname, 'types', 'errors.ts');
  expect(execFileSync(process.execPath, [TSC, ...OPTIONS, program], { encoding: 'utf8' })).toBe('');
});
