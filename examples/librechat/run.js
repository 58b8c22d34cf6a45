/**
 * Starts LibreChat's MCP layer over the addon, and everything around it, until Ctrl+C.
 *
 *   npm run example               step 2: the runtime in place of LibreChat's MCP layer
 *   npm run example -- --step-1   step 1: `reinitMCPServer` alone
 *   npm run example -- --june     the LibreChat of June 2026 in place of August's; with --step-1, too
 *
 * Ports: 3080 for the app (PORT), 3001 to 3004 for the servers around it (MCP_PORTS=A,B,C,D).
 */

const { startApp, startServers } = require('./servers');

const { PORT = '3080', MCP_PORTS = '3001,3002,3003,3004' } = process.env;
const STEP = process.argv.includes('--step-1') ? 1 : 2;
const EDITION = process.argv.includes('--june') ? 'june' : 'august';

/**
 * @param {Awaited<ReturnType<typeof startServers>>} servers
 * @param {import('./servers/processes').Script} app
 */
function explain({ account, environment }, app) {
  const admin = /^token ADMIN (.+)$/m.exec(app.output())?.[1];
  const url = environment.DOMAIN_SERVER;
  /** @param {string} rest */
  const call = (rest) => `  curl -sS -H "Authorization: Bearer $TOKEN" ${rest}`;
  console.log(`
  TOKEN=${admin}
${call(`-X POST ${url}/api/mcp/everything/reinitialize`)}
${call(`-X POST ${url}/api/mcp/protected/reinitialize`)}
`);
  if (STEP === 1 && EDITION === 'june') {
    console.log(
      'The second answers with an oauthUrl. The route that its browser comes back to stays LibreChat’s; it is not here.',
    );
    return;
  }
  console.log(`The second answers with an oauthUrl: open it in a browser and sign in as ${account.login}, password ${account.password}.
Then:

${call(`-X POST ${url}/api/agents/tools/whoami_mcp_protected`)}
${call(`-X POST ${url}/api/agents/tools/echo_mcp_everything -H 'Content-Type: application/json' -d '{"message":"hi"}'`)}`);
  if (STEP === 1) return;
  console.log(`${call(`${url}/api/mcp/connection/status`)}

The server \`organization\` takes tokens on behalf of users who sign in, in the same way, at ${url}/oauth/openid; that
answers with the TOKEN for:

${call(`-X POST ${url}/api/agents/tools/whoami_mcp_organization`)}
`);
}

async function main() {
  const [everything, guarded, onBehalf, authorization] = MCP_PORTS.split(',').map(Number);
  console.log('starting a database, an authorization server and three MCP servers …');
  const servers = await startServers({ app: Number(PORT), everything, protected: guarded, onBehalf, authorization });
  console.log(`starting the app, step ${STEP} in the LibreChat of ${EDITION === 'june' ? 'June' : 'August'} …`);
  const app = await startApp(STEP, servers.environment, EDITION);
  explain(servers, app);
  console.log('ready; Ctrl+C ends everything');
}

// Whatever has been started ends with this process.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit());

main();
