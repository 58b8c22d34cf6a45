/** In a worker thread: reinitializes `srv`, reports, and leaves the connection open until it is terminated. */

const { parentPort, workerData } = require('node:worker_threads');
const { createMCPRuntime } = require('../support/addon');
const { createHost, createUser } = require('../support/host');

async function main({ config, allow }) {
  const { services } = createHost({ servers: { srv: config }, allow });
  const runtime = createMCPRuntime(services);
  const { success, tools } = await runtime.reinitMCPServer({ user: createUser(), serverName: 'srv' });
  parentPort.postMessage({ success, tools: tools?.length });
  parentPort.on('message', () => {});
}

main(workerData);
