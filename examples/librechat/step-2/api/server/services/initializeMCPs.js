const { getAppConfig } = require('../../../../shared/app-config');
const { mcpServers, mcpSettings } = require('../../../../shared/librechat-config');
const db = require('../../../../shared/models');
const { createMCPManager, createMCPServersRegistry, logger, runtime } = require('../../config');

/**
 * The registry stays LibreChat's; the manager adds the configured servers to it, and the runtime inspects them.
 *
 * @returns what closes the connections that all users share, for the shutdown
 */
async function initializeMCPs() {
  createMCPServersRegistry({
    db,
    mcpServers: {},
    mcpSettings,
    resolveAllowlists: async (actor) => (await getAppConfig(actor)).mcpSettings,
    inspect: (serverName, config) => runtime.inspectServer(serverName, config),
  });
  const manager = await createMCPManager(mcpServers);
  const tools = await manager.getAppToolFunctions();
  await manager.connectAppServers();
  logger.info(`[MCP] Initialized with ${Object.keys(tools).length} tools that all users share.`);
  return () => manager.disconnectAppServers();
}

module.exports = initializeMCPs;
