const { createHash, randomBytes } = require('node:crypto');
const http = require('node:http');
const { registerSecrets } = require('../support/secrets');

const CLIENT_ID = 'client-of-librechat';
const CLIENT_SECRET = 'secret-of-the-client-of-librechat';
const text = () => randomBytes(24).toString('base64url');
const digest = (verifier = '') => createHash('sha256').update(verifier).digest('base64url');

/**
 * A scripted authorization server on a free port: users who agree to everything, codes with PKCE, refresh tokens. Each
 * provider is a class that differs from this one as the provider does.
 *
 * Public members: `requests` are the forms of its token endpoint from a client that it knows, with their `headers`, `resource` is whom tokens are for,
 * `allow` whom a runtime has to be allowed to reach, `revoke()` ends all refresh tokens, `issuer`, `scopes`, `introspect`
 * and `address` are for `startProtectedServer`.
 */
class Provider {
  requests = [];
  listeners = [];
  codes = new Map();
  refreshTokens = new Map();
  accessTokens = new Map();
  scopes = ['mcp'];
  /** Paths of the endpoints that every provider has. */
  authorizePath = '/authorize';
  tokenPath = '/token';

  /** Whether a client with a secret gets a token of its own. */
  knowsPrograms = true;

  /** How many origins the provider has. */
  static hosts = 1;

  async listen() {
    for (let index = 0; index < this.constructor.hosts; index += 1) {
      const listener = http.createServer((request, response) => {
        this.handle(request, response).catch((error) => response.writeHead(500).end(String(error.stack)));
      });
      await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
      this.listeners.push(listener);
    }
    return this;
  }

  async close() {
    for (const listener of this.listeners) {
      listener.closeAllConnections();
      await new Promise((resolve) => listener.close(resolve));
    }
  }

  get allow() {
    return this.listeners.map((listener) => `127.0.0.1:${listener.address().port}`);
  }

  get origin() {
    return `http://${this.allow[0]}`;
  }

  get issuer() {
    return this.origin;
  }

  get authorizationUrl() {
    return this.origin + this.authorizePath;
  }

  get tokenUrl() {
    return this.origin + this.tokenPath;
  }

  /** JSON documents by path. */
  documents() {
    return {};
  }

  /** Answers what only this provider has: `{ status?, headers?, body }`, or nothing. */
  answer() {
    return undefined;
  }

  /** What is wrong with an authorization request: members of the redirect, or nothing. */
  refuseAuthorization() {
    return undefined;
  }

  /** Further members of the redirect with a code. */
  returned() {
    return {};
  }

  /** What is wrong with a token request: an answer of `refusal`, or nothing. */
  refuseToken() {
    return undefined;
  }

  refusal(error, error_description, status = 400) {
    return { status, body: { error, error_description } };
  }

  /** Of a code or refresh token that is unknown or over. */
  invalidGrant() {
    return this.refusal('invalid_grant', 'invalid');
  }

  /** Members of a token answer, beside the access token. */
  tokens({ scope }) {
    return { token_type: 'Bearer', expires_in: 3600, scope };
  }

  /** Whether a login gets a refresh token. */
  isLasting({ scope = '' }) {
    return scope.split(' ').includes('offline_access');
  }

  /** The refresh token that a refresh is answered with; `used` is the one that it brought. */
  rotate(login, used) {
    this.refreshTokens.delete(used);
    return this.newRefreshToken(login);
  }

  newRefreshToken(login) {
    const token = text();
    registerSecrets(token);
    this.refreshTokens.set(token, login);
    return token;
  }

  newAccessToken(login) {
    const token = text();
    registerSecrets(token);
    this.accessTokens.set(token, login);
    return token;
  }

  revoke() {
    this.refreshTokens.clear();
  }

  /** Who asks is the server of `startProtectedServer`. */
  async introspect(token) {
    const login = this.accessTokens.get(token);
    return login ? { active: true, aud: this.resource } : { active: false };
  }

  async handle(request, response) {
    const { pathname, searchParams } = new URL(request.url, this.origin);
    const query = Object.fromEntries(searchParams);
    let body = '';
    for await (const chunk of request) body += chunk;
    const { status = 200, headers, body: answer } = this.route(pathname, query, request, body);
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(answer && JSON.stringify(answer));
  }

  route(pathname, query, { method, headers }, body) {
    const document = this.documents()[pathname];
    if (document) return { body: document };
    if (pathname === this.authorizePath) return this.authorize(query);
    const form = Object.fromEntries(new URLSearchParams(body));
    if (pathname === this.tokenPath) return this.token(form, headers);
    return this.answer({ pathname, method, headers, form, body }) ?? { status: 404, body: { error: 'not_found' } };
  }

  authorize(query) {
    const { redirect_uri, state } = query;
    const location = new URL(redirect_uri);
    const refused = this.refuseAuthorization(query);
    const code = text();
    registerSecrets(code);
    if (!refused) this.codes.set(code, query);
    const members = refused ?? { code, ...this.returned(query) };
    for (const [name, value] of Object.entries({ ...members, state })) location.searchParams.set(name, value);
    return { status: 302, headers: { location: location.href } };
  }

  token(form, headers) {
    const refused = this.refuseToken(form, headers);
    if (refused) return refused;
    this.requests.push({ ...form, headers });
    if (form.grant_type === 'authorization_code') return this.redeem(form);
    if (form.grant_type === 'refresh_token') return this.refresh(form);
    if (form.grant_type === 'client_credentials' && this.knowsPrograms) return this.granted(form);
    return this.refusal('unsupported_grant_type', 'Invalid grant_type.');
  }

  redeem({ code, code_verifier, redirect_uri }) {
    const login = this.codes.get(code);
    this.codes.delete(code);
    const isRight = login?.redirect_uri === redirect_uri && login?.code_challenge === digest(code_verifier);
    if (!isRight) return this.invalidGrant();
    const refresh_token = this.isLasting(login) ? this.newRefreshToken(login) : undefined;
    return this.granted(login, refresh_token);
  }

  refresh({ refresh_token: used }) {
    const login = this.refreshTokens.get(used);
    return login ? this.granted(login, this.rotate(login, used)) : this.invalidGrant();
  }

  granted(login, refresh_token) {
    return { body: { access_token: this.newAccessToken(login), refresh_token, ...this.tokens(login) } };
  }
}

/** Whether a token request has the client's secret, in its form or header. */
function hasSecret({ client_secret }, { authorization = '' }) {
  const basic = Buffer.from(`${CLIENT_ID}:${CLIENT_SECRET}`).toString('base64');
  return client_secret === CLIENT_SECRET || authorization === `Basic ${basic}`;
}

module.exports = { CLIENT_ID, CLIENT_SECRET, Provider, hasSecret, text };
