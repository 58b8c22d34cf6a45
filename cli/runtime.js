/** A runtime over the configuration file, for the length of one command. */

const { readConfig } = require('./config');
const { Failure } = require('./failure');
const { readUserVars } = require('./user-vars');

/** Whose tokens the commands use. */
const USER = Object.freeze({ id: 'cli' });
const DISCOVERY_TIMEOUT_MS = 10_000;
/** Values of `stderr` that mean the terminal. */
const INHERITED = new Set([undefined, null, 'inherit', 2]);

/**
 * Runs `work(context)` with `{ config, userVars, runtime, api }` and closes the runtime after it.
 *
 * @param options.target  in place of a file; see `target.js`
 * @param options.services        more services of the host
 * @param options.ownConnections  no server has a connection that users share, so that each may ask its user
 */
async function withRuntime(options, work) {
  const config = options.target ?? readConfig(options.config);
  const userVars = readUserVars(options.userVars, config);
  const api = require('..');
  const runtime = createRuntime(api, config, options);
  try {
    return await work({ config, userVars, runtime, api });
  } finally {
    await runtime.close();
  }
}

function createRuntime(api, { file, document }, { services: more, ownConnections }) {
  const { mcpServers, mcpSettings } = document;
  const own = ownConnections ? { shared: false } : {};
  const services = { ...more, config: { mcpServers: withPipes(mcpServers, own), mcpSettings } };
  if (process.env.OPENID_ISSUER) services.openIdConfig = openIdConfig;
  try {
    return api.createMCPRuntime(services);
  } catch (error) {
    throw new Failure(error.message.replace(/^config: /, `${file}: `), { code: error.code });
  }
}

/**
 * The same servers, with pipes where their stderr would be the terminal's: a failure then comes with what the server said
 * last, nothing of it reaches the terminal as it is, and MCP_NATIVE_LOG=debug shows all of it.
 */
function withPipes(servers, own) {
  if (!servers || typeof servers !== 'object') return servers;
  const piped = ([name, server]) => {
    if (!server || typeof server !== 'object') return [name, server];
    const pipe = server.command && INHERITED.has(server.stderr) ? { stderr: 'pipe' } : {};
    return [name, { ...server, ...own, ...pipe }];
  };
  return Object.fromEntries(Object.entries(servers).map(piped));
}

/** The operator's OpenID client, as LibreChat's environment variables describe it. */
async function openIdConfig() {
  const { OPENID_ISSUER, OPENID_CLIENT_ID, OPENID_CLIENT_SECRET } = process.env;
  if (!OPENID_ISSUER || !OPENID_CLIENT_ID) {
    throw new Failure('OPENID_ISSUER and OPENID_CLIENT_ID are not set', {
      hint: 'Set them as for LibreChat, in the environment or in .env beside the configuration.',
    });
  }
  const document = '/.well-known/openid-configuration';
  const issuer = OPENID_ISSUER.replace(/\/$/, '');
  const url = issuer.endsWith(document) ? issuer : `${issuer}${document}`;
  const metadata = await fetchMetadata(url);
  return {
    issuer: metadata.issuer,
    tokenEndpoint: metadata.token_endpoint,
    clientId: OPENID_CLIENT_ID,
    ...(OPENID_CLIENT_SECRET && { clientSecret: OPENID_CLIENT_SECRET }),
  };
}

async function fetchMetadata(url) {
  const failed = (problem) => new Failure(`The identity provider's metadata at ${url} cannot be had: ${problem}`);
  let response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(DISCOVERY_TIMEOUT_MS) });
  } catch (error) {
    throw failed(error.cause?.message ?? error.message);
  }
  if (!response.ok) throw failed(`HTTP status ${response.status}`);
  const metadata = await response.json().catch(() => undefined);
  if (typeof metadata?.token_endpoint !== 'string') throw failed('it names no token_endpoint');
  return metadata;
}

module.exports = { USER, openIdConfig, withRuntime };
