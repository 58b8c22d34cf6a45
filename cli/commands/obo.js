/**
 * `obo`: exchanges a token of a user for one that the server takes, and shows what came of it: the user's access token on behalf
 * of the user, or the user's ID token in the two steps of an enterprise grant. Claims are shown, tokens never.
 */

const { serverOf } = require('../config');
const { EXIT, Failure } = require('../failure');
const { grantOf } = require('../grants');
const { clean, paint, print, printFailure, printJson, printTable, progress, summary } = require('../output');
const { USER, openIdConfig, withRuntime } = require('../runtime');
const { knownOf, obstacle } = require('../server');
const { readStdin } = require('../stdin');

const MAX_TOKEN_BYTES = 64 * 1024;

/** Who mends a step of an enterprise grant that failed, by the error's `mendedBy`. */
const MENDERS = {
  user: 'The user signs in again: the ID token is not good any more.',
  operator:
    'Correct `oauth` of the server, and its clients: that of `identity_provider` at the provider, `client_id` at the server.',
  identity_provider: 'Whoever administers the identity provider has to allow the exchange.',
  server: "Whoever administers the server's authorization server has to trust the identity provider, and what it says.",
};

module.exports = async function obo(name, options) {
  return withRuntime(options, async (context) => {
    const exchange = exchangeOf(context, name);
    if (exchange.needsOpenIdClient) await openIdConfig();
    const token = await readToken(exchange.kind);
    const spinner = progress('asking the identity provider', options);
    try {
      exchange.show(await exchange.make(token).finally(spinner.stop), token, options);
      return EXIT.ok;
    } catch (error) {
      const { detail, mendedBy } = error;
      const known = knownOf(context, name);
      const failure = { ...summary(exchange.sourceOf(error), known), detail, mendedBy };
      failure.hint = MENDERS[mendedBy] ?? failure.hint;
      if (options.json) printJson({ name, ok: false, error: failure });
      else printFailure(name, failure);
      return EXIT.failed;
    }
  });
};

/** The error of the step that failed. What is around it is for users, who are told less. */
function sourceOf(error) {
  let source = error;
  while (source.cause?.code) source = source.cause;
  return source;
}

/** Which token the server wants exchanged, how that is done, and how it is shown. */
function exchangeOf(context, name) {
  const { runtime, config } = context;
  const server = serverOf(config, name);
  const user = (federatedTokens) => ({ ...USER, provider: 'openid', openidId: USER.id, federatedTokens });
  if (server.obo?.scopes) {
    return {
      kind: 'access',
      needsOpenIdClient: true,
      make: (token) => runtime.exchangeOboToken(user({ access_token: token }), token, server.obo.scopes, false),
      show: (exchanged, _, options) => showExchanged(name, exchanged, options),
      sourceOf: (error) => error,
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
  return {
    kind: 'ID',
    needsOpenIdClient: !server.oauth.identity_provider,
    make: (token) => runtime.explainEnterpriseToken(user({ id_token: token }), name),
    show: (explained, token, options) => showSteps(name, grant, claimsOf(token), explained, options),
    sourceOf,
  };
}

async function readToken(kind) {
  const text = await readStdin({ limit: MAX_TOKEN_BYTES, ask: `Paste the user's ${kind} token` });
  const token = text?.trim() ?? '';
  if (token === '' || /\s/.test(token)) {
    throw new Failure(`No ${kind} token on stdin`, {
      code: 'MCP_INVALID_ARGUMENT',
      hint: 'Give it without the word Bearer: echo "$TOKEN" | npx librechat-mcp-native obo SERVER',
    });
  }
  return token;
}

function showExchanged(name, { access_token: token, expires_in: expiresIn, scope }, options) {
  const claims = claimsOf(token);
  if (options.json) return printJson({ name, ok: true, expiresIn, scope, claims });
  print(
    `${paint.green('✓')} exchanged for ${clean(name)}; the token lasts ${clean(expiresIn)} s, scope: ${clean(scope)}`,
  );
  if (claims) {
    printTable(['Claim', 'Value'], Object.entries(claims));
  } else print('The token is opaque: it has no claims to show.');
  return undefined;
}

function showSteps(name, { reason }, idToken, { idJag = null, expiresIn }, options) {
  if (options.json) return printJson({ name, ok: true, expiresIn, idToken, idJag });
  print(`${paint.green('✓')} both steps worked for ${clean(name)}: ${clean(reason)}`);
  const shown = (claims) => Object.entries(claims ?? { '–': 'no claims to show' });
  print('1. the identity provider took this ID token');
  printTable(['Claim', 'Value'], shown(idToken));
  print('   and gave this ID-JAG');
  printTable(['Claim', 'Value'], shown(idJag));
  print(`2. the authorization server of ${clean(name)} took the ID-JAG; its token lasts ${clean(expiresIn)} s`);
  return undefined;
}

/** The claims of a JWT; the signature is for whom it is made for to judge. */
function claimsOf(token) {
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString('utf8'));
    return claims && typeof claims === 'object' && !Array.isArray(claims) ? claims : null;
  } catch {
    return null;
  }
}
