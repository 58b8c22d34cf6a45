/**
 * In a worker thread: begins a call of `srv`, says when it has come to what `workerData.state` names, and stays there until
 * it is terminated.
 */

const { parentPort, workerData } = require('node:worker_threads');
const { createMCPRuntime } = require('../support/addon');
const { createHost, createUser } = require('../support/host');
const { never } = require('../support/wait');

/** Most of them wait for their turn, and some have ended already. */
const MANY = 300;

/** A host callback that reports, and never answers. */
function stay() {
  parentPort.postMessage('busy');
  return never();
}

const SERVICES = {
  'the tools are published': { updateMCPServerTools: stay },
  'the token store is asked': {
    credentialsKey: 'f'.repeat(64),
    tokenMethods: { findToken: stay, createToken: stay, updateToken: stay, deleteTokens: stay },
  },
};

async function main({ config, allow, state }) {
  const host = createHost({ servers: { srv: config }, allow, services: SERVICES[state] });
  if (state === 'the registry is asked') host.registry.getServerConfig = stay;
  const runtime = createMCPRuntime(host.services);
  const user = createUser();
  parentPort.on('message', () => {});
  const call = { user, serverName: 'srv' };
  await runtime.reinitMCPServer(call);
  if (state === 'many calls begin') {
    for (let count = 0; count < MANY; count++) {
      const options = { signal: AbortSignal.timeout(count % 20) };
      const many = { ...call, toolName: 'echo', toolArguments: { text: String(count) }, options };
      runtime.manager.callTool(many).catch(() => {});
    }
    parentPort.postMessage('busy');
  }
  await runtime.manager.callTool({ ...call, toolName: 'echo', toolArguments: { text: 'x' } });
}

main(workerData);
