/**
 * `login`: the user authorizes in the browser; the callback comes to a listener on loopback, or is pasted. Where the program
 * itself has a token, that one is got, and described.
 */

const { authorizationOf } = require('../authorization');
const { openBrowser } = require('../browser');
const { EXIT } = require('../failure');
const { grantOf } = require('../grants');
const { clean, counted, paint, print, printJson, printTable, progress, summary, tellFailure } = require('../output');
const { readPasted } = require('../paste');
const { USER, withRuntime } = require('../runtime');
const { knownOf, obstacle } = require('../server');

module.exports = async function login(name, options) {
  if (options.port) process.env.MCP_OAUTH_CALLBACK_PORT = String(options.port);
  return withRuntime(options, async (context) => {
    const fail = (error) => tellFailure(name, error, options);
    const hindered = obstacle(context, name);
    if (hindered) return fail(hindered);
    const grant = grantOf(context.config.servers[name]);
    if (grant?.isMachine)
      return ofProgram(context, name, grant, options).catch((error) =>
        fail(summary(error, knownOf(context, name, { isLogin: true }))),
      );
    const { type } = await authorizationOf(context, name);
    if (type === 'obo' || type === 'enterprise') {
      const message = 'Users do not log in to this server: it takes tokens that are exchanged on their behalf';
      return fail(summary({ code: 'OBO_MISSING_UPSTREAM_TOKEN', message }, knownOf(context, name)));
    }
    const say = options.json ? (text) => process.stderr.write(`${text}\n`) : print;
    const pastes = options.paste || process.stdin.isTTY === true;
    let waiting;
    let asked = false;
    const result = await context.runtime.reinitMCPServer({
      user: USER,
      serverName: name,
      userMCPAuthMap: { [`mcp_${name}`]: context.userVars.of(name) },
      returnOnOAuth: false,
      connectionTimeout: options.timeout * 1000,
      oauthStart: (url) => {
        asked = true;
        say(`Open this address to authorize with ${clean(name)}:\n\n  ${clean(url)}\n`);
        if (options.browser && !options.paste) openBrowser(url);
        waiting?.close();
        waiting = pastes ? readPasted(url) : waitingFor(options);
      },
    });
    waiting?.close();
    if (!result?.success) {
      const error = result?.error ?? { code: 'MCP_INTERNAL', message: 'The server could not be reached' };
      return fail(
        summary(error, knownOf(context, name, { oauth: type === 'oauth', isLogin: true, timeout: options.timeout })),
      );
    }
    const tools = result.tools?.length ?? 0;
    if (options.json)
      printJson({ version: 1, name, ok: true, asked, tools: (result.tools ?? []).map((tool) => tool.name) });
    else print(`${paint.green('✓')} ${message(name, asked, type)}; it offers ${counted(tools, 'tool')}`);
    return EXIT.ok;
  });
};

function waitingFor(options) {
  const spinner = progress('waiting for the browser', options);
  return { close: spinner.stop };
}

/** Nobody logs in: the token is the program's. What it is, is shown; the token itself never. */
async function ofProgram({ runtime }, name, { title, reason }, options) {
  const spinner = progress('asking the authorization server', options);
  const token = await runtime.describeMachineToken(name).finally(spinner.stop);
  if (options.json) {
    printJson({ version: 1, name, ok: true, asked: false, ...token });
    return EXIT.ok;
  }
  print(`${paint.green('✓')} Nobody logs in to ${clean(name)}: the program gets a token itself (${title})`);
  printTable(
    ['Token', 'Value'],
    [
      ['for', reason],
      ['authorization server', token.issuer ?? token.tokenEndpoint],
      ['scope', token.scope ?? 'none named'],
      ['lasts', `${token.expiresIn} s`],
    ],
  );
  return EXIT.ok;
}

function message(name, asked, type) {
  if (asked) return `Logged in to ${clean(name)}`;
  return type === 'oauth' ? `Logged in to ${clean(name)} already` : `${clean(name)} needs no login`;
}
