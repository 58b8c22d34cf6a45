const { startMcpServer } = require('./mcp-server');

const METADATA_PATH = '/.well-known/oauth-protected-resource/mcp';

/**
 * The small server, protected by an authorization server (see authorization-server.js): it publishes its metadata
 * (RFC 9728), answers 401 with the way there, and asks the authorization server about every token it gets.
 *
 * @param authorizationServer  whose `issuer` it names at the moment it is asked
 * @param options              those of `startMcpServer`; a `fault` comes after the check
 */
async function startProtectedServer(authorizationServer, options = {}) {
  const { scopes, introspect } = authorizationServer;
  const server = await startMcpServer(options);
  const origin = `http://${server.address}`;
  const fault = server.fault;

  const challenge = (response, token) => {
    const error = token && ', error="invalid_token"';
    const metadata = `resource_metadata="${origin}${METADATA_PATH}"`;
    response.writeHead(401, { 'www-authenticate': `Bearer ${metadata}${error ?? ''}` }).end();
    return true;
  };

  /** Tokens that it does not take, whatever the authorization server says. */
  server.refused = new Set();

  server.fault = async (exchange) => {
    const { request, response } = exchange;
    if (request.url === METADATA_PATH) {
      const document = {
        resource: server.url,
        authorization_servers: [authorizationServer.issuer],
        scopes_supported: scopes,
      };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document));
      return true;
    }
    if (request.url !== '/mcp') return false;
    const token = /^Bearer (.+)$/.exec(request.headers.authorization)?.[1];
    if (!token) return challenge(response);
    const { active, aud } = await introspect(token);
    if (!active || aud !== server.url || server.refused.has(token)) return challenge(response, token);
    return fault?.(exchange) ?? false;
  };

  const { config } = server;
  server.config = (extra) => config({ requiresOAuth: true, ...extra });
  return server;
}

module.exports = { startProtectedServer };
