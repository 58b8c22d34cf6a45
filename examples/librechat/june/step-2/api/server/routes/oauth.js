/**
 * The OAuth routes of `api/server/routes/mcp.js`.
 *
 * @typedef {import('express').Response} Response
 */

const { getTenantId, tenantStorage } = require('@librechat/data-schemas');
const { CacheKeys } = require('librechat-data-provider');
const express = require('express');
const {
  setOAuthCsrfCookie,
  setOAuthSession,
  validateOAuthCsrf,
  validateOAuthSession,
} = require('../../../../../librechat-api');
const { requireJwtAuth } = require('../../../../../shared/auth');
const { getLogStores } = require('../../../../../shared/cache');
const { findToken, createToken, updateToken } = require('../../../../../shared/models');
const { updateMCPServerTools } = require('../../../../update-tools');
const {
  getFlowStateManager,
  getMCPManager,
  getMCPServersRegistry,
  getOAuthReconnectionManager,
  logger,
  MCPOAuthHandler,
  MCPTokenStorage,
} = require('../../config');

const COOKIE_PATH = '/api/mcp';
const PENDING_STALE_MS = 2 * 60 * 1000;

const router = express.Router();
const flows = () => getFlowStateManager(getLogStores(CacheKeys.FLOWS));
/** @param {import('express').Request<{ flowId: string }>} req */
const isOwn = (req) => req.params.flowId.startsWith(`${req.user.id}:`);
/**
 * @param {Response} res
 * @param {string} reason
 */
const failed = (res, reason) => res.redirect(`/oauth/error?error=${encodeURIComponent(reason)}`);

/** The user clicks on the link of the UI: a new authorization URL for the pending flow. */
router.get('/:serverName/oauth/initiate', requireJwtAuth, setOAuthSession, async (req, res) => {
  const { serverName } = req.params;
  const { userId, flowId } = req.query;
  if (userId !== req.user.id) return res.status(403).json({ error: 'User mismatch' });

  const flow = await flows().getFlowState(String(flowId), 'mcp_oauth');
  if (!flow) return res.status(404).json({ error: 'Flow not found' });
  const { serverUrl, oauth = {} } = flow.metadata ?? {};
  if (!serverUrl) return res.status(400).json({ error: 'Invalid flow state' });

  const registry = getMCPServersRegistry();
  const config = await registry.getServerConfig(serverName, userId);
  const initiated = await MCPOAuthHandler.initiateOAuthFlow(
    serverName,
    serverUrl,
    userId,
    config?.oauth_headers ?? {},
    oauth,
    registry.getAllowedDomains(),
    findToken,
    registry.getAllowedAddresses(),
  );
  await flows().initFlow(initiated.flowId, 'mcp_oauth', initiated.flowMetadata);
  await MCPOAuthHandler.storeStateMapping(initiated.flowMetadata.state, initiated.flowId, flows());
  setOAuthCsrfCookie(res, initiated.flowId, COOKIE_PATH);
  return res.redirect(initiated.authorizationUrl);
});

/**
 * Whether this browser may end the flow: the one that began it, or any while a flow is young and pending.
 *
 * @param {Pick<import('express').Request, 'headers'>} req
 * @param {Response} res
 * @param {string} flowId
 * @param {LibreChat.Flow | null} flow
 */
async function mayEndFlow(req, res, flowId, flow) {
  if (validateOAuthCsrf(req, res, flowId, COOKIE_PATH)) return true;
  if (validateOAuthSession(req, flowId.split(':')[0])) return true;
  return flow?.status === 'PENDING' && Date.now() - flow.createdAt < PENDING_STALE_MS;
}

