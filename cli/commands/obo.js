/** `obo`: exchanges a user's access token for one that the server takes, and shows its claims. */

const { serverOf } = require('../config');
const { EXIT, Failure } = require('../failure');
const { clean, paint, print, printFailure, printJson, printTable, progress, summary } = require('../output');
const { USER, openIdConfig, withRuntime } = require('../runtime');
const { knownOf } = require('../server');

const MAX_TOKEN_BYTES = 64 * 1024;

module.exports = async function obo(name, options) {
  return withRuntime(options, async (context) => {
    const { obo: wanted } = serverOf(context.config, name);
    if (!wanted?.scopes) {
      throw new Failure(`The server "${name}" has no obo.scopes`, {
        hint: 'Only servers with `obo` take such tokens.',
      });
    }
    await openIdConfig();
    const token = await readToken();
    const user = { ...USER, provider: 'openid', openidId: USER.id, federatedTokens: { access_token: token } };
    const spinner = progress('asking the identity provider', options);
    try {
      const exchanged = await context.runtime.exchangeOboToken(user, token, wanted.scopes, false).finally(spinner.stop);
      show(name, exchanged, options);
      return EXIT.ok;
    } catch (error) {
      const failure = { ...summary(error, knownOf(context, name)), detail: error.detail };
      if (options.json) printJson({ name, ok: false, error: failure });
      else printFailure(name, failure);
      return EXIT.failed;
    }
  });
};

async function readToken() {
  if (process.stdin.isTTY) process.stderr.write("Paste the user's access token, then Ctrl+D:\n");
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += chunk;
    if (text.length > MAX_TOKEN_BYTES) break;
  }
  const token = text.trim();
  if (token === '' || token.length > MAX_TOKEN_BYTES || /\s/.test(token)) {
    throw new Failure('No access token on stdin', {
      code: 'MCP_INVALID_ARGUMENT',
      hint: 'Give it without the word Bearer: echo "$TOKEN" | npx librechat-mcp-native obo SERVER',
    });
  }
  return token;
}

function show(name, { access_token: token, expires_in: expiresIn, scope }, options) {
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

/** The claims of a JWT; the signature is the server's to judge. */
function claimsOf(token) {
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString('utf8'));
    return claims && typeof claims === 'object' && !Array.isArray(claims) ? claims : null;
  } catch {
    return null;
  }
}
