/** `api/server/routes/mcp.js`; its OAuth routes are in `oauth.js`. */

const express = require('express');
const { Permissions, PermissionTypes } = require('librechat-data-provider');
const { generateCheckAccess, setOAuthCsrfCookie, setOAuthSession } = require('../../../../../librechat-api');
const { requireJwtAuth } = require('../../../../../shared/auth');
const { getRoleByName } = require('../../../../../shared/models');
const { getMCPManager, getMCPServersRegistry, MCPOAuthHandler } = require('../../config');
const controllers = require('../controllers/mcp');
const { getMCPSetupData, getServerConnectionStatus } = require('../services/MCP');
const { reinitMCPServer } = require('../services/Tools/mcp');
const { COOKIE_PATH, router: oauth } = require('./oauth');

const router = express.Router();
/** @param {string[]} permissions */
const check = (...permissions) =>
  generateCheckAccess({ permissionType: PermissionTypes.MCP_SERVERS, permissions, getRoleByName });
const checkUse = check(Permissions.USE);
const checkCreate = check(Permissions.USE, Permissions.CREATE);

router.use(oauth);
router.use(requireJwtAuth);

router.get('/tools', checkUse, controllers.getMCPTools);

router.post('/:serverName/reinitialize', checkUse, setOAuthSession, async (req, res) => {
  const { user } = req;
  const { serverName } = req.params;
  const serverConfig = await getMCPServersRegistry().getServerConfig(serverName, user.id);
  if (!serverConfig) {
    return res.status(404).json({ error: `MCP server '${serverName}' not found in configuration` });
  }
  await getMCPManager().disconnectUserConnection(user.id, serverName);
  const result = await reinitMCPServer({ user, serverName, serverConfig });
  if (!result) return res.status(500).json({ error: 'Failed to reinitialize MCP server for user' });

  const { success, message, oauthRequired, oauthUrl } = result;
  if (oauthRequired) setOAuthCsrfCookie(res, MCPOAuthHandler.generateFlowId(user.id, serverName), COOKIE_PATH);
  return res.json({ success, message, oauthUrl, serverName, oauthRequired });
});

router.get('/connection/status', async (req, res) => {
  const setup = await getMCPSetupData(req.user.id);
  /** @type {Record<string, object>} */
  const connectionStatus = {};
  for (const serverName of Object.keys(setup.mcpConfig)) {
    connectionStatus[serverName] = await getServerConnectionStatus(req.user.id, serverName, setup);
  }
  return res.json({ success: true, connectionStatus });
});

router.get('/connection/status/:serverName', async (req, res) => {
  const { serverName } = req.params;
  const setup = await getMCPSetupData(req.user.id);
  if (!setup.mcpConfig[serverName]) {
    return res.status(404).json({ error: `MCP server '${serverName}' not found in configuration` });
  }
  const { connectionState, requiresOAuth } = await getServerConnectionStatus(req.user.id, serverName, setup);
  return res.json({ success: true, serverName, connectionStatus: connectionState, requiresOAuth });
});

router.get('/servers', checkUse, controllers.getMCPServersList);
router.post('/servers', checkCreate, controllers.createMCPServerController);
router.patch('/servers/:serverName', checkCreate, controllers.updateMCPServerController);
router.delete('/servers/:serverName', checkCreate, controllers.deleteMCPServerController);

module.exports = router;
