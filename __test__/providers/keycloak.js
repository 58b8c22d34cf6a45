const { randomUUID } = require('node:crypto');
const { Provider, text } = require('./provider');

const REALM = '/realms/mcp';
const PROTOCOL = `${REALM}/protocol/openid-connect`;
const PAR = `${PROTOCOL}/ext/par/request`;
const REQUEST_URI = 'urn:ietf:params:oauth:request_uri:';

/** Keycloak: anonymous registration from trusted hosts alone, `iss` and `session_state` with the code, refresh tokens once. */
class Keycloak extends Provider {
  authorizePath = `${PROTOCOL}/auth`;
  tokenPath = `${PROTOCOL}/token`;
  pushed = new Map();
  /** Forms of the endpoint for pushed requests. */
  pushes = [];

  /** @param options.requiresPushed  authorization requests have to be pushed (RFC 9126) */
  constructor({ requiresPushed = false } = {}) {
    super();
    this.requiresPushed = requiresPushed;
  }

  get issuer() {
    return this.origin + REALM;
  }

  documents() {
    const at = (path) => this.origin + PROTOCOL + path;
    const methods = [
      'private_key_jwt',
      'client_secret_basic',
      'client_secret_post',
      'tls_client_auth',
      'client_secret_jwt',
    ];
    const metadata = {
      issuer: this.issuer,
      authorization_endpoint: at('/auth'),
      token_endpoint: at('/token'),
      introspection_endpoint: at('/token/introspect'),
      userinfo_endpoint: at('/userinfo'),
      end_session_endpoint: at('/logout'),
      frontchannel_logout_session_supported: true,
      jwks_uri: at('/certs'),
      check_session_iframe: at('/login-status-iframe.html'),
      grant_types_supported: [
        'authorization_code',
        'client_credentials',
        'implicit',
        'password',
        'refresh_token',
        'urn:ietf:params:oauth:grant-type:device_code',
        'urn:ietf:params:oauth:grant-type:token-exchange',
        'urn:ietf:params:oauth:grant-type:uma-ticket',
        'urn:openid:params:grant-type:ciba',
      ],
      acr_values_supported: ['0', '1'],
      response_types_supported: ['code', 'none', 'id_token', 'token', 'id_token token', 'code id_token', 'code token'],
      subject_types_supported: ['public', 'pairwise'],
      token_endpoint_auth_methods_supported: methods,
      token_endpoint_auth_signing_alg_values_supported: ['PS256', 'RS256', 'ES256', 'EdDSA'],
      registration_endpoint: `${this.origin}${REALM}/clients-registrations/openid-connect`,
      scopes_supported: ['openid', 'mcp', 'profile', 'email', 'offline_access', 'basic', 'web-origins'],
      code_challenge_methods_supported: ['plain', 'S256'],
      tls_client_certificate_bound_access_tokens: true,
      dpop_signing_alg_values_supported: ['PS256', 'RS256', 'ES256', 'EdDSA'],
      revocation_endpoint: at('/revoke'),
      revocation_endpoint_auth_methods_supported: methods,
      backchannel_logout_supported: true,
      pushed_authorization_request_endpoint: this.origin + PAR,
      require_pushed_authorization_requests: this.requiresPushed,
      mtls_endpoint_aliases: { token_endpoint: at('/token'), pushed_authorization_request_endpoint: this.origin + PAR },
      authorization_response_iss_parameter_supported: true,
    };
    return { [`${REALM}/.well-known/openid-configuration`]: metadata };
  }

  answer({ pathname, form }) {
    if (pathname === PAR) {
      const request_uri = REQUEST_URI + randomUUID();
      this.pushed.set(request_uri, form);
      this.pushes.push(form);
      return { status: 201, body: { request_uri, expires_in: 60 } };
    }
    if (!pathname.endsWith('/clients-registrations/openid-connect')) return undefined;
    const problem =
      "Policy 'Trusted Hosts' rejected request to client-registration service. Details: Host not trusted.";
    return this.refusal('insufficient_scope', problem, 403);
  }

  authorize(query) {
    const pushed = this.pushed.get(query.request_uri);
    this.pushed.delete(query.request_uri);
    if (pushed || !this.requiresPushed) return super.authorize(pushed ?? query);
    return this.refusal('invalid_request', 'Pushed Authorization Request is only allowed.');
  }

  returned() {
    return { session_state: randomUUID(), iss: this.issuer };
  }

  invalidGrant() {
    return this.refusal('invalid_grant', 'Token is not active');
  }

  /** Every login gets one, which ends with the session. */
  isLasting() {
    return true;
  }

  tokens({ scope }) {
    return {
      expires_in: 300,
      refresh_expires_in: 1800,
      token_type: 'Bearer',
      id_token: text(),
      'not-before-policy': 0,
      session_state: randomUUID(),
      scope,
    };
  }
}

module.exports = { Keycloak };
