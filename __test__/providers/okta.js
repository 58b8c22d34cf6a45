const { readProof, thumbprint } = require('../support/dpop');
const { Provider, text } = require('./provider');

const ID = 'default';

/**
 * Okta with a custom authorization server. Beside it the org has one of its own, which is another issuer; clients are
 * registered by administrators; who refreshes twice within the grace period gets the same answer.
 */
class Okta extends Provider {
  authorizePath = `/oauth2/${ID}/v1/authorize`;
  tokenPath = `/oauth2/${ID}/v1/token`;
  /** By the refresh token that was used, for as long as the grace period is. */
  graces = new Map();
  nonce = text();
  /** How often it asked for the nonce. */
  challenges = 0;

  /** @param options.isBound  the client has to show a proof (DPoP), with the nonce of the authorization server */
  constructor({ isBound = false } = {}) {
    super();
    this.isBound = isBound;
  }

  get issuer() {
    return `${this.origin}/oauth2/${ID}`;
  }

  documents() {
    const metadata = this.metadata(this.issuer, `${this.origin}/oauth2/${ID}/v1`);
    const org = this.metadata(this.origin, `${this.origin}/oauth2/v1`);
    return {
      [`/oauth2/${ID}/.well-known/oauth-authorization-server`]: metadata,
      [`/oauth2/${ID}/.well-known/openid-configuration`]: metadata,
      '/.well-known/oauth-authorization-server': org,
      '/.well-known/openid-configuration': org,
    };
  }

  metadata(issuer, base) {
    const methods = ['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt', 'none'];
    return {
      issuer,
      authorization_endpoint: `${base}/authorize`,
      token_endpoint: `${base}/token`,
      registration_endpoint: `${this.origin}/oauth2/v1/clients`,
      jwks_uri: `${base}/keys`,
      response_types_supported: ['code', 'token', 'id_token', 'code id_token', 'code token', 'id_token token'],
      response_modes_supported: ['query', 'fragment', 'form_post', 'okta_post_message'],
      grant_types_supported: [
        'authorization_code',
        'implicit',
        'refresh_token',
        'password',
        'client_credentials',
        'urn:ietf:params:oauth:grant-type:device_code',
        'urn:openid:params:grant-type:ciba',
        'urn:okta:params:oauth:grant-type:otp',
      ],
      subject_types_supported: ['public'],
      scopes_supported: ['mcp', 'openid', 'profile', 'email', 'address', 'phone', 'offline_access', 'device_sso'],
      token_endpoint_auth_methods_supported: methods,
      code_challenge_methods_supported: ['S256'],
      introspection_endpoint: `${base}/introspect`,
      introspection_endpoint_auth_methods_supported: methods,
      revocation_endpoint: `${base}/revoke`,
      revocation_endpoint_auth_methods_supported: methods,
      end_session_endpoint: `${base}/logout`,
      request_parameter_supported: true,
      request_object_signing_alg_values_supported: ['HS256', 'RS256', 'ES256'],
      device_authorization_endpoint: `${base}/device/authorize`,
      pushed_authorization_request_endpoint: `${base}/par`,
      backchannel_token_delivery_modes_supported: ['poll'],
      dpop_signing_alg_values_supported: ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512'],
    };
  }

  answer({ pathname }) {
    if (pathname !== '/oauth2/v1/clients') return undefined;
    const body = { errorCode: 'E0000005', errorSummary: 'Invalid session', errorLink: 'E0000005', errorCauses: [] };
    return { status: 401, body };
  }

  refuseAuthorization({ code_challenge }) {
    if (code_challenge) return undefined;
    const error_description =
      "PKCE code challenge is required when the token endpoint authentication method is 'NONE'.";
    return { error: 'invalid_request', error_description };
  }

  refuseToken(_, { dpop }) {
    if (!this.isBound) return undefined;
    if (!dpop) return this.refusal('invalid_dpop_proof', 'The DPoP proof JWT header is missing.');
    const { header, claims } = readProof(dpop);
    this.jkt = thumbprint(header.jwk);
    if (claims.nonce === this.nonce) return undefined;
    this.challenges += 1;
    const refused = this.refusal('use_dpop_nonce', 'Authorization server requires nonce in DPoP proof.');
    return { ...refused, headers: { 'dpop-nonce': this.nonce } };
  }

  async introspect(token) {
    return { ...(await super.introspect(token)), ...(this.isBound && { cnf: { jkt: this.jkt } }) };
  }

  invalidGrant() {
    return this.refusal('invalid_grant', 'The refresh token is invalid or expired.');
  }

  refresh(form) {
    const { refresh_token: used } = form;
    const answer = this.graces.get(used) ?? super.refresh(form);
    this.graces.set(used, answer);
    return answer;
  }

  endGrace() {
    this.graces.clear();
  }

  tokens({ scope }) {
    return { token_type: this.isBound ? 'DPoP' : 'Bearer', expires_in: 3600, scope, id_token: text() };
  }
}

module.exports = { Okta };
