const { createProofChecker, readProof } = require('./dpop');
const { startMcpServer } = require('./mcp-server');

const METADATA_PATH = '/.well-known/oauth-protected-resource';

/**
 * The small server, protected by an authorization server (see authorization-server.js): it publishes its metadata
 * (RFC 9728), answers 401 with the way there, and asks the authorization server about every token it gets.
 *
 * @param authorizationServer  whose `issuer` it names at the moment it is asked
 * @param options              those of `startMcpServer`; a `fault` comes after the check
 * @param options.dpop         it takes tokens only that are bound to a key, with proofs (RFC 9449); `server.nonce` is what those have
 *   to have, `server.problems` why some were refused, `server.jtis` the ids of the others
 */
async function startProtectedServer(authorizationServer, options = {}) {
  const { scopes, introspect } = authorizationServer;
  const server = await startMcpServer(options);
  const origin = `http://${server.address}`;
  const fault = server.fault;
  const scheme = options.dpop ? 'DPoP' : 'Bearer';
  const proofs = createProofChecker(origin);
  Object.assign(server, { jtis: proofs.jtis, problems: [] });

  const challenge = ({ response, path }, error) => {
    const metadata = `resource_metadata="${origin}${METADATA_PATH}${path}"`;
    const parameters = error ? `${metadata}, error="${error}"` : metadata;
    response.writeHead(401, { 'www-authenticate': `${scheme} ${parameters}` }).end();
    return true;
  };

  /** Whether a request was refused for its proof. */
  const isUnproved = ({ request, response, path }, token, jkt) => {
    const problem = proofs.check(request, token, jkt);
    if (problem) server.problems.push(problem);
    if (problem) return challenge({ response, path }, 'invalid_dpop_proof');
    if (!server.nonce || readProof(request.headers.dpop).claims.nonce === server.nonce) return false;
    response.setHeader('dpop-nonce', server.nonce);
    return challenge({ response, path }, 'use_dpop_nonce');
  };

  /** Tokens that it does not take, whatever the authorization server says. */
  server.refused = new Set();

  const resourceOf = (path) => (path === '/mcp' ? server.url : `${origin}${path}`);

  server.fault = async (exchange) => {
    const { request, response } = exchange;
    const { pathname } = new URL(request.url, origin);
    if (pathname.startsWith(`${METADATA_PATH}/`)) {
      const resource = resourceOf(pathname.slice(METADATA_PATH.length));
      const document = { resource, authorization_servers: [authorizationServer.issuer], scopes_supported: scopes };
      if (options.dpop) document.dpop_bound_access_tokens_required = true;
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document));
      return true;
    }
    // Messages of an event stream are of its resource.
    const path = pathname === '/messages' ? '/sse' : pathname;
    if (!['/mcp', '/sse'].includes(path)) return false;
    const refused = await server.refusal({ request, response, path });
    return refused || (fault?.(exchange) ?? false);
  };

  /** Whether a request was refused. */
  server.refusal = async ({ request, response, path }) => {
    const token = new RegExp(`^${scheme} (.+)$`).exec(request.headers.authorization)?.[1];
    if (!token) return challenge({ response, path });
    const { active, aud, cnf } = await introspect(token);
    if (!active || aud !== resourceOf(path) || server.refused.has(token)) {
      return challenge({ response, path }, 'invalid_token');
    }
    return options.dpop ? isUnproved({ request, response, path }, token, cnf?.jkt) : false;
  };

  const { config } = server;
  server.config = (extra) => config({ requiresOAuth: true, ...extra });
  return server;
}

module.exports = { startProtectedServer };
