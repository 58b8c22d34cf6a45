/** `api/server/services/Config/mcp.js` of LibreChat. */

const { logger } = require('@librechat/data-schemas');
const { CacheKeys } = require('librechat-data-provider');
const { createCatalog, MCPServersRegistry } = require('../librechat-api');
const { getLogStores } = require('./cache');

module.exports = createCatalog({
  cache: getLogStores(CacheKeys.TOOL_CACHE),
  registry: MCPServersRegistry.getInstance,
  logger,
});
