/** Opens a connection and stays until it is told, or made, to go. */

const { call, createRuntime, parameters } = require('./runtime');

async function main() {
  const { success } = await createRuntime().reinitMCPServer(call);
  console.log(`success: ${success}`);
  if (parameters.exit) process.exit(7);
  setInterval(() => {}, 1000);
}

main();
