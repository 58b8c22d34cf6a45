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
} = require('../../../../librechat-api');
const { requireJwtAuth } = require('../../../../shared/auth');
const { getLogStores } = require('../../../../shared/cache');
const { OAUTH_HANDLING_TIMEOUT } = require('../../../../shared/flows');
const { findToken, createToken, updateToken, deleteTokens } = require('../../../../shared/models');
const { updateMCPServerTools } = require('../../../../shared/tool-cache');
const {
  getFlowStateManager,
  getMCPManager,
  getMCPServersRegistry,
  getOAuthReconnectionManager,
  logger,
  MCPOAuthHandler,
  MCPTokenStorage,
} = require('../../config');
const { resolveAllMcpConfigs } = require('../services/MCP');

const COOKIE_PATH = '/api/mcp';
const tokenMethods = { findToken, createToken, updateToken, deleteTokens };

const router = express.Router();
const flows = () => getFlowStateManager(getLogStores(CacheKeys.FLOWS));
/**
 * @param {string} userId
 * @param {string} serverName
 */
const flowIdOf = (userId, serverName) => MCPOAuthHandler.generateFlowId(userId, serverName, getTenantId());

/** @param {import('express').Request<{ flowId: string }>} req */
function isOwn(req) {
  const parsed = MCPOAuthHandler.parseFlowId(req.params.flowId);
  return parsed?.userId === req.user.id && (!parsed.tenantId || parsed.tenantId === getTenantId());
}

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
  if (flowId !== flowIdOf(req.user.id, serverName)) return res.status(403).json({ error: 'Flow mismatch' });

  const flow = await flows().getFlowState(flowId, 'mcp_oauth');
  if (!flow) return res.status(404).json({ error: 'Flow not found' });
  const { serverUrl, oauth = {} } = flow.metadata ?? {};
  if (!serverUrl) return res.status(400).json({ error: 'Invalid flow state' });

  const registry = getMCPServersRegistry();
  const config = await registry.getServerConfig(serverName, userId);
  const { allowedDomains, allowedAddresses } = await registry.resolveAllowlists({ userId, role: req.user.role });
  const initiated = await MCPOAuthHandler.initiateOAuthFlow(
    serverName,
    serverUrl,
    userId,
    config?.oauth_headers ?? {},
    oauth,
    allowedDomains,
    findToken,
    allowedAddresses,
    getTenantId(),
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
  if (validateOAuthSession(req, MCPOAuthHandler.parseFlowId(flowId)?.userId ?? '')) return true;
  return flow?.status === 'PENDING' && isYoung(flow);
}

/** @param {LibreChat.Flow} flow */
const isYoung = ({ createdAt }) => Date.now() - createdAt < OAUTH_HANDLING_TIMEOUT;

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
    // Flow ids are the same for each attempt, states are not.
    if (metadata?.state !== state || flow?.status !== 'PENDING' || !isYoung(flow)) return failed(res, 'invalid_state');
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
 * Tokens are stored before anybody hears that the flow is complete.
 *
 * @param {string} flowId
 * @param {Record<string, any>} flow
 * @param {{ code: string, state: string, iss: string | undefined }} received
 */
async function completeFlow(flowId, flow, { code, state, iss }) {
  const { userId, serverName, oauthHeaders } = flow;
  await MCPOAuthHandler.completeOAuthFlow(
    flowId,
    code,
    flows(),
    oauthHeaders ?? {},
    (/** @type {any} */ tokens) => persist(flow, tokens),
    { state, iss },
  );
  await MCPOAuthHandler.deleteStateMapping(state, flows());
  try {
    await publishTools(userId, serverName);
  } catch (error) {
    logger.warn(`[MCP OAuth] Failed to reconnect ${serverName} after OAuth, but tokens are saved:`, error);
  }
}

/**
 * @param {Record<string, any>} flow
 * @param {any} tokens
 */
async function persist(flow, tokens) {
  const { userId, serverName, clientInfo, metadata, resourceMetadata, serverUrl, clientSource } = flow;
  const stored = await MCPTokenStorage.storeTokens({
    userId,
    serverName,
    tokens,
    clientInfo,
    metadata: MCPOAuthHandler.buildStoredClientMetadata(metadata, resourceMetadata, serverUrl, clientSource),
    flowManager: flows(),
    persistenceWaitTimeoutMs: flow.oauthPersistenceWaitTimeout,
    ...tokenMethods,
  });
  const tokenFlowId = MCPOAuthHandler.generateTokenFlowId(userId, serverName, flow.tenantId);
  const waiting = await flows().getFlowState(tokenFlowId, 'mcp_get_tokens');
  if (waiting?.status === 'PENDING') await flows().completeFlow(tokenFlowId, 'mcp_get_tokens', stored);
  else await flows().deleteFlow(tokenFlowId, 'mcp_get_tokens');
  return stored;
}

/**
 * Connects with the new tokens, and publishes what the server has for this user.
 *
 * @param {string} userId
 * @param {string} serverName
 */
async function publishTools(userId, serverName) {
  const user = { id: userId };
  const serverConfig = (await resolveAllMcpConfigs(user))[serverName];
  const manager = getMCPManager();
  const wanted = { user, serverName, serverConfig, flowManager: flows(), tokenMethods };
  const { tools, complete, publicationGeneration } = await manager.withUserConnectionLease(
    wanted,
    async (/** @type {any} */ connection) => {
      getOAuthReconnectionManager().clearReconnection(userId, serverName);
      const publicationGeneration = manager.getToolPublicationGeneration(connection);
      return { ...(await connection.fetchOrderedToolsSnapshot()), publicationGeneration };
    },
  );
  if (complete) await updateMCPServerTools({ userId, serverName, tools, serverConfig, publicationGeneration });
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
  const flowId = flowIdOf(req.user.id, serverName);
  const isPending = await flows().failFlow(flowId, 'mcp_oauth', 'User cancelled OAuth flow');
  const message = isPending ? `OAuth flow for ${serverName} cancelled successfully` : 'No active OAuth flow to cancel';
  return res.json({ success: true, message });
});

/** Binds a flow that was begun outside of a request, such as in a chat, to the browser that opens its URL. */
router.post('/:serverName/oauth/bind', requireJwtAuth, setOAuthSession, (req, res) => {
  setOAuthCsrfCookie(res, flowIdOf(req.user.id, req.params.serverName), COOKIE_PATH);
  return res.json({ success: true });
});

module.exports = { COOKIE_PATH, router };
