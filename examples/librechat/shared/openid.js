/**
 * Signing in with an account of the organization, as LibreChat's OpenID strategy does. What the identity provider gives
 * out stays on the user as `federatedTokens`: tokens on behalf of the user are exchanged for it.
 */

const { createHash, randomBytes } = require('node:crypto');
const { SystemRoles } = require('librechat-data-provider');
const db = require('./models');

const { OPENID_ISSUER, OPENID_TOKEN_ENDPOINT, OPENID_CLIENT_ID, OPENID_CLIENT_SECRET, DOMAIN_SERVER } = process.env;
const REDIRECT_URI = `${DOMAIN_SERVER}/oauth/openid/callback`;

/**
 * Code verifiers by state.
 *
 * @type {Map<string, string>}
 */
const begun = new Map();
/**
 * By the user's id.
 *
 * @type {Map<string, { access_token: string, expires_at: number }>}
 */
const federatedTokens = new Map();

const random = () => randomBytes(32).toString('base64url');

/** Where the user signs in. */
function beginSignIn() {
  const [state, verifier] = [random(), random()];
  begun.set(state, verifier);
  const url = new URL('/auth', OPENID_ISSUER);
  url.search = String(
    new URLSearchParams({
      client_id: OPENID_CLIENT_ID,
      redirect_uri: REDIRECT_URI,
      response_type: 'code',
      scope: 'openid',
      state,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    }),
  );
  return url.href;
}

/**
 * @param {string | URL} url
 * @param {RequestInit} init
 * @returns {Promise<any>}
 */
async function ask(url, init) {
  const response = await fetch(url, init);
  if (!response.ok) throw new Error(`The identity provider answered ${response.status}`);
  return response.json();
}

/**
 * The user who comes back with a code.
 *
 * @param {Record<string, any>} query
 */
async function completeSignIn({ code, state }) {
  const verifier = begun.get(state);
  if (!verifier) throw new Error('Nobody has begun to sign in with this state');
  begun.delete(state);
  const body = new URLSearchParams({
    grant_type: 'authorization_code',
    code,
    redirect_uri: REDIRECT_URI,
    code_verifier: verifier,
    client_id: OPENID_CLIENT_ID,
    client_secret: OPENID_CLIENT_SECRET,
  });
  const { access_token, expires_in } = await ask(OPENID_TOKEN_ENDPOINT, { method: 'POST', body });
  const headers = { authorization: `Bearer ${access_token}` };
  const { sub } = await ask(new URL('/me', OPENID_ISSUER), { headers });
  const known = await db.findUser({ openidId: sub }, '_id');
  const user = { email: `${sub}@example.org`, name: sub, role: SystemRoles.USER, provider: 'openid', openidId: sub };
  const id = String(known?._id ?? (await db.createUser(user)));
  federatedTokens.set(id, { access_token, expires_at: Math.floor(Date.now() / 1000) + expires_in });
  return id;
}

/** @param {string} userId */
const getFederatedTokens = (userId) => federatedTokens.get(userId);

module.exports = { beginSignIn, completeSignIn, getFederatedTokens };
