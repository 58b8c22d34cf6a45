/**
 * The identity provider of an organization, as far as `oidc-provider` is none: a client exchanges a token of its user
 * for one that another server takes (`urn:ietf:params:oauth:grant-type:jwt-bearer`, the way of Microsoft Entra ID).
 */

import { errors } from 'oidc-provider';

const GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

/**
 * The client that signs users in and exchanges their tokens.
 *
 * @typedef {{ client_id: string, client_secret: string, redirect_uris: string[] }} App
 */

/**
 * @param {App} client
 * @returns {import('oidc-provider').ClientMetadata}
 */
export const onBehalfOfClient = (client) => ({
  ...client,
  grant_types: ['authorization_code', GRANT_TYPE],
  response_types: ['code'],
  token_endpoint_auth_method: 'client_secret_post',
});

/**
 * `scope` of a request is `RESOURCE/.default`.
 *
 * @param {import('oidc-provider').Provider} provider
 * @param {(resource: string) => import('oidc-provider').ResourceServer} resourceServerOf
 */
export function allowOnBehalfOf(provider, resourceServerOf) {
  /** @param {any} context */
  const exchange = async (context) => {
    const { client, params } = context.oidc;
    const assertion = await provider.AccessToken.find(params.assertion ?? '');
    if (!assertion || assertion.clientId !== client.clientId)
      throw new errors.InvalidGrant('Not a token of this client');
    const [, resource] = /^(.+)\/\.default$/.exec(params.scope ?? '') ?? [];
    if (!resource) throw new errors.InvalidScope('The scope names no resource', params.scope);

    const resourceServer = new provider.ResourceServer(resource, resourceServerOf(resource));
    const { accountId, grantId } = assertion;
    const token = new provider.AccessToken({
      accountId,
      client,
      grantId,
      gty: GRANT_TYPE,
      scope: resourceServer.scope,
    });
    token.resourceServer = resourceServer;
    context.oidc.entity('AccessToken', token);
    const value = await token.save();
    context.body = {
      access_token: value,
      expires_in: token.expiration,
      scope: params.scope,
      token_type: token.tokenType,
    };
  };
  provider.registerGrantType(GRANT_TYPE, exchange, ['assertion', 'scope', 'requested_token_use']);
}
