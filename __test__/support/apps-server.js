const { fork } = require('node:child_process');
const { once } = require('node:events');
const { join } = require('node:path');
const { until } = require('./wait');

/** Starts the server with an app; see apps-server.mjs. */
async function startAppsServer() {
  const child = fork(join(__dirname, 'apps-server.mjs'));
  const called = [];
  let address;
  let changes = 0;
  child.on('message', (message) => {
    if (message.called) called.push(message.called);
    else if (message.changed) changes += 1;
    else address = message.address;
  });
  await until('start of the server with an app', () => address !== undefined, 60_000);
  return {
    address,
    /** The tools that were called, and the resource that is never answered. */
    called,
    config: (extra) => ({
      type: 'streamable-http',
      url: `http://${address}/mcp`,
      requiresOAuth: false,
      source: 'yaml',
      ...extra,
    }),
    async setVisibility(tool, visibility) {
      const before = changes;
      child.send({ tool, visibility });
      await until('the change', () => changes > before);
    },
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

module.exports = { startAppsServer };
