/**
 * A real authorization server, `oidc-provider`: dynamic registration, client-ID metadata documents, resource indicators,
 * opaque access tokens, refresh tokens that rotate, and a grant that ends when one is used twice. One user can sign in, or
 * many with one password.
 *
 *   node authorization-server.mjs OPTIONS   as JSON
 *
 * @typedef {object} Options
 * @property {number} port
 * @property {number} accessTokenSeconds
 * @property {{ login?: string, password: string }} account  without a name, everybody who knows the password
 * @property {{ client_id: string, client_secret: string }} resourceServer  may ask about tokens
 * @property {string[]} scopes
 * @property {import('oidc-provider').ClientMetadata[]} [clients]  that are registered beforehand
 * @property {number} [pushedSeconds]  every authorization request has to be pushed, and lasts so long
 * @property {NonNullable<import('oidc-provider').Configuration['features']>['dPoP']} [dPoP]
 * @property {App} [app]  with it, this is the identity provider of an organization as well
 * @property {import('oidc-provider').AdapterConstructor} [adapter]  where things are kept; without one, a thousand of them
 *
 * @typedef {import('./on-behalf-of.mjs').App} App
 */

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { fileURLToPath } from 'node:url';
import Provider from 'oidc-provider';
import { allowOnBehalfOf, onBehalfOfClient } from './on-behalf-of.mjs';

/**
 * @param {Options} options
 * @param {string} resource
 * @returns {import('oidc-provider').ResourceServer}
 */
const resourceServerOf = ({ accessTokenSeconds, scopes }, resource) => ({
  scope: scopes.join(' '),
  audience: resource,
  accessTokenTTL: accessTokenSeconds,
  accessTokenFormat: 'opaque',
});

/**
 * @param {Options} options
 * @returns {import('oidc-provider').Configuration}
 */
const configuration = (options) => ({
  adapter: options.adapter,
  jwks: { keys: [generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })] },
  cookies: { keys: [randomBytes(16).toString('hex')] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  scopes: ['openid', 'offline_access', ...options.scopes],
  // Access to resources is asked about with every sign-in.
  interactions: { url: (_, interaction) => `/login/${interaction.uid}` },
  rotateRefreshToken: true,
  clients: [
    { ...options.resourceServer, redirect_uris: [], response_types: [], grant_types: [] },
    ...(options.app ? [onBehalfOfClient(options.app)] : []),
    ...(options.clients ?? []),
  ],
  ttl: {
    AccessToken: options.accessTokenSeconds,
    ClientCredentials: options.accessTokenSeconds,
    AuthorizationCode: 60,
    Grant: 3600,
    Interaction: 600,
    PushedAuthorizationRequest: options.pushedSeconds ?? 60,
    RefreshToken: 3600,
    Session: 600,
  },
  // All of the example is on loopback, where the provider would fetch no document.
  fetch: (url, init) => fetch(url, Object.assign({}, init, { dispatcher: undefined })),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true },
    pushedAuthorizationRequests: {
      enabled: true,
      requirePushedAuthorizationRequests: options.pushedSeconds !== undefined,
    },
    registration: { enabled: true },
    revocation: { enabled: true },
    clientIdMetadataDocument: { enabled: true, ack: 'draft-02' },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => resourceServerOf(options, resource),
    },
    ...(options.dPoP && { dPoP: options.dPoP }),
  },
});

/**
 * Sign-in and consent on one page, with one button.
 *
 * @param {string} uid
 * @param {string} problem
 */
const page = (uid, problem) => `<!doctype html><title>Sign in</title>
<form method="post" action="/login/${uid}">
  <p>${problem}</p>
  <label>Name <input name="login" required></label>
  <label>Password <input name="password" type="password" required></label>
  <button type="submit">Sign in and allow</button>
</form>`;

/**
 * @param {http.ServerResponse} response
 * @param {string} uid
 */
function answerPage(response, uid, problem = '') {
  response.writeHead(200, { 'content-type': 'text/html' }).end(page(uid, problem));
}

/**
 * @param {Provider} provider
 * @param {{ params: any, grantId?: string }} interaction
 * @param {string} accountId
 */
async function consent(provider, { params, grantId }, accountId) {
  const grant =
    (grantId && (await provider.Grant.find(grantId))) || new provider.Grant({ accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  for (const resource of [params.resource].flat().filter(Boolean)) grant.addResourceScope(resource, params.scope);
  return grant.save();
}

/**
 * @param {Provider} provider
 * @param {Options['account']} account
 * @param {http.IncomingMessage} request
 * @param {http.ServerResponse} response
 */
async function interaction(provider, account, request, response) {
  const details = await provider.interactionDetails(request, response);
  if (request.method !== 'POST') return answerPage(response, details.uid);
  let body = '';
  for await (const chunk of request) body += chunk;
  const { login, password } = Object.fromEntries(new URLSearchParams(body));
  if (login !== (account.login ?? login) || password !== account.password) {
    return answerPage(response, details.uid, 'Name or password is wrong');
  }
  const result = { login: { accountId: login }, consent: { grantId: await consent(provider, details, login) } };
  return provider.interactionFinished(request, response, result);
}

/**
 * Middleware comes before `listen`.
 *
 * @param {Options} options
 */
export function createAuthorizationServer(options) {
  const { port, account } = options;
  const issuer = `http://127.0.0.1:${port}`;
  const provider = new Provider(issuer, configuration(options));
  if (options.app) allowOnBehalfOf(provider, (resource) => resourceServerOf(options, resource));

  const listen = () => {
    const callback = provider.callback();
    const listener = http.createServer((request, response) => {
      if (!request.url?.startsWith('/login/')) return callback(request, response);
      return interaction(provider, account, request, response).catch((error) =>
        response.writeHead(400).end(error.message),
      );
    });
    listener.listen(port, '127.0.0.1');
    return once(listener, 'listening');
  };
  return { issuer, provider, listen };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await createAuthorizationServer(JSON.parse(process.argv[2])).listen();
}
