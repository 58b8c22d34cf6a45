/** `login`: the user authorizes in the browser; the callback comes to a listener on loopback. */

const { authorizationOf } = require('../authorization');
const { openBrowser } = require('../browser');
const { EXIT } = require('../failure');
const { clean, counted, paint, print, printFailure, printJson, progress, summary } = require('../output');
const { USER, withRuntime } = require('../runtime');
const { knownOf, obstacle } = require('../server');

module.exports = async function login(name, options) {
  return withRuntime(options, async (context) => {
    const fail = (error) => {
      if (options.json) printJson({ name, ok: false, error });
      else printFailure(name, error);
      return EXIT.failed;
    };
    const hindered = obstacle(context, name);
    if (hindered) return fail(hindered);
    const { type } = await authorizationOf(context, name);
    if (type === 'obo') {
      const message = 'Users do not log in to this server: it takes tokens that are exchanged on their behalf';
      return fail(summary({ code: 'OBO_MISSING_UPSTREAM_TOKEN', message }, knownOf(context, name)));
    }
    const say = options.json ? (text) => process.stderr.write(`${text}\n`) : print;
    let spinner;
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
        if (options.browser) openBrowser(url);
        spinner = progress('waiting for the browser', options);
      },
    });
    spinner?.stop();
    if (!result?.success) {
      const error = result?.error ?? { code: 'MCP_INTERNAL', message: 'The server could not be reached' };
      return fail(summary(error, knownOf(context, name, { oauth: type === 'oauth' })));
    }
    const tools = result.tools?.length ?? 0;
    if (options.json) printJson({ name, ok: true, asked, tools: (result.tools ?? []).map((tool) => tool.name) });
    else print(`${paint.green('✓')} ${message(name, asked, type)}; it offers ${counted(tools, 'tool')}`);
    return EXIT.ok;
  });
};

function message(name, asked, type) {
  if (asked) return `Logged in to ${clean(name)}`;
  return type === 'oauth' ? `Logged in to ${clean(name)} already` : `${clean(name)} needs no login`;
}
