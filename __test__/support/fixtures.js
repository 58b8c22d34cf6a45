const { createMCPRuntime } = require('./addon');
const { startEverything } = require('./everything');
const { createHost } = require('./host');
const { startServerProcess } = require('./killable-server');
const { startMcpServer } = require('./mcp-server');
const { createStdioServer } = require('./stdio');

/**
 * What a suite starts; each test's runtimes and servers are closed after it. Call once at the top of a suite.
 */
function useFixtures() {
  const open = [];

  afterEach(async () => {
    for (const thing of open.splice(0).reverse()) await thing.close();
  });

  const keep = (thing) => {
    open.push(thing);
    return thing;
  };

  return {
    keep,
    server: async (options) => keep(await startMcpServer(options)),
    everything: async (transport) => keep(await startEverything(transport)),
    killable: async (options) => keep(await startServerProcess(options)),
    stdio: () => keep(createStdioServer()),

    /** A runtime over host services in memory; see `createHost` for the options. */
    runtime(options) {
      const host = createHost(options);
      const runtime = keep(createMCPRuntime(host.services));
      return { ...host, runtime };
    },
  };
}

module.exports = { useFixtures };
