/** What a server wants of its users, and why. */

const { grantOf } = require('./grants');
const { expanded } = require('./server');

/**
 * @param options.ask  `false` leaves it at what the configuration says
 * @returns `{ type, reason }`; `type`: `none`, `oauth`, `clientCredentials`, `workload`, `enterprise`, `obo`,
 * `apiKey`, `headers` or `userVariables`
 */
async function authorizationOf(context, name, { ask = true } = {}) {
  const { config, api } = context;
  const server = config.servers[name];
  if (server.obo) {
    return { type: 'obo', reason: `a token for ${server.obo.scopes}, exchanged on behalf of the user` };
  }
  const grant = grantOf(server);
  if (grant) return { type: grant.type, reason: grant.reason };
  if (api.isOAuthServer(server)) {
    return { type: 'oauth', reason: server.requiresOAuth ? 'requiresOAuth is set' : 'oauth is configured' };
  }
  if (api.hasCustomUserVars(server)) {
    return { type: 'userVariables', reason: `each user sets ${Object.keys(server.customUserVars).join(', ')}` };
  }
  if (server.apiKey) return { type: 'apiKey', reason: `apiKey of the ${server.apiKey.source ?? 'operator'}` };
  if (Object.keys(server.headers ?? {}).some((header) => header.toLowerCase() === 'authorization')) {
    return { type: 'headers', reason: 'the configuration sends its own Authorization header' };
  }
  if (!ask || !server.url || server.requiresOAuth === false) return { type: 'none', reason: '' };
  return detected(context, name);
}

const METHODS = {
  'protected-resource-metadata': 'the server publishes protected resource metadata (RFC 9728)',
  '401-challenge-metadata': 'the server answers 401 and names its authorization server',
  'no-metadata-found': 'the server answers 401 or 403, and publishes metadata of an authorization server (RFC 8414)',
};

async function detected({ config, userVars, runtime, api }, name) {
  const { allowedDomains, allowedAddresses } = config.document.mcpSettings ?? {};
  const server = config.servers[name];
  const { url } = expanded(api, server, userVars.of(name));
  const isAsked = /^https?:/.test(url) && (await api.isMCPDomainAllowed({ url }, allowedDomains, allowedAddresses));
  if (!isAsked) return { type: 'none', reason: '' };
  const found = await runtime.oauth.detectOAuthRequirement(url, allowedDomains, allowedAddresses, server);
  return found.requiresOAuth
    ? { type: 'oauth', reason: METHODS[found.method] ?? found.method }
    : { type: 'none', reason: '' };
}

module.exports = { authorizationOf };
