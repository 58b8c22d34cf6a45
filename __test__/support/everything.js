const { spawn } = require('node:child_process');
const { dirname, join } = require('node:path');
const { accepts, freePort } = require('./ports');
const { processGone, until } = require('./wait');

const PACKAGE = '@modelcontextprotocol/server-everything';
const ENTRY = join(dirname(require.resolve(`${PACKAGE}/package.json`)), 'dist', 'index.js');
const PATHS = { streamableHttp: '/mcp', sse: '/sse' };

/** Config of the public server over stdio; the client starts it. */
const everythingOverStdio = (extra) => ({
  type: 'stdio',
  command: process.execPath,
  args: [ENTRY, 'stdio'],
  stderr: 'ignore',
  requiresOAuth: false,
  source: 'yaml',
  ...extra,
});

/**
 * Starts the public server on a free port, as a process of its own.
 * @param transport 'streamableHttp' or 'sse'
 */
async function startEverything(transport) {
  const port = await freePort();
  const child = spawn(process.execPath, [ENTRY, transport], {
    env: { ...process.env, PORT: String(port) },
    stdio: 'ignore',
  });
  await until(`${PACKAGE} on port ${port}`, () => accepts(port), 60_000);
  const address = `127.0.0.1:${port}`;
  const url = `http://${address}${PATHS[transport]}`;
  const type = transport === 'sse' ? 'sse' : 'streamable-http';
  return {
    pid: child.pid,
    address,
    url,
    config: (extra) => ({ type, url, requiresOAuth: false, source: 'yaml', ...extra }),
    async close() {
      child.kill('SIGKILL');
      await processGone(child.pid);
    },
  };
}

module.exports = { everythingOverStdio, startEverything };
