/**
 * The example's authorization server, watched: node authorization-server-process.mjs OPTIONS
 * A process of its own because the package is an ES module, which jest does not load. Tells its parent `{ issuer }`
 * when it listens, `{ request }` of what was asked of its endpoints, and `{ secrets }` that it saw or gave away.
 */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { MapAdapter } from '../../examples/fleet/adapter.mjs';
import { createAuthorizationServer } from '../../examples/librechat/servers/authorization-server.mjs';
import { withIdJags } from './enterprise-grants.mjs';

const { tokenDelayMs, dpop, idJag, ...options } = JSON.parse(process.argv[2]);
const dPoP = {
  enabled: dpop !== 'none',
  nonceSecret: randomBytes(32),
  requireNonce: () => dpop === 'nonce',
};
const WATCHED = ['/reg', '/request', '/token', '/token/revocation'];
/** Wherever they are: in a form, a URL, an answer. */
const SECRETS = [
  'access_token',
  'assertion',
  'client_assertion',
  'client_secret',
  'code',
  'code_verifier',
  'id_token',
  'refresh_token',
  'registration_access_token',
  'state',
  'subject_token',
  'token',
];

const { issuer, provider, listen } = createAuthorizationServer({ ...options, dPoP, adapter: MapAdapter });

/** At which moment the next token request is held until its client is gone, 'received' or 'carried out'; or all of them. */
let hold;
/** Let those go on that are held. */
const releases = new Set();
/** What the token endpoint answers, as long as it is out of order. */
let failing;
process.on('message', (message) => {
  if (message.release) {
    hold = undefined;
    for (const release of releases) release();
  }
  if ('hold' in message) {
    hold = message.hold;
    process.send({ holds: true });
  }
  if ('failing' in message) {
    failing = message.failing;
    process.send({ failing });
  }
});

async function holdUntilGone(context, moment) {
  if (hold?.moment !== moment || context.path !== '/token') return false;
  if (!hold.all) hold = undefined;
  const gone = once(context.res, 'close').then(() => true);
  let release;
  const released = new Promise((resolve) => {
    release = () => resolve(false);
  });
  releases.add(release);
  process.send({ held: moment, headers: context.headers });
  const isGone = await Promise.race([gone, released]);
  releases.delete(release);
  if (!isGone) return false;
  context.respond = false;
  return true;
}

provider.use(async (context, next) => {
  if (await holdUntilGone(context, 'received')) return;
  if (context.path === '/token' && failing) {
    context.status = failing;
    return;
  }
  if (context.path === '/token') await delay(tokenDelayMs);
  await next();
  await holdUntilGone(context, 'carried out');
  const { body, headers, oidc, path, query, status } = context;
  const redirect = new URL(context.response.get('location') || issuer, issuer);
  const places = [body, oidc?.body, query, Object.fromEntries(redirect.searchParams)];
  process.send({ secrets: places.flatMap((place) => SECRETS.map((name) => place?.[name])).filter(Boolean) });
  if (!WATCHED.includes(path)) return;
  process.send({
    request: { path, status, headers, grantType: oidc?.params?.grant_type, error: body?.error, body: oidc?.body },
  });
});

if (idJag) await withIdJags(provider, issuer, idJag);

process.on('disconnect', () => process.exit());
await listen();
process.send({ issuer });
