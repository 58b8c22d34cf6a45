const { useAuthorization } = require('./authorization');

const serverName = 'srv';
const TENANT = 'tenant/a b';

/** Members that LibreChat's host of today has; it is known by them. */
const today = { getMCPToolsCacheGeneration: () => 'generation', getTenantId: () => TENANT };

/**
 * Route `GET /:serverName/oauth/callback`.
 *
 * @param persist  in place of storing the tokens
 */
async function callback({ runtime, flowManager, store }, parameters, persist) {
  const { oauth, tokens } = runtime;
  const [code, state] = [parameters.get('code'), parameters.get('state')];
  const flowId = await oauth.resolveStateToFlowId(state, flowManager);
  const owner = oauth.parseFlowId(flowId);
  const flow = await oauth.getFlowState(flowId, flowManager);
  expect(owner).toMatchObject({ userId: flow.userId, serverName: flow.serverName });
  expect(flow.state).toBe(state);
  const seen = [];
  const stored = await oauth.completeOAuthFlow(
    flowId,
    code,
    flowManager,
    flow.oauthHeaders ?? {},
    async (exchanged) => {
      seen.push(exchanged, (await flowManager.getFlowState(flowId, 'mcp_oauth')).status);
      if (persist) return persist(exchanged);
      const { userId, clientInfo } = flow;
      const metadata = oauth.buildStoredClientMetadata(
        flow.metadata,
        flow.resourceMetadata,
        flow.serverUrl,
        flow.clientSource,
      );
      const params = { userId, serverName, tokens: exchanged, clientInfo, metadata, ...store.services.tokenMethods };
      return (await tokens.storeTokens(params)) ?? exchanged;
    },
  );
  return { flowId, flow, stored, seen };
}

/**
 * What `useAuthorization` gives a suite, with LibreChat's routes of August 2026: `initiate`, `callback`, and `authorized`,
 * which is both, for a host of today.
 */
function useOAuthRoutes() {
  const suite = useAuthorization();
  const signIn = (url) => suite.authorizationServer.signIn(url);

  /** Route `GET /:serverName/oauth/initiate`, where the flow has no URL yet. */
  async function initiate(
    { runtime, server, user, flowManager, store },
    { config, tenantId = TENANT, reuse = false } = {},
  ) {
    const { oauth } = runtime;
    const allowed = [suite.authorizationServer.address, server.address];
    const findToken = reuse ? store.services.tokenMethods.findToken : undefined;
    const params = [serverName, server.url, user.id, {}, config, null, findToken, allowed, tenantId];
    const initiated = await oauth.initiateOAuthFlow(...params);
    const { flowId, flowMetadata, authorizationUrl } = initiated;
    await flowManager.initFlow(flowId, 'mcp_oauth', { ...flowMetadata, authorizationUrl, tenantId });
    await oauth.storeStateMapping(flowMetadata.state, flowId, flowManager);
    return initiated;
  }

  /** A host of today whose user has authorized through the routes. */
  async function authorized(options) {
    const host = await suite.host({ services: today, ...options });
    const { authorizationUrl } = await initiate(host);
    return { ...host, ...(await callback(host, await signIn(authorizationUrl))) };
  }

  const isActive = async (token) => (await suite.authorizationServer.introspect(token)).active;
  return { suite, initiate, callback, authorized, signIn, isActive };
}

module.exports = { TENANT, serverName, today, useOAuthRoutes };
