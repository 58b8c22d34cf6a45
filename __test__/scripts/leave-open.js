/** Opens a connection and does nothing more: the process has to end by itself. */

const { call, createRuntime } = require('./runtime');

async function main() {
  const { success } = await createRuntime().reinitMCPServer(call);
  console.log(`success: ${success}`);
}

main();
