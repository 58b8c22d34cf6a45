const {
  checkOboPermission,
  isMCPDomainNotAllowedError,
  isMCPInspectionFailedError,
  redactAllServerSecrets,
  redactServerSecrets,
} = require('librechat-mcp-native');
const { MCPServerUserInputSchema, Permissions, PermissionTypes } = require('librechat-data-provider');
const { checkAccess } = require('../../../../../librechat-api');
const { getRoleByName } = require('../../../../../shared/models');
const { getMCPServerTools } = require('../../../../update-tools');
const { getMCPServersRegistry, logger } = require('../../config');

/**
 * The handlers of `routes/mcp.js`.
 *
 * @typedef {import('express').Request} Request
 * @typedef {import('express').Response} Response
 */

/**
 * The two errors with a status of their own; the guards are the addon's, as its errors are.
 *
 * @param {any} error
 * @param {Response} res
 */
function answerError(error, res) {
  if (isMCPDomainNotAllowedError(error) || isMCPInspectionFailedError(error)) {
    return res.status(error.statusCode).json({ error: error.code, message: error.message });
  }
  logger.error('[MCP servers]', error);
  return res.status(500).json({ message: error.message });
}

/** @param {Pick<Request, 'user'>} req */
const canConfigureObo = (req) =>
  checkAccess({
    user: req.user,
    permissionType: PermissionTypes.MCP_SERVERS,
    permissions: [Permissions.CONFIGURE_OBO],
    getRoleByName,
  });

/**
 * The config of the request, if it may be stored in place of `existing`; else the request is answered.
 *
 * @param {Pick<Request, 'body' | 'user'>} req
 * @param {Response} res
 * @param {LibreChat.ServerConfig} [existing]
 */
async function acceptConfig(req, res, existing) {
  const { success, data, error } = MCPServerUserInputSchema.safeParse(req.body?.config);
  if (!success) {
    res.status(400).json({ message: 'Invalid configuration', errors: error.issues });
    return undefined;
  }
  const decision = checkOboPermission({ existing, incoming: data, canConfigureObo: await canConfigureObo(req) });
  if (decision.allowed) return data;
  res.status(decision.status).json({
    message: 'Forbidden: Insufficient permissions to configure OBO',
    lockedFields: decision.lockedFields,
  });
  return undefined;
}

/**
 * @param {Request} req
 * @param {Response} res
 */
async function getMCPTools(req, res) {
  /** @type {Record<string, object>} */
  const servers = {};
  for (const serverName of Object.keys(await getMCPServersRegistry().getAllServerConfigs(req.user.id))) {
    const tools = await getMCPServerTools(req.user.id, serverName);
    servers[serverName] = { name: serverName, tools: Object.keys(tools ?? {}) };
  }
  return res.json({ servers });
}

/**
 * @param {Request} req
 * @param {Response} res
 */
async function getMCPServersList(req, res) {
  return res.json(redactAllServerSecrets(await getMCPServersRegistry().getAllServerConfigs(req.user.id)));
}

/**
 * @param {Request} req
 * @param {Response} res
 */
async function createMCPServerController(req, res) {
  try {
    const config = await acceptConfig(req, res);
    if (!config) return undefined;
    const added = await getMCPServersRegistry().addServer('temp_server_name', config, 'DB', req.user.id);
    return res.status(201).json({ serverName: added.serverName, ...redactServerSecrets(added.config) });
  } catch (error) {
    return answerError(error, res);
  }
}

/**
 * @param {import('express').Request<{ serverName: string }>} req
 * @param {Response} res
 */
async function updateMCPServerController(req, res) {
  try {
    const { serverName } = req.params;
    const existing = await getMCPServersRegistry().getServerConfig(serverName, req.user.id);
    const config = await acceptConfig(req, res, existing);
    if (!config) return undefined;
    return res.json(
      redactServerSecrets(await getMCPServersRegistry().updateServer(serverName, config, 'DB', req.user.id)),
    );
  } catch (error) {
    return answerError(error, res);
  }
}

/**
 * @param {import('express').Request<{ serverName: string }>} req
 * @param {Response} res
 */
async function deleteMCPServerController(req, res) {
  try {
    await getMCPServersRegistry().removeServer(req.params.serverName, 'DB', req.user.id);
    return res.json({ message: 'MCP server deleted successfully' });
  } catch (error) {
    return answerError(error, res);
  }
}

module.exports = {
  createMCPServerController,
  deleteMCPServerController,
  getMCPServersList,
  getMCPTools,
  updateMCPServerController,
};
