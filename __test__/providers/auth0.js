const { Provider, text } = require('./provider');

/**
 * Auth0: an issuer with a slash at its end, tokens for an API only where `audience` names it, refusals of refresh tokens with
 * status 403. Refresh tokens do not rotate unless the application says so.
 */
class Auth0 extends Provider {
  tokenPath = '/oauth/token';
  /** Grants of the registered client. */
  grants = [];

  get issuer() {
    return `${this.origin}/`;
  }

  documents() {
    const { origin } = this;
    const metadata = {
      issuer: this.issuer,
      authorization_endpoint: this.authorizationUrl,
      token_endpoint: this.tokenUrl,
      device_authorization_endpoint: `${origin}/oauth/device/code`,
      userinfo_endpoint: `${origin}/userinfo`,
      mfa_challenge_endpoint: `${origin}/mfa/challenge`,
      jwks_uri: `${origin}/.well-known/jwks.json`,
      registration_endpoint: `${origin}/oidc/register`,
      revocation_endpoint: `${origin}/oauth/revoke`,
      scopes_supported: [
        'openid',
        'profile',
        'offline_access',
        'name',
        'email',
        'email_verified',
        'picture',
        'address',
      ],
      response_types_supported: ['code', 'token', 'id_token', 'code token', 'code id_token', 'token id_token'],
      code_challenge_methods_supported: ['S256', 'plain'],
      response_modes_supported: ['query', 'fragment', 'form_post'],
      subject_types_supported: ['public'],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
      claims_supported: ['aud', 'auth_time', 'email', 'exp', 'iat', 'iss', 'name', 'sub'],
      request_uri_parameter_supported: false,
      request_parameter_supported: true,
      id_token_signing_alg_values_supported: ['HS256', 'RS256', 'PS256'],
      token_endpoint_auth_signing_alg_values_supported: ['RS256', 'RS384', 'PS256'],
      end_session_endpoint: `${origin}/oidc/logout`,
    };
    return { '/.well-known/openid-configuration': metadata, '/.well-known/oauth-authorization-server': metadata };
  }

  answer({ pathname, body }) {
    if (pathname !== '/oidc/register') return undefined;
    const { client_name, redirect_uris, token_endpoint_auth_method, grant_types } = JSON.parse(body);
    this.grants = grant_types;
    const registered = { client_name, redirect_uris, token_endpoint_auth_method, client_secret_expires_at: 0 };
    return { status: 201, body: { client_id: text(), client_secret: text(), ...registered } };
  }

  invalidGrant() {
    return this.refusal('invalid_grant', 'Unknown or invalid refresh token.', 403);
  }

  isLasting(login) {
    return super.isLasting(login) && this.grants.includes('refresh_token');
  }

  rotate() {
    return undefined;
  }

  /** Without an audience it is one for `/userinfo`, which no server can read. */
  async introspect(token) {
    const login = this.accessTokens.get(token);
    return login?.audience ? super.introspect(token) : { active: false };
  }

  tokens({ scope }) {
    return { scope, expires_in: 86_400, token_type: 'Bearer' };
  }
}

module.exports = { Auth0 };
