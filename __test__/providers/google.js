const { Provider, hasSecret, text } = require('./provider');

const SCOPE = 'https://www.googleapis.com/auth/calendar.readonly';

/**
 * Google: endpoints at two origins, a secret for every client, no registration, a refresh token for `access_type=offline`
 * alone, once per consent, which refreshes do not replace. Clients get no tokens of their own.
 */
class Google extends Provider {
  static hosts = 2;
  scopes = [SCOPE];
  authorizePath = '/o/oauth2/v2/auth';
  consented = new Set();
  knowsPrograms = false;

  get tokenUrl() {
    return `http://${this.allow[1]}${this.tokenPath}`;
  }

  documents() {
    return {
      '/.well-known/openid-configuration': {
        issuer: this.origin,
        authorization_endpoint: this.authorizationUrl,
        device_authorization_endpoint: `http://${this.allow[1]}/device/code`,
        token_endpoint: this.tokenUrl,
        userinfo_endpoint: 'https://openidconnect.googleapis.com/v1/userinfo',
        revocation_endpoint: `http://${this.allow[1]}/revoke`,
        jwks_uri: 'https://www.googleapis.com/oauth2/v3/certs',
        response_types_supported: [
          'code',
          'token',
          'id_token',
          'code token',
          'code id_token',
          'token id_token',
          'none',
        ],
        response_modes_supported: ['query', 'fragment', 'form_post'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['RS256'],
        scopes_supported: ['openid', 'email', 'profile'],
        token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic'],
        claims_supported: ['aud', 'email', 'email_verified', 'exp', 'family_name', 'given_name', 'iat', 'iss', 'sub'],
        code_challenge_methods_supported: ['plain', 'S256'],
        grant_types_supported: [
          'authorization_code',
          'refresh_token',
          'urn:ietf:params:oauth:grant-type:device_code',
          'urn:ietf:params:oauth:grant-type:jwt-bearer',
        ],
      },
    };
  }

  refuseAuthorization({ scope }) {
    if (!scope.split(' ').includes('offline_access')) return undefined;
    return {
      error: 'invalid_scope',
      error_description: 'Some requested scopes were invalid. {invalid=[offline_access]}',
    };
  }

  returned({ scope }) {
    return { iss: this.origin, scope, authuser: '0', prompt: 'consent' };
  }

  refuseToken(form, headers) {
    if (hasSecret(form, headers)) return undefined;
    if (form.client_secret || headers.authorization) return this.refusal('invalid_client', 'Unauthorized', 401);
    return this.refusal('invalid_request', 'client_secret is missing.');
  }

  invalidGrant() {
    return this.refusal('invalid_grant', 'Token has been expired or revoked.');
  }

  isLasting({ access_type, prompt, client_id }) {
    const asks = prompt === 'consent' || !this.consented.has(client_id);
    this.consented.add(client_id);
    return access_type === 'offline' && asks;
  }

  rotate() {
    return undefined;
  }

  tokens({ scope }) {
    return { expires_in: 3599, scope, token_type: 'Bearer', id_token: text() };
  }
}

module.exports = { Google, SCOPE };
