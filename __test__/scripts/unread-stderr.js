/** Connects to a server that says much on stderr, without a logger. */

const { createMCPRuntime } = require('../..');

async function main() {
  const runtime = createMCPRuntime({ config: JSON.parse(process.argv[2]) });
  const user = { id: '0123456789abcdef01234567' };
  const { success } = await runtime.reinitMCPServer({ user, serverName: 'srv' });
  await runtime.close();
  console.log(`success: ${success}`);
}

main();
