const { ECHO } = require('./calls');
const { useFixtures } = require('./fixtures');
const { createUser } = require('./host');
const { startIdentityProvider } = require('./identity-provider');
const { registerSecrets } = require('./secrets');

const now = () => Math.floor(Date.now() / 1000);
const OBO = { obo: { scopes: 'api://server/.default' } };
const FORWARDED = { headers: { Authorization: 'Bearer {{LIBRECHAT_OPENID_ACCESS_TOKEN}}' } };

/** A user whose token of login time has run out long ago, as that of one who went away for lunch. */
function idleUser(token = 'token-of-the-login') {
  registerSecrets(token);
  const federatedTokens = { access_token: token, expires_at: now() - 3600 };
  const user = createUser({ provider: 'openid', federatedTokens });
  return { ...user, openidId: `subject-${user.id}` };
}

/** A login session: `name-N`, the N counting its refreshes. */
function createSession(name = 'session') {
  const session = {
    asked: [],
    refreshes: 1,
    token: () => `${name}-${session.refreshes}`,
    provider: async (options) => {
      session.asked.push(options);
      if (options?.forceRefresh) session.refreshes += 1;
      registerSecrets(session.token());
      return { access_token: session.token(), expires_at: now() + 3600 };
    },
  };
  return session;
}

const rejection = (promise) =>
  promise.then(
    () => {
      throw new Error('It must not work');
    },
    (error) => error,
  );

/** A user whose login session is alive, and what calls of the user bring along. */
function login() {
  const [user, session] = [idleUser(), createSession()];
  return { user, session, params: { user, upstreamTokenProvider: session.provider } };
}

/** A server called `srv` with an identity provider, for tests of tokens of the login session. */
function useLiveTokens() {
  const fixtures = useFixtures();

  async function setup({ config, services, ...options } = {}) {
    const idp = fixtures.keep(await startIdentityProvider(options));
    const server = await fixtures.server();
    const serverConfig = server.config(config);
    if (serverConfig.type === 'sse') serverConfig.url = server.sseUrl;
    const host = fixtures.runtime({
      servers: { srv: serverConfig },
      allow: [server],
      services: { openIdConfig: () => idp.config, ...services },
    });
    const call = (params) => host.runtime.manager.callTool({ ...ECHO, ...params });
    const reinit = (params) => host.runtime.reinitMCPServer({ serverName: 'srv', ...params });
    const bearers = (what = 'tools/call') =>
      server.requests.filter(({ message }) => message?.method === what).map(({ headers }) => headers.authorization);
    /** Answers requests with one of these tokens with this status. */
    const refuse = (status, ...tokens) => {
      server.fault = ({ request, response, message }) => {
        if (!message || !tokens.some((token) => request.headers.authorization?.endsWith(` ${token}`))) return false;
        response.writeHead(status).end();
        return true;
      };
    };
    return { ...host, idp, server, call, reinit, bearers, refuse };
  }

  return { fixtures, setup };
}

module.exports = { FORWARDED, OBO, createSession, idleUser, login, now, rejection, useLiveTokens };
