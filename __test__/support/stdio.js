const { mkdtempSync, readFileSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

/** Config of the small server over stdio, and the processes that were started from it. */
function createStdioServer() {
  const directory = mkdtempSync(join(tmpdir(), 'mcp-stdio-'));
  const pidFile = join(directory, 'pids');
  return {
    config: (extra) => ({
      type: 'stdio',
      command: process.execPath,
      args: [join(__dirname, 'stdio-server.js'), pidFile],
      stderr: 'ignore',
      requiresOAuth: false,
      source: 'yaml',
      ...extra,
    }),
    pids() {
      try {
        return readFileSync(pidFile, 'utf8').trim().split('\n').map(Number);
      } catch (error) {
        if (error.code === 'ENOENT') return [];
        throw error;
      }
    },
    close: async () => rmSync(directory, { recursive: true, force: true }),
  };
}

module.exports = { createStdioServer };
