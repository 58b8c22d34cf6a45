/** What `oidc-provider` has no grants for: ID tokens become ID-JAGs at one (SEP-990), and these access tokens at another. */

import { randomUUID } from 'node:crypto';
import { createRemoteJWKSet, importJWK, jwtVerify, SignJWT } from 'jose';
import { errors } from 'oidc-provider';

const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const ID_JAG = 'urn:ietf:params:oauth:token-type:id-jag';

const verified = (token, ...rest) =>
  jwtVerify(token ?? '', ...rest).catch((error) => {
    throw new errors.InvalidGrant(error.message);
  });

/** @param key  the private JWK that ID-JAGs are signed with */
async function giveIdJags(provider, issuer, key) {
  const [own, signing] = [createRemoteJWKSet(new URL('/jwks', issuer)), await importJWK(key, 'ES256')];
  const exchange = async (context) => {
    const { client, params } = context.oidc;
    if (params.requested_token_type !== ID_JAG) throw new errors.InvalidRequest('no ID-JAG is asked for');
    const { payload } = await verified(params.subject_token, own, { issuer, audience: client.clientId });
    const { audience, resource, scope } = params;
    const idJag = await new SignJWT({ resource, scope, client_id: client.clientId })
      .setProtectedHeader({ alg: 'ES256', typ: 'oauth-id-jag+jwt' })
      .setIssuer(issuer)
      .setSubject(payload.sub)
      .setAudience(audience)
      .setJti(randomUUID())
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(signing);
    context.body = { issued_token_type: ID_JAG, access_token: idJag, token_type: 'N_A', scope, expires_in: 300 };
  };
  const names = ['audience', 'resource', 'requested_token_type', 'scope', 'subject_token', 'subject_token_type'];
  provider.registerGrantType(TOKEN_EXCHANGE, exchange, names);
}

/** @param key  the public JWK of the identity provider `from` */
async function takeIdJags(provider, issuer, { from, key }) {
  const trusted = await importJWK(key, 'ES256');
  const redeem = async (context) => {
    const { client, params } = context.oidc;
    const expected = { issuer: from, audience: issuer, typ: 'oauth-id-jag+jwt' };
    const { payload } = await verified(params.assertion, trusted, expected);
    if (payload.client_id !== client.clientId) throw new errors.InvalidGrant('not of this client');
    const { sub: accountId, resource, scope } = payload;
    const grant = new provider.Grant({ accountId, clientId: client.clientId });
    grant.addResourceScope(resource, scope);
    const token = new provider.AccessToken({ accountId, client, grantId: await grant.save(), gty: JWT_BEARER, scope });
    const settings = { scope, audience: resource, accessTokenTTL: 3600, accessTokenFormat: 'opaque' };
    token.resourceServer = new provider.ResourceServer(resource, settings);
    context.oidc.entity('AccessToken', token);
    const access_token = await token.save();
    context.body = { access_token, expires_in: token.expiration, scope, token_type: token.tokenType };
  };
  provider.registerGrantType(JWT_BEARER, redeem, ['assertion', 'scope']);
}

/** @param idJag  `{ key }` of who gives them, `{ key, from }` of who takes them */
export const withIdJags = (provider, issuer, idJag) =>
  idJag.from ? takeIdJags(provider, issuer, idJag) : giveIdJags(provider, issuer, idJag.key);
