/** Commands that are wrong, and servers that do not get as far as MCP. */

const { chmodSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');

const SERVER = join(__dirname, 'stdio-server.js');
/** What runs out of time is to do so soon, but not before it has said something. */
const SHORT_MS = 10_000;

const own = (kind, rest) => ({ command: process.execPath, args: [SERVER, kind], ...rest });

module.exports = async function stdioServers({ folder, serve }) {
  // A registry that has no such package, for the real npx.
  const registry = await serve((_, response) => {
    response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"Not found"}');
  });
  const notExecutable = join(folder, 'server.sh');
  writeFileSync(notExecutable, '#!/bin/sh\nexit 0\n');
  chmodSync(notExecutable, 0o644);
  const noProgram = join(folder, 'server.py');
  writeFileSync(noProgram, 'print("no first line says what runs this")\n');
  chmodSync(noProgram, 0o755);

  return {
    'stdio-crash': own('crash'),
    'stdio-crash-without-a-word': own('crash-without-a-word'),
    'stdio-unknown-package': {
      command: 'npx',
      args: ['-y', '@notes/mcp-sevrer'],
      env: { npm_config_registry: registry.origin, npm_config_cache: join(folder, 'npm') },
      initTimeout: 90_000,
    },
    'stdio-missing-command': { command: 'notes-mcp-server', args: [] },
    'stdio-missing-folder': own('banner', { cwd: join(folder, 'no-such-folder') }),
    'stdio-not-executable': { command: notExecutable, args: [] },
    'stdio-no-program': { command: noProgram, args: [] },
    'stdio-missing-module': { command: process.execPath, args: [join(folder, 'dist', 'index.js')] },
    'stdio-missing-variable': own('missing-variable'),
    'stdio-chatter': own('chatter', { initTimeout: SHORT_MS }),
    'stdio-reads-to-the-end': own('reads-to-the-end', { initTimeout: SHORT_MS }),
    'stdio-slow': own('slow', { initTimeout: SHORT_MS }),
    'stdio-banner': own('banner'),
  };
};
