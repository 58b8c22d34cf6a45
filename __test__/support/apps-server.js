const { fork } = require('node:child_process');
const { once } = require('node:events');
const { join } = require('node:path');
const { until } = require('./wait');

/** Starts the server with an app; see apps-server.mjs. */
async function startAppsServer() {
  const child = fork(join(__dirname, 'apps-server.mjs'));
  const answers = [];
  child.on('message', (answer) => answers.push(answer));
  const ask = async (what) => {
    child.send(what);
    await until('the answer of the server', () => answers.length > 0);
    return answers.shift();
  };
  await until('start of the server with an app', () => answers.length > 0, 60_000);
  const { address } = answers.shift();
  return {
    address,
    /** The tools that were called, and the resource that is never answered. */
    called: async () => (await ask({})).called,
    /** How many lists of tools it gave. */
    lists: async () => (await ask({})).lists,
    setVisibility: (tool, visibility) => ask({ tool, visibility }),
    config: (extra) => ({
      type: 'streamable-http',
      url: `http://${address}/mcp`,
      requiresOAuth: false,
      source: 'yaml',
      ...extra,
    }),
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

module.exports = { startAppsServer };
