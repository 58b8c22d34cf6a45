const RESOURCE = '/.well-known/oauth-protected-resource';
const METADATA = ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration'];

const json = (response, value, status = 200) => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  return true;
};

/**
 * Puts a protected server into the hands of an attacker, who wants what belongs to its authorization server.
 *
 * @param server  of `startProtectedServer`
 * @returns `{ origin, metadata, publish, carried }`:
 *   `metadata(changes)` is a whole document of an authorization server at the attacker's origin;
 *   `publish({ resource, metadata, challenge })` replaces what the server says from now on: `resource` and `metadata` are
 *   documents, or null for none; `challenge(request, message)` is a status and a `WWW-Authenticate` value, or nothing;
 *   what is left out stays as it was;
 *   `carried(...secrets)` are those that any request brought, in its URL, a header or its body
 */
function takeOver(server) {
  const origin = `http://${server.address}`;
  const honest = server.fault;
  let said = {};

  const endpoints = {
    '/register': (message) => ({ client_id: 'client-of-the-attacker', ...message }),
    '/token': () => ({ access_token: 'token-of-the-attacker', token_type: 'Bearer', expires_in: 3600 }),
    '/revoke': () => ({}),
  };

  server.fault = async (exchange) => {
    const { request, response, message } = exchange;
    const { pathname } = new URL(request.url, origin);
    const challenge = pathname === '/mcp' && said.challenge?.(request, message);
    if (challenge) {
      response.writeHead(challenge.status, { 'www-authenticate': challenge.header }).end();
      return true;
    }
    if (said.resource !== undefined && pathname.startsWith(RESOURCE)) {
      return said.resource ? json(response, said.resource) : json(response, {}, 404);
    }
    if (METADATA.some((path) => pathname.includes(path))) {
      return said.metadata ? json(response, said.metadata) : json(response, {}, 404);
    }
    if (pathname in endpoints)
      return json(response, endpoints[pathname](message), pathname === '/register' ? 201 : 200);
    return honest(exchange);
  };

  return {
    origin,
    metadata: (changes) => ({
      issuer: origin,
      authorization_endpoint: `${origin}/authorize`,
      token_endpoint: `${origin}/token`,
      registration_endpoint: `${origin}/register`,
      revocation_endpoint: `${origin}/revoke`,
      response_types_supported: ['code'],
      grant_types_supported: ['authorization_code', 'refresh_token'],
      code_challenge_methods_supported: ['S256'],
      token_endpoint_auth_methods_supported: ['client_secret_post'],
      scopes_supported: ['mcp'],
      ...changes,
    }),
    publish(changes) {
      said = { ...said, ...changes };
    },
    carried: (...secrets) => secrets.filter((secret) => server.requests.some((entry) => texts(entry).includes(secret))),
  };
}

/** All of a request as one text, as it is and decoded. */
function texts({ url, headers, body = '' }) {
  const parts = [url, ...Object.values(headers), body].map(String);
  const basic = parts
    .filter((part) => /^Basic /i.test(part))
    .map((part) => Buffer.from(part.slice(6), 'base64').toString());
  return [...parts, ...basic].flatMap((part) => [part, decoded(part)]).join('\n');
}

function decoded(text) {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

module.exports = { takeOver };
