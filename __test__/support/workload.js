/** A workload's world: a platform that signs who the workload is, and an authorization server that takes its word. */

const { generateKeyPairSync, randomUUID } = require('node:crypto');
const http = require('node:http');
const { JWT_BEARER, seconds, startParty } = require('./enterprise');
const { openJwt, signJwt } = require('./jwt');
const { registerSecrets } = require('./secrets');

const { privateKey: platformKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** A JWT of the platform, good for `lifetime` seconds. No two are the same. */
function assertionFor(aud, lifetime = 600) {
  const claims = { iss: 'https://platform.test', sub: 'workload', aud, iat: seconds(), exp: seconds() + lifetime };
  const assertion = signJwt(platformKey, { ...claims, jti: randomUUID() });
  registerSecrets(assertion);
  return assertion;
}

/**
 * An authorization server with metadata (RFC 8414) whose token endpoint takes assertions of the platform (RFC 7523) that
 * are for its issuer. Has what `startProtectedServer` takes.
 *
 * @returns `{ address, issuer, scopes, forms, tokens, answer, introspect, assertion, close }`: `forms()` of token requests, and
 *   the `tokens()` that were given; `answer(form)` may refuse first, with an object that has `error`
 */
async function startWorkloadAuthorizationServer() {
  const granted = new Map();
  const refusalOf = ({ grant_type: grant, assertion }) => {
    if (grant !== JWT_BEARER) return { error: 'unsupported_grant_type' };
    const isTaken = openJwt(platformKey, assertion)?.claims.aud === server.issuer;
    return isTaken ? undefined : { error: 'invalid_grant', error_description: 'The assertion is not taken' };
  };
  const documents = {
    '/.well-known/oauth-authorization-server': () => ({
      issuer: server.issuer,
      token_endpoint: server.tokenUrl,
      grant_types_supported: [JWT_BEARER],
      token_endpoint_auth_methods_supported: ['none'],
      response_types_supported: [],
    }),
  };
  const party = await startParty(documents, async ({ form }) => {
    const refusal = server.answer?.(form) ?? refusalOf(form);
    if (refusal) return refusal;
    const token = `granted-${randomUUID()}`;
    granted.set(token, form.resource);
    return { access_token: token, token_type: 'Bearer', expires_in: 3600, scope: form.scope };
  });
  const server = Object.assign(party, {
    scopes: ['mcp'],
    answer: undefined,
    forms: () => party.requests.map(({ form }) => form),
    tokens: () => [...granted.keys()],
    assertion: (lifetime) => assertionFor(party.issuer, lifetime),
    introspect: async (token) => ({ active: granted.has(token), aud: granted.get(token) }),
  });
  return server;
}

/** The metadata service of a platform; `answer()` is `{ status, headers, body }`. */
async function startMetadataService(answer) {
  const requests = [];
  const listener = http.createServer(({ method, url, headers }, response) => {
    requests.push({ method, path: url, headers });
    const { status = 200, headers: answered, body } = answer();
    response.writeHead(status, answered).end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const close = () => {
    listener.closeAllConnections();
    return new Promise((resolve) => listener.close(resolve));
  };
  return { address: `127.0.0.1:${listener.address().port}`, requests, close };
}

module.exports = { JWT_BEARER, assertionFor, startMetadataService, startWorkloadAuthorizationServer };
