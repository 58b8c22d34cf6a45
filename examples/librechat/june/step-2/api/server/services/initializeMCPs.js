const { mcpServers, mcpSettings } = require('../../../../../shared/librechat-config');
const db = require('../../../../../shared/models');
const { createMCPManager, createMCPServersRegistry, logger, runtime } = require('../../config');

/** The registry stays LibreChat's; the runtime inspects its servers. */
async function initializeMCPs() {
  /**
   * @param {string} serverName
   * @param {LibreChat.ServerConfig} config
   */
  const inspect = (serverName, config) => runtime.inspectServer(serverName, config);
  const registry = createMCPServersRegistry({ db, mcpServers, mcpSettings, inspect });
  await registry.initialize();
  const manager = await createMCPManager(mcpServers);
  const tools = await manager.getAppToolFunctions();
  logger.info(`[MCP] Initialized with ${Object.keys(tools).length} tools that all users share.`);
}

module.exports = initializeMCPs;