/** The authorization server sends the browser back here. */
router.get('/:serverName/oauth/callback', async (req, res) => {
  try {
    const { serverName } = req.params;
    const { code, state, iss, error } = req.query;
    if (typeof state !== 'string') return failed(res, error ? String(error) : 'missing_state');

    const flowId = await MCPOAuthHandler.resolveStateToFlowId(state, flows());
    if (!flowId) return failed(res, 'invalid_state');
    const flow = await flows().getFlowState(flowId, 'mcp_oauth');
    if (!(await mayEndFlow(req, res, flowId, flow))) return failed(res, 'csrf_validation_failed');
    if (error) {
      await flows().failFlow(flowId, 'mcp_oauth', String(error));
      return failed(res, String(error));
    }
    if (typeof code !== 'string') return failed(res, 'missing_code');
    const done = `/oauth/success?serverName=${encodeURIComponent(serverName)}`;
    if (flow?.status === 'COMPLETED') return res.redirect(done);

    const metadata = await MCPOAuthHandler.getFlowState(flowId, flows());
    if (!metadata) return failed(res, 'invalid_state');
    await inTenant(metadata.tenantId, () => completeFlow(flowId, metadata, { code, state, iss: iss && String(iss) }));
    return res.redirect(done);
  } catch (error) {
    logger.error('[MCP OAuth] OAuth callback error', error);
    return failed(res, 'callback_failed');
  }
});

/**
 * The redirect of another site carries no login; who began the flow said which tenant is theirs.
 *
 * @param {string | undefined} tenantId
 * @param {() => Promise<void>} work
 */
const inTenant = (tenantId, work) => (tenantId && !getTenantId() ? tenantStorage.run({ tenantId }, work) : work());

/**
 * @param {string} flowId
 * @param {Record<string, any>} flow
 * @param {{ code: string, state: string, iss: string | undefined }} received
 */
async function completeFlow(flowId, flow, { code, state, iss }) {
  const { userId, serverName, clientInfo, metadata, oauthHeaders } = flow;
  const received = { state, iss };
  const tokens = await MCPOAuthHandler.completeOAuthFlow(flowId, code, flows(), oauthHeaders ?? {}, received);
  await MCPTokenStorage.storeTokens({
    userId,
    serverName,
    tokens,
    clientInfo,
    metadata,
    findToken,
    createToken,
    updateToken,
  });
  await MCPOAuthHandler.deleteStateMapping(state, flows());
  await flows().deleteFlow(flowId, 'mcp_get_tokens');
  try {
    const connection = await getMCPManager().getUserConnection({ user: { id: userId }, serverName });
    getOAuthReconnectionManager().clearReconnection(userId, serverName);
    await updateMCPServerTools({ userId, serverName, tools: await connection.fetchTools() });
  } catch (error) {
    logger.warn(`[MCP OAuth] Failed to reconnect ${serverName} after OAuth, but tokens are saved:`, error);
  }
}

router.get('/oauth/tokens/:flowId', requireJwtAuth, async (req, res) => {
  if (!isOwn(req)) return res.status(403).json({ error: 'Access denied' });
  const flow = await flows().getFlowState(req.params.flowId, 'mcp_oauth');
  if (!flow) return res.status(404).json({ error: 'Flow not found' });
  if (flow.status !== 'COMPLETED') return res.status(400).json({ error: 'Flow not completed' });
  return res.json({ tokens: flow.result });
});

router.get('/oauth/status/:flowId', requireJwtAuth, async (req, res) => {
  if (!isOwn(req)) return res.status(403).json({ error: 'Access denied' });
  const flow = await flows().getFlowState(req.params.flowId, 'mcp_oauth');
  if (!flow) return res.status(404).json({ error: 'Flow not found' });
  const { status, error } = flow;
  return res.json({ status, completed: status === 'COMPLETED', failed: status === 'FAILED', error });
});

router.post('/oauth/cancel/:serverName', requireJwtAuth, async (req, res) => {
  const { serverName } = req.params;
  const flowId = MCPOAuthHandler.generateFlowId(req.user.id, serverName);
  const isPending = await flows().failFlow(flowId, 'mcp_oauth', 'User cancelled OAuth flow');
  const message = isPending ? `OAuth flow for ${serverName} cancelled successfully` : 'No active OAuth flow to cancel';
  return res.json({ success: true, message });
});

/** Binds a flow that was begun outside of a request, such as in a chat, to the browser that opens its URL. */
router.post('/:serverName/oauth/bind', requireJwtAuth, setOAuthSession, (req, res) => {
  setOAuthCsrfCookie(res, MCPOAuthHandler.generateFlowId(req.user.id, req.params.serverName), COOKIE_PATH);
  return res.json({ success: true });
});

module.exports = { COOKIE_PATH, router };
