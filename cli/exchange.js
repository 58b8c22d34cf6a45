/** A user's token, exchanged for one that a server takes. What is told of either are claims, never the token. */

const { isMapping, serverOf } = require('./config');
const { Failure } = require('./failure');
const { grantOf } = require('./grants');
const { summary } = require('./output');
const { USER, openIdConfig } = require('./runtime');
const { knownOf, obstacle } = require('./server');

const MAX_TOKEN_CHARACTERS = 64 * 1024;

/** Who mends a step of an enterprise grant that failed, by the error's `mendedBy`. */
const MENDERS = {
  user: 'The user signs in again: the ID token is not good any more.',
  operator:
    'Correct `oauth` of the server, and its clients: that of `identity_provider` at the provider, `client_id` at the server.',
  identity_provider: 'Whoever administers the identity provider has to allow the exchange.',
  server: "Whoever administers the server's authorization server has to trust the identity provider, and what it says.",
};

/**
 * How a server's tokens are exchanged.
 *
 * @returns `{ kind, reason, prepare(), make(token), failureOf(error), userWith(token) }`. `kind` is which token of the user is
 *   wanted: `access` or `ID`. `make` resolves to `{ expiresIn, scope, claims }` of an access token, to
 *   `{ expiresIn, idToken, idJag }` of an ID token. `userWith` is the user whose calls are made with such tokens
 */
function exchangeOf(context, name) {
  const { runtime, config } = context;
  const server = serverOf(config, name);
  const user = (federatedTokens) => ({ ...USER, provider: 'openid', openidId: USER.id, federatedTokens });
  if (server.obo?.scopes) {
    const userWith = (token) => user({ access_token: token });
    return {
      kind: 'access',
      prepare: openIdConfig,
      userWith,
      async make(token) {
        const exchanged = await runtime.exchangeOboToken(userWith(token), token, server.obo.scopes, false);
        const { access_token: accessToken, expires_in: expiresIn, scope } = exchanged;
        return { expiresIn, scope, claims: claimsOf(accessToken) };
      },
      failureOf: (error) => failureOf(context, name, error, error),
    };
  }
  const grant = grantOf(server);
  if (grant?.type !== 'enterprise') {
    throw new Failure(`The server "${name}" has no obo.scopes, and no oauth.grant: enterprise`, {
      hint: 'Only servers with one of them take such tokens.',
    });
  }
  const hindered = obstacle(context, name);
  if (hindered) throw new Failure(hindered.message, hindered);
  const userWith = (token) => user({ id_token: token });
  return {
    kind: 'ID',
    reason: grant.reason,
    prepare: async () => (server.oauth.identity_provider ? undefined : openIdConfig()),
    userWith,
    async make(token) {
      const { expiresIn, idJag = null } = await runtime.explainEnterpriseToken(userWith(token), name);
      return { expiresIn, idToken: claimsOf(token), idJag };
    },
    failureOf: (error) => failureOf(context, name, error, sourceOf(error)),
  };
}

/** @param source  what the error is shown as */
function failureOf(context, name, { detail, mendedBy }, source) {
  const failure = { ...summary(source, knownOf(context, name)), detail, mendedBy };
  failure.hint = MENDERS[mendedBy] ?? failure.hint;
  return failure;
}

/** The error of the step that failed. What is around it is for users, who are told less. */
function sourceOf(error) {
  let source = error;
  while (source.cause?.code) source = source.cause;
  return source;
}

/** Refuses what cannot be a token; tells nothing of it. */
function checkToken(kind, token, { where, hint }) {
  if (token === '' || token.length > MAX_TOKEN_CHARACTERS || /\s/.test(token)) {
    throw new Failure(`No ${kind} token ${where}`, { code: 'MCP_INVALID_ARGUMENT', hint });
  }
  return token;
}

/** The claims of a JWT; the signature is for whom it is made for to judge. */
function claimsOf(token) {
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString('utf8'));
    return isMapping(claims) ? claims : null;
  } catch {
    return null;
  }
}

module.exports = { MAX_TOKEN_CHARACTERS, checkToken, claimsOf, exchangeOf };
