/**
 * LibreChat's own manager and OAuth handler, which step 1 leaves in place, as far as the example calls tools and signs
 * users in. They use the tokens that the addon stored and refreshed, and the other way round.
 */

const { CacheKeys, Constants } = require('librechat-data-provider');
const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
const { StreamableHTTPClientTransport } = require('@modelcontextprotocol/sdk/client/streamableHttp.js');
const { MCPServersRegistry, MCPUser } = require('../../../../librechat-api');
const { getLogStores } = require('../../../../shared/cache');
const { getFlowStateManager } = require('../../../../shared/flows');
const { findToken, createToken, updateToken, deleteTokens } = require('../../../../shared/models');

const methods = { findToken, createToken, updateToken, deleteTokens };
const flows = () => getFlowStateManager(getLogStores(CacheKeys.FLOWS));

/**
 * @param {string} userId
 * @param {string} serverName
 */
const mcpUser = (userId, serverName) => new MCPUser({ methods, flowManager: flows(), userId, serverName });

/**
 * @param {object} call
 * @param {LibreChat.User} call.user
 * @param {string} call.toolKey
 * @param {any} call.toolArguments
 */
async function callMCPTool({ user, toolKey, toolArguments }) {
  const [toolName, serverName] = toolKey.split(Constants.mcp_delimiter);
  const { url, requiresOAuth } = (await MCPServersRegistry.getInstance().getServerConfig(serverName, user.id)) ?? {};
  const tokens = requiresOAuth ? await mcpUser(user.id, serverName).connect() : undefined;
  const headers = tokens ? { authorization: `Bearer ${tokens.access_token}` } : undefined;
  const client = new Client({ name: 'librechat', version: '1.0.0' });
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  try {
    const { content } = /** @type {any} */ (await client.callTool({ name: toolName, arguments: toolArguments }));
    return content.map((/** @type {{ text?: string }} */ { text }) => text).join('\n');
  } finally {
    await client.close();
  }
}

/**
 * The callback of `routes/mcp.js`: the user who comes back from the authorization server.
 *
 * @param {Record<string, any>} query
 */
async function completeSignIn({ code, state }) {
  const mapping = await flows().getFlowState(state, 'mcp_oauth_state');
  const flowId = mapping?.metadata.flowId;
  const flow = flowId && (await flows().getFlowState(flowId, 'mcp_oauth'));
  if (flow?.status !== 'PENDING' || flow.metadata.state !== state) throw new Error('invalid_state');
  const { userId, serverName } = flow.metadata;
  const tokens = await mcpUser(userId, serverName).finishSignIn(flow.metadata, code);
  await flows().completeFlow(flowId, 'mcp_oauth', tokens);
  await flows().deleteFlow(state, 'mcp_oauth_state');
}

module.exports = { callMCPTool, completeSignIn };
