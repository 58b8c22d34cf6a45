const { redactAllServerSecrets, redactServerSecrets } = require('librechat-mcp-native');
const { cacheMCPServerTools, getMCPServerTools } = require('../../../../shared/tool-cache');
const { getMCPManager, getMCPServersRegistry } = require('../../config');
const { resolveAllMcpConfigs } = require('../services/MCP');
const { acceptConfig, answerError } = require('../../../../shared/user-configs');

/**
 * The handlers of `routes/mcp.js`.
 *
 * @typedef {import('express').Request} Request
 * @typedef {import('express').Response} Response
 */

/**
 * Tools from the cache, else those of an open connection, which are kept then.
 *
 * @param {string} userId
 * @param {string} serverName
 * @param {LibreChat.ServerConfig} serverConfig
 */
async function toolsOf(userId, serverName, serverConfig) {
  const cached = await getMCPServerTools(userId, serverName, serverConfig);
  if (cached) return cached;
  const snapshot = await getMCPManager().getServerToolFunctionsSnapshot(userId, serverName, serverConfig);
  const { tools: serverTools, publicationGeneration, publicationRevision } = snapshot;
  if (!serverTools) return {};
  const order = { publicationGeneration, publicationRevision };
  await cacheMCPServerTools({ userId, serverName, serverTools, serverConfig, ...order });
  return serverTools;
}

/**
 * @param {Request} req
 * @param {Response} res
 */
async function getMCPTools(req, res) {
  /** @type {Record<string, object>} */
  const servers = {};
  for (const [serverName, config] of Object.entries(await resolveAllMcpConfigs(req.user))) {
    servers[serverName] = { name: serverName, tools: Object.keys(await toolsOf(req.user.id, serverName, config)) };
  }
  return res.json({ servers });
}

/** Whoever stored a server may change it. */
const OWN = { canEdit: true };

/**
 * @param {Request} req
 * @param {Response} res
 */
async function getMCPServersList(req, res) {
  const configs = await resolveAllMcpConfigs(req.user);
  const canEditByServer = new Map(
    Object.entries(configs).map(([name, { source, author }]) => [name, source === 'user' && author === req.user.id]),
  );
  return res.json(redactAllServerSecrets(configs, { canEditByServer }));
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
    return res.status(201).json({ serverName: added.serverName, ...redactServerSecrets(added.config, OWN) });
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
    const updated = await getMCPServersRegistry().updateServer(serverName, config, 'DB', req.user.id);
    return res.json(redactServerSecrets(updated, OWN));
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
