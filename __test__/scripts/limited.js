/**
 * Does what its parent asks for, which limits its threads meanwhile: `create` a runtime over the configuration that it
 * was started with, `ask` whether a domain is allowed, or `reinit` a server. Answers with what came of it, as a text.
 */

const { createMCPRuntime, isMCPDomainAllowed } = require('../..');

const config = JSON.parse(process.argv[2]);
const user = { id: '0123456789abcdef01234567' };
let runtime;

const WORK = {
  create() {
    runtime = createMCPRuntime({ config });
    return 'created';
  },
  ask: () => isMCPDomainAllowed({ url: 'https://127.0.0.1' }, null),
  async reinit(serverName) {
    const { success, error } = await runtime.reinitMCPServer({ user, serverName, connectionTimeout: 3000 });
    return success ? 'connected' : `${error.code}: ${error.message}`;
  },
  async close() {
    await runtime.close();
    process.disconnect();
  },
};

process.on('message', async ({ work, argument }) => {
  let answer;
  try {
    answer = String(await WORK[work](argument));
  } catch (error) {
    answer = `threw ${error.code}: ${error.message}`;
  }
  if (process.connected) process.send(answer);
});
process.send('ready');
