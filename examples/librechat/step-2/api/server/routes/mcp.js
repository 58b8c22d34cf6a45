/** `api/server/routes/mcp.js`; its OAuth routes are in `oauth.js`. */

const { getTenantId } = require('@librechat/data-schemas');
const express = require('express');
const { Permissions, PermissionTypes } = require('librechat-data-provider');
const { generateCheckAccess, setOAuthCsrfCookie, setOAuthSession } = require('../../../../librechat-api');
const { requireJwtAuth } = require('../../../../shared/auth');
const { OAUTH_HANDLING_TIMEOUT } = require('../../../../shared/flows');
const { getRoleByName } = require('../../../../shared/models');
const { invalidateCachedTools } = require('../../../../shared/tool-cache');
const { getMCPManager, getMCPServersRegistry, MCPOAuthHandler } = require('../../config');
const controllers = require('../controllers/mcp');
const { getMCPSetupData, getServerConnectionStatus, resolveConfigServers } = require('../services/MCP');
const { reinitMCPServer } = require('../services/Tools/mcp');
const { uninstallOAuthMCP } = require('../services/uninstallMCP');
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
  const configServers = await resolveConfigServers(user);
  const serverConfig = await getMCPServersRegistry().getServerConfig(serverName, user.id, configServers);
  if (!serverConfig) {
    return res.status(404).json({ error: `MCP server '${serverName}' not found in configuration` });
  }
  // What a connection of before lists from now on is not published any more.
  await invalidateCachedTools({ userId: user.id, serverName });
  await getMCPManager().disconnectUserConnection(user.id, serverName);
  const result = await reinitMCPServer({ user, serverName, serverConfig, configServers });
  if (!result) return res.status(500).json({ error: 'Failed to reinitialize MCP server for user' });

  const { success, message, oauthRequired, oauthUrl, oauthExpiresAt, failureReason, connectionDeferred } = result;
  const flowId = oauthRequired ? MCPOAuthHandler.generateFlowId(user.id, serverName, getTenantId()) : undefined;
  if (flowId) setOAuthCsrfCookie(res, flowId, COOKIE_PATH);
  const oauthTimeout = oauthExpiresAt ? Math.max(0, oauthExpiresAt - Date.now()) : OAUTH_HANDLING_TIMEOUT;
  return res.json({
    success,
    message,
    oauthUrl,
    flowId,
    oauthTimeout: oauthRequired ? oauthTimeout : undefined,
    serverName,
    oauthRequired,
    failureReason,
    connectionDeferred,
  });
});

/** In LibreChat a part of `/api/user/plugins`. */
router.post('/:serverName/uninstall', checkUse, async (req, res) => {
  const { serverName } = req.params;
  await uninstallOAuthMCP(req.user, serverName);
  await invalidateCachedTools({ userId: req.user.id, serverName });
  await getMCPManager().disconnectUserConnection(req.user.id, serverName);
  return res.json({ success: true });
});

router.get('/connection/status', async (req, res) => {
  const setup = await getMCPSetupData(req.user);
  /** @type {Record<string, object>} */
  const connectionStatus = {};
  for (const serverName of Object.keys(setup.mcpConfig)) {
    connectionStatus[serverName] = await getServerConnectionStatus(serverName, setup);
  }
  return res.json({ success: true, connectionStatus });
});

router.get('/connection/status/:serverName', async (req, res) => {
  const { serverName } = req.params;
  const setup = await getMCPSetupData(req.user);
  if (!setup.mcpConfig[serverName]) {
    return res.status(404).json({ error: `MCP server '${serverName}' not found in configuration` });
  }
  const { connectionState, requiresOAuth } = await getServerConnectionStatus(serverName, setup);
  return res.json({ success: true, serverName, connectionStatus: connectionState, requiresOAuth });
});

router.get('/servers', checkUse, controllers.getMCPServersList);
router.post('/servers', checkCreate, controllers.createMCPServerController);
router.patch('/servers/:serverName', checkCreate, controllers.updateMCPServerController);
router.delete('/servers/:serverName', checkCreate, controllers.deleteMCPServerController);

module.exports = router;
