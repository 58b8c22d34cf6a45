/** What processes find in their descriptors when they are started as servers, for every value of `stderr`. */

const assert = require('node:assert');
const { closeSync, mkdtempSync, openSync, readFileSync, readlinkSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

/** Tells its descriptors by a ninth, which it opens for that, and becomes the server. */
const TELL = `
  exec 9> "$1"; cd /proc/$$/fd
  for f in *; do [ -e "$f" ] && echo "$f $(readlink "$f")" >&9; done
  exec 9>&-; shift; exec "$@"`;

const user = { id: '0123456789abcdef01234567' };

/**
 * @param addon    the module under test
 * @param server   the command of a server over stdio, as a list
 * @returns how many values were tried
 */
async function checkDescriptors({ createMCPRuntime }, server) {
  if (process.platform !== 'linux') return 0;
  const folder = mkdtempSync(join(tmpdir(), 'mcp-descriptors-'));
  const file = join(folder, 'file');
  const other = openSync(file, 'w');
  const own = readlinkSync('/proc/self/fd/2');
  const ownStdout = readlinkSync('/proc/self/fd/1');
  const expected = [
    [undefined, own],
    ['inherit', own],
    [2, own],
    [1, ownStdout],
    [other, file],
    ['ignore', '/dev/null'],
    ['pipe'],
  ];
  try {
    for (const [stderr, target] of expected) {
      const found = await descriptorsWith(createMCPRuntime, server, stderr, join(folder, 'told'));
      const numbers = found.map(([number]) => number);
      assert.deepEqual(numbers, ['0', '1', '2'], `stderr ${stderr}: ${JSON.stringify(found)}`);
      const [, stdout, last] = found.map(([, name]) => name);
      if (stderr === 'pipe') assert.ok(last.startsWith('pipe:') && ![own, stdout].includes(last), last);
      else assert.equal(last, target, `stderr ${stderr}`);
    }
  } finally {
    closeSync(other);
    rmSync(folder, { recursive: true, force: true });
  }
  return expected.length;
}

async function descriptorsWith(createMCPRuntime, server, stderr, told) {
  const config = { type: 'stdio', command: '/bin/sh', args: ['-c', TELL, 'sh', told, ...server] };
  if (stderr !== undefined) config.stderr = stderr;
  const runtime = createMCPRuntime({ config: { mcpServers: { srv: config } } });
  const { success, message } = await runtime.reinitMCPServer({ user, serverName: 'srv' });
  assert.equal(success, true, message);
  await runtime.close();
  const lines = readFileSync(told, 'utf8').trim().split('\n');
  return lines.map((line) => line.split(/ (.*)/)).filter(([, target]) => target !== told);
}

module.exports = { checkDescriptors, descriptorsWith };
