const { redactAllServerSecrets, redactServerSecrets } = require('librechat-mcp-native');
const { getMCPServerTools } = require('../../../../update-tools');
const { getMCPServersRegistry } = require('../../config');
const { acceptConfig, answerError } = require('../../../../../shared/user-configs');

/**
 * The handlers of `routes/mcp.js`.
 *
 * @typedef {import('express').Request} Request
 * @typedef {import('express').Response} Response
 */

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
