//! Tokens on behalf of users.

use napi_derive::napi;

/// The OpenID client of the operator, in plain form.
#[napi(
    object,
    js_name = "MCPOpenIdConfig",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpOpenIdConfig {
    pub issuer: Option<String>,
    pub token_endpoint: String,
    pub client_id: String,
    pub client_secret: Option<String>,
    /// How the client authenticates; with a secret, `client_secret_post` unless given. A certificate signs with PS256
    /// unless `alg` says otherwise; an assertion is asked for anew for each request.
    #[napi(
        ts_type = "'client_secret_post' | 'client_secret_basic' | { privateKeyPem: string; certificatePem: string; alg?: 'PS256' | 'RS256' } | { clientAssertion: () => string | Promise<string> }"
    )]
    pub client_auth: Option<()>,
}

/// What the runtime uses of openid-client's `Configuration`.
#[napi(
    object,
    js_name = "MCPOpenIdConfiguration",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpOpenIdConfiguration {
    #[napi(ts_type = "() => { issuer: string; token_endpoint?: string }")]
    pub server_metadata: (),
    #[napi(ts_type = "() => { client_id: string }")]
    pub client_metadata: (),
}

/// A cache such as Keyv.
#[napi(
    object,
    js_name = "MCPTokenCache",
    object_from_js = false,
    object_to_js = false
)]
pub struct McpTokenCache {
    #[napi(ts_type = "(key: string) => unknown")]
    pub get: (),
    #[napi(ts_type = "(key: string, value: string, ttlMs: number) => unknown")]
    pub set: (),
    #[napi(ts_type = "(key: string) => unknown")]
    pub delete: (),
}

/// A token for one server or API.
#[napi(object, object_from_js = false, object_to_js = false)]
pub struct ExchangedToken {
    #[napi(js_name = "access_token")]
    pub access_token: String,
    #[napi(js_name = "token_type", ts_type = "'Bearer'")]
    pub token_type: (),
    /// Seconds that are left, also for a token from the cache.
    #[napi(js_name = "expires_in")]
    pub expires_in: f64,
    pub scope: String,
}
