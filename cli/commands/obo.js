/**
 * `obo`: exchanges a token of a user for one that the server takes, and shows what came of it: the user's access token on behalf
 * of the user, or the user's ID token in the two steps of an enterprise grant. Claims are shown, tokens never.
 */

const { checkToken, exchangeOf, MAX_TOKEN_CHARACTERS } = require('../exchange');
const { EXIT } = require('../failure');
const { clean, paint, print, printJson, printTable, progress, tellFailure } = require('../output');
const { withRuntime } = require('../runtime');
const { readStdin } = require('../stdin');

module.exports = async function obo(name, options) {
  return withRuntime(options, async (context) => {
    const exchange = exchangeOf(context, name);
    await exchange.prepare();
    const token = await readToken(exchange.kind);
    const spinner = progress('asking the identity provider', options);
    try {
      const made = await exchange.make(token).finally(spinner.stop);
      if (options.json) printJson({ version: 1, name, ok: true, ...made });
      else if (exchange.kind === 'ID') showSteps(name, exchange, made);
      else showExchanged(name, made);
      return EXIT.ok;
    } catch (error) {
      return tellFailure(name, exchange.failureOf(error), options);
    }
  });
};

async function readToken(kind) {
  const text = await readStdin({ limit: MAX_TOKEN_CHARACTERS, ask: `Paste the user's ${kind} token` });
  return checkToken(kind, text?.trim() ?? '', {
    where: 'on stdin',
    hint: 'Give it without the word Bearer: echo "$TOKEN" | npx librechat-mcp-native obo SERVER',
  });
}

function showExchanged(name, { claims, expiresIn, scope }) {
  print(
    `${paint.green('✓')} exchanged for ${clean(name)}; the token lasts ${clean(expiresIn)} s, scope: ${clean(scope)}`,
  );
  if (claims) printTable(['Claim', 'Value'], Object.entries(claims));
  else print('The token is opaque: it has no claims to show.');
}

function showSteps(name, { reason }, { expiresIn, idToken, idJag }) {
  print(`${paint.green('✓')} both steps worked for ${clean(name)}: ${clean(reason)}`);
  const shown = (claims) => Object.entries(claims ?? { '–': 'no claims to show' });
  print('1. the identity provider took this ID token');
  printTable(['Claim', 'Value'], shown(idToken));
  print('   and gave this ID-JAG');
  printTable(['Claim', 'Value'], shown(idJag));
  print(`2. the authorization server of ${clean(name)} took the ID-JAG; its token lasts ${clean(expiresIn)} s`);
}
