/**
 * Builds the optimized addon, `binding.js` and `index.d.ts`. Arguments are those of `napi build`.
 *
 *   npm run build
 */

const { spawnSync } = require('node:child_process');
const { ROOT } = require('./addon-path');

/** Less is inlined than by the compiler's own threshold: the addon is smaller by 220 KiB and more, and a call as fast. */
const SMALL = '-Cllvm-args=-inline-threshold=150';

const RUSTFLAGS = [process.env.RUSTFLAGS, SMALL].filter(Boolean).join(' ');
const cli = require.resolve('@napi-rs/cli/package.json').replace(/package\.json$/, 'dist/cli.js');
const build = ['build', '--platform', '--js', 'binding.js', '--release', '--manifest-path', 'addon/Cargo.toml'];
const args = [cli, ...build, '--output-dir', '.', ...process.argv.slice(2)];
const { status, error } = spawnSync(process.execPath, args, {
  cwd: ROOT,
  env: { ...process.env, RUSTFLAGS },
  stdio: 'inherit',
});
if (error) throw error;
process.exitCode = status ?? 1;
