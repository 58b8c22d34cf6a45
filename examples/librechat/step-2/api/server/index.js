/** LibreChat's server with its MCP layer replaced. */

const { serve } = require('../../../shared/server');
const { getOAuthReconnectionManager, runtime } = require('../config');
const mcp = require('./routes/mcp');
const initializeMCPs = require('./services/initializeMCPs');
const initializeOAuthReconnectManager = require('./services/initializeOAuthReconnectManager');
const { callMCPTool } = require('./services/MCP');

serve({
  getOAuthReconnectionManager,
  runtime,
  mcp,
  initializeMCPs,
  initializeOAuthReconnectManager,
  callMCPTool,
});
