const { checkOboPermission, isMCPDomainNotAllowedError, isMCPInspectionFailedError } = require('librechat-mcp-native');
const { logger } = require('@librechat/data-schemas');
const { MCPServerUserInputSchema, Permissions, PermissionTypes } = require('librechat-data-provider');
const { checkAccess } = require('../librechat-api');
const { getRoleByName } = require('./models');

/**
 * What the controllers of servers do with a user's config, in June and August.
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

module.exports = { acceptConfig, answerError };
