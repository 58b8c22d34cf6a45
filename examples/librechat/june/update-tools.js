/** `api/server/services/Config/mcp.js` of LibreChat: the tools of a user's server, as functions, in the cache. */

const { CacheKeys, Constants } = require('librechat-data-provider');
const { getLogStores } = require('../shared/cache');

/**
 * @param {string | undefined} userId
 * @param {string} serverName
 */
const cacheKey = (userId, serverName) => `tools:mcp:${userId}:${serverName}`;

/** @param {{ userId?: string, serverName: string, tools: import('librechat-mcp-native').MCPTool[] }} params */
async function updateMCPServerTools({ userId, serverName, tools }) {
  /** @type {Record<string, object>} */
  const serverTools = {};
  for (const { name, description = '', inputSchema } of tools) {
    const key = `${name}${Constants.mcp_delimiter}${serverName}`;
    const parameters = inputSchema ?? { type: 'object', properties: {} };
    serverTools[key] = { type: 'function', function: { name: key, description, parameters } };
  }
  await getLogStores(CacheKeys.TOOL_CACHE).set(cacheKey(userId, serverName), serverTools);
  return serverTools;
}

/**
 * @param {string} userId
 * @param {string} serverName
 */
const getMCPServerTools = (userId, serverName) => getLogStores(CacheKeys.TOOL_CACHE).get(cacheKey(userId, serverName));

module.exports = { getMCPServerTools, updateMCPServerTools };
