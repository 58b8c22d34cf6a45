const { startAuthorizationServer } = require('./authorization-server');
const { ECHO } = require('./calls');
const { FlowManager } = require('./flows');
const { useFixtures } = require('./fixtures');
const { createUser } = require('./host');
const { startMongo } = require('./mongo');
const { startProtectedServer } = require('./protected-server');
const { openTokenStore } = require('./token-store');

/**
 * What LibreChat's callback route does with what the user's browser brings: completes the flow and stores its tokens.
 *
 * @param host        `{ runtime, services }`
 * @param parameters  `URLSearchParams` of the redirect URI
 */
async function completeAuthorization({ runtime, services }, parameters) {
  const { flowManager, tokenMethods } = services;
  const [code, state, iss] = ['code', 'state', 'iss'].map((name) => parameters.get(name) ?? undefined);
  const flowId = await runtime.oauth.resolveStateToFlowId(state, flowManager);
  if (!flowId) throw new Error('the callback has an unknown state');
  const { userId, serverName, clientInfo, metadata } = await runtime.oauth.getFlowState(flowId, flowManager);
  const tokens = await runtime.oauth.completeOAuthFlow(flowId, code, flowManager, {}, { state, iss });
  await runtime.tokens.storeTokens({ userId, serverName, tokens, clientInfo, metadata, ...tokenMethods });
  return { tokens, clientInfo, metadata };
}

/** The same as LibreChat's callback does it today: the client's row says for what it is; rows first, then whoever waits. */
async function completeBoundAuthorization({ runtime, services }, parameters) {
  const { oauth, tokens } = runtime;
  const { flowManager, tokenMethods } = services;
  const { code, state, iss } = Object.fromEntries(parameters);
  const flowId = await oauth.resolveStateToFlowId(state, flowManager);
  const flow = await oauth.getFlowState(flowId, flowManager);
  const { userId, serverName, clientInfo, metadata, resourceMetadata, serverUrl, clientSource } = flow;
  const binding = oauth.buildStoredClientMetadata(metadata, resourceMetadata, serverUrl, clientSource);
  const owner = { userId, serverName, clientInfo, metadata: binding, ...tokenMethods };
  const persist = (exchanged) => tokens.storeTokens({ ...owner, tokens: exchanged });
  const { expires_at } = await oauth.completeOAuthFlow(flowId, code, flowManager, {}, persist, { state, iss });
  await flowManager.deleteFlow(flowId, 'mcp_get_tokens');
  return { expires_at };
}

/**
 * A database and an authorization server for a suite; each test has hosts, protected servers and users of its own. Call
 * once at the top of a suite.
 *
 * @param options  those of `startAuthorizationServer`
 */
function useAuthorization(options) {
  const fixtures = useFixtures();
  const suite = { fixtures };

  // The database may have to be installed first.
  beforeAll(async () => {
    [suite.mongo, suite.authorizationServer] = await Promise.all([startMongo(), startAuthorizationServer(options)]);
  }, 300_000);

  afterAll(async () => {
    for (const thing of [suite.mongo, suite.authorizationServer]) await thing?.close();
  });

  /**
   * A host with one protected server named `srv`, and a user.
   *
   * @param options.config    members of the server's configuration
   * @param options.server    options of `startProtectedServer`
   * @param options.services  further host services
   */
  suite.host = async ({ config, server: serverOptions, services } = {}) => {
    const { authorizationServer, mongo } = suite;
    const server = fixtures.keep(await startProtectedServer(authorizationServer, serverOptions));
    const store = fixtures.keep(await openTokenStore(mongo));
    const flowManager = services?.flowManager ?? new FlowManager();
    const user = createUser();
    const start = () =>
      fixtures.runtime({
        servers: { srv: server.config(config) },
        allow: [server, authorizationServer],
        services: { ...store.services, ...services, flowManager },
      });
    const host = {
      ...start(),
      server,
      store,
      user,
      flowManager,
      /** Another runtime of the same services, as another process has it. */
      start,
      /** Ends the runtime and makes another one, as when the process restarts. */
      async restart() {
        await host.runtime.close();
        Object.assign(host, start());
      },
      /** The bearer tokens of requests with this method. */
      bearers: (method) => server.received(method).map(({ headers }) => headers.authorization?.replace('Bearer ', '')),
      reinit: (params) => host.runtime.reinitMCPServer({ user, serverName: 'srv', ...params }),
      async echo(text) {
        const call = { ...ECHO, user, toolArguments: { text } };
        return JSON.stringify(await host.runtime.manager.callTool(call));
      },
      /** The user signs in and comes back. */
      async authorize() {
        const { oauthUrl } = await host.reinit();
        return completeAuthorization(host, await authorizationServer.signIn(oauthUrl));
      },
    };
    return host;
  };

  return suite;
}

module.exports = { completeAuthorization, completeBoundAuthorization, useAuthorization };
