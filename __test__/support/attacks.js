const { takeOver } = require('./attacker');
const { useAuthorization } = require('./authorization');

/** The documents that say that the attacker is the server's authorization server. */
const itself = (attacker, { server }, changes) => ({
  resource: { resource: server.url, authorization_servers: [attacker.origin] },
  metadata: attacker.metadata(changes),
});

/** The honest metadata with the attacker's token endpoint; `resource` is whether a document leads to it. */
const bent =
  (changes, resource = true) =>
  (attacker, host, real) => ({
    resource: resource ? itself(attacker, host).resource : null,
    metadata: { ...real, token_endpoint: `${attacker.origin}/token`, ...changes?.(attacker, host) },
  });

/** Ways to publish metadata that lead to the attacker: `(attacker, host, real) => what is published`. */
const LURES = [
  ['the honest issuer with another token endpoint', bent()],
  ['the same at its own origin, without a resource document', bent(undefined, false)],
  ['no issuer', bent(() => ({ issuer: undefined }))],
  ['an issuer that is no text', bent(({ origin }) => ({ issuer: [origin] }))],
  [
    'an issuer that is the server’s URL, without a resource document',
    bent((_, { server }) => ({ issuer: server.url }), false),
  ],
  [
    'an issuer of its own with the honest authorization endpoint',
    (attacker, host, { authorization_endpoint, registration_endpoint }) =>
      itself(attacker, host, { authorization_endpoint, registration_endpoint }),
  ],
  [
    'all endpoints at its own origin, under the honest issuer',
    (attacker, _, { issuer }) => ({ resource: null, metadata: attacker.metadata({ issuer }) }),
  ],
  ['an issuer of its own with everything', (attacker, host) => itself(attacker, host)],
  ['nothing at all', () => ({ resource: null, metadata: null })],
];

/** An honest authorization server for a suite, and hosts whose MCP server an attacker takes over. */
function useAttacks() {
  const suite = useAuthorization();
  const honest = () => suite.authorizationServer;

  /** The honest authorization server's metadata. */
  const announced = async () => (await fetch(`${honest().issuer}/.well-known/openid-configuration`)).json();

  /** A host that knows no user yet, its server in the attacker's hands and still honest. */
  async function unknown(options) {
    const host = await suite.host(options);
    return { host, attacker: takeOver(host.server), real: await announced() };
  }

  /** The same with a user who has signed in; `secrets` are what the attacker wants. */
  async function signedIn(options) {
    const parties = await unknown(options);
    const { tokens, clientInfo } = await parties.host.authorize();
    return { ...parties, tokens, clientInfo, secrets: [tokens.refresh_token, clientInfo.client_secret] };
  }

  return { honest, announced, unknown, signedIn };
}

module.exports = { LURES, itself, useAttacks };
