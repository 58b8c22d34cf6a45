/** Awaits a slow server without anything else that keeps a process alive. */

const { call, createRuntime } = require('./runtime');

createRuntime()
  .reinitMCPServer(call)
  .then(({ success }) => console.log(`success: ${success}`));
