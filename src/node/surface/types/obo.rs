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
    /// As in the metadata of the identity provider.
    pub issuer: Option<String>,
    /// An absolute URL.
    pub token_endpoint: String,
    /// The operator's client, which the users signed in to.
    pub client_id: String,
    /// Its secret, where it has one.
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
    /// What the identity provider publishes.
    #[napi(ts_type = "() => { issuer: string; token_endpoint?: string }")]
    pub server_metadata: (),
    /// The operator's client.
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
    /// The value, or `undefined`.
    #[napi(ts_type = "(key: string) => unknown")]
    pub get: (),
    /// Keeps a value for so many milliseconds.
    #[napi(ts_type = "(key: string, value: string, ttlMs: number) => unknown")]
    pub set: (),
    /// Forgets a value.
    #[napi(ts_type = "(key: string) => unknown")]
    pub delete: (),
}

/// A token for one server or API.
#[napi(object, object_from_js = false, object_to_js = false)]
pub struct ExchangedToken {
    /// What goes into the `Authorization` header, after `Bearer`.
    #[napi(js_name = "access_token")]
    pub access_token: String,
    #[napi(js_name = "token_type", ts_type = "'Bearer'")]
    pub token_type: (),
    /// Seconds that are left, also for a token from the cache.
    #[napi(js_name = "expires_in")]
    pub expires_in: f64,
    /// The granted scopes, separated by spaces.
    pub scope: String,
}
