/** `api/server/services/Config/mcp.js` of LibreChat: the tools of a user's server, as functions, in the cache. */

const { CacheKeys, Constants } = require('librechat-data-provider');
const { getLogStores } = require('./cache');

const cacheKey = (userId, serverName) => `tools:mcp:${userId}:${serverName}`;

async function updateMCPServerTools({ userId, serverName, tools }) {
  const serverTools = {};
  for (const { name, description = '', inputSchema } of tools) {
    const key = `${name}${Constants.mcp_delimiter}${serverName}`;
    const parameters = inputSchema ?? { type: 'object', properties: {} };
    serverTools[key] = { type: 'function', function: { name: key, description, parameters } };
  }
  await getLogStores(CacheKeys.TOOL_CACHE).set(cacheKey(userId, serverName), serverTools);
  return serverTools;
}

const getMCPServerTools = (userId, serverName) => getLogStores(CacheKeys.TOOL_CACHE).get(cacheKey(userId, serverName));

module.exports = { getMCPServerTools, updateMCPServerTools };
