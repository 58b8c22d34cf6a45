const { createMCPRuntime } = require('../addon');
const { completeBoundAuthorization } = require('../authorization');
const { FlowManager } = require('../flows');
const { createHost } = require('../host');
const { until } = require('../wait');

const AT_ONCE = 4;
const LIMIT_MS = 60_000;

/**
 * Users sign in with a runtime that shares no more than the database with others.
 *
 * @param {{ authorizationServer, server, store, allow }} parts
 * @returns `{ signIn, close }`; `signIn(users)` resolves to those who had to
 */
function openSignIn({ authorizationServer, server, store, allow }) {
  const services = { ...store.services, flowManager: new FlowManager() };
  const host = createHost({ servers: { srv: server.config() }, allow, services });
  const runtime = createMCPRuntime(host.services);

  async function signInOne(user) {
    let oauthUrl;
    const isClear = async () => {
      const { success, oauthRequired, ...answer } = await runtime.reinitMCPServer({ user, serverName: 'srv' });
      oauthUrl = answer.oauthUrl;
      // On a busy machine there may be no URL in time.
      return success && Boolean(oauthUrl) === oauthRequired;
    };
    await until('a URL to sign in at', isClear, LIMIT_MS);
    if (!oauthUrl) return [];
    await completeBoundAuthorization({ runtime, services }, await authorizationServer.signIn(oauthUrl));
    return [user];
  }
  return {
    async signIn(users) {
      const [waiting, signedIn] = [[...users], []];
      const next = async () => {
        for (let user = waiting.pop(); user; user = waiting.pop()) signedIn.push(...(await signInOne(user)));
      };
      await Promise.all(Array.from({ length: AT_ONCE }, next));
      return signedIn;
    },
    close: () => runtime.close(),
  };
}

module.exports = { openSignIn };
