/**
 * A real authorization server, `oidc-provider`: node authorization-server-process.mjs OPTIONS
 * A process of its own because the package is an ES module, which jest does not load. Tells its parent `{ issuer }`
 * when it listens, `{ request }` of what was asked of its endpoints, and `{ secrets }` that it saw or gave away.
 */

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import Provider from 'oidc-provider';

const { port, accessTokenSeconds, account, resourceServer, scopes, tokenDelayMs } = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const WATCHED = ['/reg', '/token', '/token/revocation'];
/** Wherever they are: in a form, a URL, an answer. */
const SECRETS = [
  'access_token',
  'client_secret',
  'code',
  'code_verifier',
  'refresh_token',
  'registration_access_token',
  'state',
  'token',
];

const configuration = {
  jwks: { keys: [generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })] },
  cookies: { keys: [randomBytes(16).toString('hex')] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  scopes: ['openid', 'offline_access', ...scopes],
  // Access to resources is asked about with every sign-in.
  interactions: { url: (_, interaction) => `/login/${interaction.uid}` },
  rotateRefreshToken: true,
  clients: [{ ...resourceServer, redirect_uris: [], response_types: [], grant_types: [] }],
  ttl: {
    AccessToken: accessTokenSeconds,
    AuthorizationCode: 60,
    Grant: 3600,
    Interaction: 600,
    RefreshToken: 3600,
    Session: 600,
  },
  features: {
    devInteractions: { enabled: false },
    introspection: { enabled: true },
    registration: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => ({
        scope: scopes.join(' '),
        audience: resource,
        accessTokenTTL: accessTokenSeconds,
        accessTokenFormat: 'opaque',
      }),
    },
  },
};

const provider = new Provider(issuer, configuration);

/** Which moment of the next refresh request is held until its client is gone: 'received' or 'carried out'. */
let hold;
process.on('message', (message) => {
  hold = message.hold;
});

async function holdUntilGone(context, moment) {
  if (hold !== moment || context.path !== '/token') return false;
  hold = undefined;
  const gone = once(context.res, 'close');
  process.send({ held: moment });
  await gone;
  context.respond = false;
  return true;
}

provider.use(async (context, next) => {
  if (await holdUntilGone(context, 'received')) return;
  if (context.path === '/token') await delay(tokenDelayMs);
  await next();
  await holdUntilGone(context, 'carried out');
  const { body, oidc, path, query, status } = context;
  const redirect = new URL(context.response.get('location') || issuer, issuer);
  const places = [body, oidc?.body, query, Object.fromEntries(redirect.searchParams)];
  process.send({ secrets: places.flatMap((place) => SECRETS.map((name) => place?.[name])).filter(Boolean) });
  if (!WATCHED.includes(path)) return;
  process.send({
    request: { path, status, grantType: oidc?.params?.grant_type, error: body?.error, body: oidc?.body },
  });
});

/** Sign-in and consent on one page, with one button. */
const page = (uid, problem) => `<!doctype html><title>Sign in</title>
<form method="post" action="/login/${uid}">
  <p>${problem}</p>
  <label>Name <input name="login" required></label>
  <label>Password <input name="password" type="password" required></label>
  <button type="submit">Sign in and allow</button>
</form>`;

function answerPage(response, uid, problem = '') {
  response.writeHead(200, { 'content-type': 'text/html' }).end(page(uid, problem));
}

async function consent({ params, grantId }, accountId) {
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  for (const resource of [params.resource].flat().filter(Boolean)) grant.addResourceScope(resource, params.scope);
  return grant.save();
}

async function interaction(request, response) {
  const details = await provider.interactionDetails(request, response);
  if (request.method !== 'POST') return answerPage(response, details.uid);
  let body = '';
  for await (const chunk of request) body += chunk;
  const { login, password } = Object.fromEntries(new URLSearchParams(body));
  if (login !== account.login || password !== account.password) {
    return answerPage(response, details.uid, 'Name or password is wrong');
  }
  const result = { login: { accountId: login }, consent: { grantId: await consent(details, login) } };
  return provider.interactionFinished(request, response, result);
}

const callback = provider.callback();
http
  .createServer((request, response) => {
    if (!request.url.startsWith('/login/')) return callback(request, response);
    return interaction(request, response).catch((error) => response.writeHead(400).end(error.message));
  })
  .listen(port, '127.0.0.1', () => process.send({ issuer }));

process.on('disconnect', () => process.exit());
