/** Servers that know this program by a client of its own, over a real authorization server. */

const { generateKeyPairSync } = require('node:crypto');
const { startAuthorizationServer } = require('./authorization-server');
const { ECHO } = require('./calls');
const { useFixtures } = require('./fixtures');
const { createUser } = require('./host');
const { startProtectedServer } = require('./protected-server');
const { registerSecrets } = require('./secrets');

const SECRET = 'secret-of-the-operators-client';
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const KEY = privateKey.export({ type: 'pkcs8', format: 'pem' });
registerSecrets(SECRET, KEY);

const machine = (client_id, rest) => ({
  client_id,
  redirect_uris: [],
  response_types: [],
  grant_types: ['client_credentials'],
  scope: 'mcp',
  ...rest,
});
const CLIENTS = [
  machine('basic', { client_secret: SECRET, token_endpoint_auth_method: 'client_secret_basic' }),
  machine('post', { client_secret: SECRET, token_endpoint_auth_method: 'client_secret_post' }),
  machine('keyed', {
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [publicKey.export({ format: 'jwk' })] },
  }),
];
const GRANT = { grant: 'client_credentials', scope: 'mcp' };

/** Whether a tool call was answered by the echo. */
const said = (answer) => JSON.stringify(answer).includes('hi');

/**
 * Starts the authorization server for a suite, with the clients `basic`, `post` and `keyed`.
 *
 * @returns `{ fixtures, authorizationServerOf, start, watch, withKey, withSecret }`; the second returns that server, once it is
 *   there
 */
function useClientCredentials() {
  const fixtures = useFixtures();
  let authorizationServer;
  beforeAll(async () => {
    authorizationServer = await startAuthorizationServer({ clients: CLIENTS });
  }, 60_000);
  afterAll(() => authorizationServer.close());

  /** Token requests since this was called. */
  const watch = ({ requests } = authorizationServer) => {
    const before = requests.length;
    return () => requests.slice(before).filter(({ path }) => path === '/token');
  };
  const withKey = (key) => ({ issuer: authorizationServer.issuer, client_id: 'keyed', private_key_jwt: key });
  const withSecret = (members) => ({ issuer: authorizationServer.issuer, client_secret: SECRET, ...members });

  /** A protected server and a runtime over it. The host has no place for tokens of users. */
  async function start({
    oauth = withSecret({ client_id: 'basic' }),
    config,
    server: options,
    at,
    allow = [],
    ...host
  } = {}) {
    const as = at ?? authorizationServer;
    const server = fixtures.keep(await startProtectedServer(as, options));
    const members = server.config({ requiresOAuth: undefined, oauth: { ...GRANT, ...oauth }, ...config });
    const made = fixtures.runtime({ servers: { srv: members }, allow: [server, as, ...allow], ...host });
    const { runtime } = made;
    const user = createUser();
    const asUser = (user, members) => ({ ...ECHO, user, oauthStart, ...members });
    const oauthStart = jest.fn();
    const tokens = () => [...new Set(server.requests.map(({ headers }) => headers.authorization).filter(Boolean))];
    return {
      ...made,
      server,
      user,
      oauthStart,
      tokens,
      config: members,
      call: (of = user, members) => runtime.manager.callTool(asUser(of, members)),
      reinit: () => runtime.reinitMCPServer({ user, serverName: 'srv', oauthStart }),
    };
  }

  return { fixtures, authorizationServerOf: () => authorizationServer, start, watch, withKey, withSecret };
}

module.exports = { CLIENTS, GRANT, KEY, SECRET, said, useClientCredentials };
