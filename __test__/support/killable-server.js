const { fork } = require('node:child_process');
const { once } = require('node:events');
const { join } = require('node:path');
const { until } = require('./wait');

/** Starts the small server as a process that can be killed; see server-process.js. */
async function startServerProcess({ hangOn = 'nothing', port } = {}) {
  const args = port === undefined ? [hangOn] : [hangOn, String(port)];
  const child = fork(join(__dirname, 'server-process.js'), args);
  const arrived = [];
  let address;
  child.on('message', (message) => {
    if (message.arrived) arrived.push(message.arrived);
    else address = message.address;
  });
  await until('start of the server process', () => address !== undefined, 60_000);
  return {
    address,
    port: Number(address.split(':')[1]),
    config: (extra) => ({
      type: 'streamable-http',
      url: `http://${address}/mcp`,
      requiresOAuth: false,
      source: 'yaml',
      ...extra,
    }),
    arrival: (method) => until(`arrival of ${method}`, () => arrived.includes(method)),
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

module.exports = { startServerProcess };
