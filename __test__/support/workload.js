/** A workload's world: a platform that signs who the workload is, and an authorization server that takes its word. */

const { createSign, createVerify, generateKeyPairSync, randomUUID } = require('node:crypto');
const http = require('node:http');
const { registerSecrets } = require('./secrets');

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const decode = (part) => JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));

/** A JWT of the platform, which lasts `seconds`. No two are the same. */
function assertionFor(aud, { seconds = 600, ...claims } = {}) {
  const now = Math.floor(Date.now() / 1000);
  const payload = {
    iss: 'https://platform.test',
    sub: 'workload',
    aud,
    iat: now,
    exp: now + seconds,
    jti: randomUUID(),
  };
  const signed = `${encode({ alg: 'RS256', typ: 'JWT' })}.${encode({ ...payload, ...claims })}`;
  const assertion = `${signed}.${createSign('RSA-SHA256').update(signed).sign(keys.privateKey, 'base64url')}`;
  registerSecrets(assertion);
  return assertion;
}

/** Why the authorization server does not take an assertion; `undefined` if it does. */
function faultOf(assertion, issuer) {
  const [header, payload, signature] = String(assertion).split('.');
  const verifier = createVerify('RSA-SHA256').update(`${header}.${payload}`);
  if (!verifier.verify(keys.publicKey, signature ?? '', 'base64url')) return 'the signature is wrong';
  const { aud, exp } = decode(payload);
  if (![aud].flat().includes(issuer)) return 'the audience is wrong';
  return exp <= Date.now() / 1000 ? 'the assertion has expired' : undefined;
}

async function listening(handle) {
  const requests = [];
  const listener = http.createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const { method, url, headers } = request;
    const entry = { method, path: url, headers, form: Object.fromEntries(new URLSearchParams(body)) };
    requests.push(entry);
    const { status = 200, headers: answered, body: answer } = handle(entry);
    response.writeHead(status, { 'content-type': 'application/json', ...answered });
    response.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
  });
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const address = `127.0.0.1:${listener.address().port}`;
  const close = () => {
    listener.closeAllConnections();
    return new Promise((resolve) => listener.close(resolve));
  };
  return { address, requests, close };
}

/**
 * An authorization server with metadata (RFC 8414) whose token endpoint takes assertions of the platform (RFC 7523) that
 * are for its issuer.
 *
 * @param options.expiresIn  lifetime of access tokens in seconds
 * @returns `{ address, issuer, scopes, requests, tokens, answer, introspect, assertion, close }`: `requests` and `tokens` are
 *   those of the token endpoint; `answer(form)` may refuse in its place, with an object that has `error`; the members that
 *   `startProtectedServer` takes
 */
async function startWorkloadAuthorizationServer({ expiresIn = 3600 } = {}) {
  const granted = new Map();
  const server = await listening(({ path, form }) => {
    if (path.startsWith('/.well-known/'))
      return path.includes('authorization-server') ? { body: metadata } : { status: 404 };
    const refusal = provider.answer?.(form) ?? refusalOf(form);
    if (refusal) return { status: 400, body: refusal };
    const token = `granted-${randomUUID()}`;
    registerSecrets(token);
    granted.set(token, form.resource);
    return { body: { access_token: token, token_type: 'Bearer', expires_in: expiresIn, scope: form.scope } };
  });
  const issuer = `http://${server.address}`;
  const metadata = {
    issuer,
    token_endpoint: `${issuer}/token`,
    grant_types_supported: [JWT_BEARER],
    token_endpoint_auth_methods_supported: ['none'],
    response_types_supported: [],
  };
  const refusalOf = ({ grant_type: grant, assertion }) => {
    if (grant !== JWT_BEARER) return { error: 'unsupported_grant_type' };
    const fault = faultOf(assertion, issuer);
    return fault && { error: 'invalid_grant', error_description: `Refused: ${fault}` };
  };
  const ofTokenEndpoint = () => server.requests.filter(({ path }) => path === '/token');
  const provider = {
    address: server.address,
    issuer,
    scopes: ['mcp'],
    answer: undefined,
    forms: () => ofTokenEndpoint().map(({ form }) => form),
    tokens: () => [...granted.keys()],
    assertion: (options) => assertionFor(issuer, options),
    introspect: async (token) => ({ active: granted.has(token), aud: granted.get(token) }),
    close: server.close,
  };
  return provider;
}

/** The metadata service of a platform; `answer(request)` is `{ status, headers, body }`. */
const startMetadataService = (answer) => listening(answer);

module.exports = { JWT_BEARER, assertionFor, startMetadataService, startWorkloadAuthorizationServer };
