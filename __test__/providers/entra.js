const { randomUUID } = require('node:crypto');
const { Provider, hasSecret } = require('./provider');

const APPLICATION = 'api://orders';
const AUTHORITIES = ['organizations', 'common'];

/** Microsoft Entra ID, v2.0: no PKCE in its metadata, no registration, no `resource`, errors with `AADSTS` and a trace. */
class Entra extends Provider {
  scopes = [`${APPLICATION}/.default`];

  /** @param options.tenant a tenant's id, or `organizations`; `options.isConfidential`: the platform "Web", which wants a secret */
  constructor({ tenant = 'f8cdef31-a31e-4b4a-93e4-5f571e91255a', isConfidential = false } = {}) {
    super();
    this.tenant = tenant;
    this.isConfidential = isConfidential;
    this.authorizePath = `/${tenant}/oauth2/v2.0/authorize`;
    this.tokenPath = `/${tenant}/oauth2/v2.0/token`;
  }

  get issuer() {
    return `${this.origin}/${this.tenant}/v2.0`;
  }

  documents() {
    const { origin, tenant } = this;
    const issued = AUTHORITIES.includes(tenant) ? '{tenantid}' : tenant;
    return {
      [`/${tenant}/v2.0/.well-known/openid-configuration`]: {
        token_endpoint: this.tokenUrl,
        token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt', 'client_secret_basic'],
        jwks_uri: `${origin}/${tenant}/discovery/v2.0/keys`,
        response_modes_supported: ['query', 'fragment', 'form_post'],
        subject_types_supported: ['pairwise'],
        id_token_signing_alg_values_supported: ['RS256'],
        response_types_supported: ['code', 'id_token', 'code id_token', 'id_token token'],
        scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
        issuer: `${origin}/${issued}/v2.0`,
        request_uri_parameter_supported: false,
        userinfo_endpoint: 'https://graph.microsoft.com/oidc/userinfo',
        authorization_endpoint: this.authorizationUrl,
        device_authorization_endpoint: `${origin}/${tenant}/oauth2/v2.0/devicecode`,
        http_logout_supported: true,
        frontchannel_logout_supported: true,
        end_session_endpoint: `${origin}/${tenant}/oauth2/v2.0/logout`,
        claims_supported: ['sub', 'iss', 'cloud_instance_name', 'aud', 'exp', 'iat', 'nonce', 'tid', 'ver', 'email'],
        tenant_region_scope: AUTHORITIES.includes(tenant) ? null : 'EU',
        cloud_instance_name: 'microsoftonline.com',
        cloud_graph_host_name: 'graph.windows.net',
        msgraph_host: 'graph.microsoft.com',
      },
    };
  }

  refuseAuthorization({ resource, scope }) {
    if (resource) {
      const error_description = this.aadsts(
        9010010,
        "The resource parameter provided in the request doesn't match with the requested scopes.",
      );
      return { error: 'invalid_target', error_description };
    }
    const [asked] = scope.split(' ');
    if (asked.startsWith(`${APPLICATION}/`)) return undefined;
    const error_description = this.aadsts(
      650053,
      `The application 'LibreChat' asked for scope '${asked}' that doesn't exist on the resource '00000003-0000-0000-c000-000000000000'.`,
    );
    return { error: 'invalid_client', error_description };
  }

  returned() {
    return { session_state: randomUUID() };
  }

  refuseToken(form, headers) {
    if (!this.isConfidential || hasSecret(form, headers)) return undefined;
    const isSecretSent = form.client_secret || headers.authorization;
    const problem = isSecretSent
      ? [
          7000215,
          'Invalid client secret provided. Ensure the secret being sent in the request is the client secret value.',
        ]
      : [7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."];
    return this.problem('invalid_client', ...problem, 401);
  }

  invalidGrant() {
    return this.problem('invalid_grant', 700082, 'The refresh token has expired due to inactivity.');
  }

  aadsts(code, problem) {
    return `AADSTS${code}: ${problem} Trace ID: ${randomUUID()} Correlation ID: ${randomUUID()} Timestamp: 2026-11-30 12:00:00Z`;
  }

  problem(error, code, problem, status = 400) {
    const body = {
      error,
      error_description: this.aadsts(code, problem),
      error_codes: [code],
      timestamp: '2026-11-30 12:00:00Z',
      trace_id: randomUUID(),
      correlation_id: randomUUID(),
      error_uri: `https://login.microsoftonline.com/error?code=${code}`,
    };
    return { status, body };
  }

  /** The old one stays good. */
  rotate(login) {
    return this.newRefreshToken(login);
  }

  tokens() {
    return { token_type: 'Bearer', scope: `${APPLICATION}/user_impersonation`, expires_in: 4731, ext_expires_in: 4731 };
  }
}

module.exports = { APPLICATION, Entra };
