const { useAuthorization } = require('./authorization');

const serverName = 'srv';

/** What `useAuthorization` gives a suite, and flows as LibreChat's routes use the functions of the runtime for them. */
function useOAuthFunctions() {
  const suite = useAuthorization();

  /** A flow as LibreChat's route `oauth/initiate` begins one, its callback's parameters, and what the functions take. */
  async function beginFlow() {
    const host = await suite.host();
    const { server, user, flowManager, runtime, store } = host;
    const { oauth, tokens } = runtime;
    const allowed = [suite.authorizationServer.address, server.address];
    const { findToken } = store.services.tokenMethods;
    const params = [serverName, server.url, user.id, {}, undefined, null, findToken, allowed];
    const initiated = await oauth.initiateOAuthFlow(...params);
    const { flowId, flowMetadata, authorizationUrl } = initiated;
    const begin = async () => {
      await flowManager.initFlow(flowId, 'mcp_oauth', { ...flowMetadata, authorizationUrl });
      await oauth.storeStateMapping(flowMetadata.state, flowId, flowManager);
      const parameters = await suite.authorizationServer.signIn(authorizationUrl);
      return { code: parameters.get('code'), state: parameters.get('state'), iss: parameters.get('iss') };
    };
    const complete = ({ code, ...received }) => oauth.completeOAuthFlow(flowId, code, flowManager, {}, received);
    const row = { userId: user.id, serverName, ...store.services.tokenMethods };
    return { ...host, ...initiated, allowed, oauth, tokens, begin, complete, row };
  }

  /** The same with the tokens that it came to, and `login`, which stores them. */
  async function authorized() {
    const flow = await beginFlow();
    const given = await flow.complete(await flow.begin());
    const { clientInfo, metadata } = flow.flowMetadata;
    const known = { serverName, serverUrl: flow.server.url, clientInfo, storedTokenEndpoint: metadata.token_endpoint };
    const refresh = (token) => flow.oauth.refreshOAuthTokens(token, known, {}, undefined, null, flow.allowed);
    const login = { ...flow.row, tokens: given, clientInfo, metadata };
    return { ...flow, given, clientInfo, metadata, login, refresh };
  }

  const isActive = async (token) => (await suite.authorizationServer.introspect(token)).active;
  return { suite, beginFlow, authorized, isActive };
}

module.exports = { serverName, useOAuthFunctions };
