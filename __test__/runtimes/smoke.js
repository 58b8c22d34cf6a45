/** What every supported JavaScript runtime must be able to do. Prints one line; any failure ends it with an error. */

const assert = require('node:assert');
const { AsyncLocalStorage } = require('node:async_hooks');
const { Worker, isMainThread, parentPort } = require('node:worker_threads');
const required = require('../..');
const { checkDescriptors } = require('./descriptors');

const { SERVER_URL: url, STDIO_SERVER: stdioServer } = process.env;
const user = { id: '0123456789abcdef01234567' };
const config = {
  mcpServers: { srv: { type: 'streamable-http', url, requiresOAuth: false } },
  mcpSettings: { allowedAddresses: [new URL(url).host] },
};

async function reinitialize({ createMCPRuntime }) {
  const contexts = new AsyncLocalStorage();
  const seen = new Set();
  const log = () => seen.add(contexts.getStore());
  const runtime = createMCPRuntime({ config, logger: { debug: log, info: log, warn: log, error: log } });
  const result = await contexts.run('a tenant', () => runtime.reinitMCPServer({ user, serverName: 'srv' }));
  assert.equal(result.success, true, result.message);
  assert.deepEqual([...seen], ['a tenant']);
  const call = { user, serverName: 'srv', toolName: 'echo', toolArguments: { message: 'hello' }, provider: 'openai' };
  assert.match(JSON.stringify(await runtime.manager.callTool(call)), /hello/);
  const options = { signal: AbortSignal.abort(new Error('enough')) };
  await assert.rejects(runtime.manager.callTool({ ...call, options }), { code: 'MCP_ABORTED' });
  await runtime.close();
  await assert.rejects(runtime.manager.getConnection({ user, serverName: 'srv' }), { code: 'MCP_CLOSED' });
  return result.tools.length;
}

function inWorker() {
  return new Promise((resolve, reject) => {
    const worker = new Worker(__filename);
    worker.on('message', resolve);
    worker.on('error', reject);
  });
}

async function main() {
  const tools = await reinitialize(required);
  const imported = await import('../../index.js');
  assert.equal(await reinitialize(imported), tools);
  assert.equal(await inWorker(), tools);
  const values = await checkDescriptors(required, JSON.parse(stdioServer));
  const runtime = process.versions.bun ? `Bun ${process.versions.bun}` : `Node ${process.versions.node}`;
  console.log(`${runtime}: require, import, worker: ${tools} tools each; stdio: ${values} kinds of stderr`);
}

if (isMainThread) {
  main().catch((error) => {
    console.error(error);
    process.exit(1);
  });
} else {
  reinitialize(required).then((tools) => parentPort.postMessage(tools));
}
