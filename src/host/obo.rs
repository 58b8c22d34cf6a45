//! What on-behalf-of exchange needs from the host.

use async_trait::async_trait;

use crate::error::Result;
use crate::secret::Secret;

/// A cache of texts that processes share (Keyv).
#[async_trait]
pub trait SharedCache: Send + Sync {
    async fn get(&self, key: &str) -> Result<Option<String>>;
    async fn set(&self, key: &str, value: &str, ttl: std::time::Duration) -> Result<()>;
    async fn delete(&self, key: &str) -> Result<()>;
}

/// How the client authenticates at the token endpoint.
#[derive(Debug, Clone)]
pub enum ClientAuth {
    None,
    /// RFC 6749, section 2.3.1, in the body.
    SecretPost(Secret),
    /// RFC 6749, section 2.3.1, HTTP Basic.
    SecretBasic(Secret),
    /// `private_key_jwt` (RFC 7523) with a certificate's thumbprint.
    Certificate {
        private_key_pem: Secret,
        certificate_pem: String,
        alg: Option<String>,
    },
    /// An assertion that the host makes anew for each request (federated credential, managed identity).
    HostAssertion,
}

/// The operator's OpenID client, read from the host when it is used.
#[derive(Debug, Clone)]
pub struct OpenIdClient {
    pub issuer: Option<String>,
    pub token_endpoint: String,
    pub client_id: String,
    pub client_auth: ClientAuth,
}

/// An exchanged token as a host's own resolver returns it.
#[derive(Debug, Clone)]
pub struct ResolvedToken {
    pub access_token: Secret,
    /// Seconds.
    pub expires_in: Option<i64>,
}

/// Which of the host's own resolvers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenResolver {
    /// `oboTokenResolver`.
    OnBehalfOf,
    /// `graphTokenResolver`.
    Graph,
}

/// What on-behalf-of exchange needs from the host, in the call's context.
#[async_trait]
pub trait OnBehalfOf: Send + Sync {
    /// `None` where the host has no OpenID configuration.
    async fn openid_client(&self) -> Result<Option<OpenIdClient>>;
    /// For [`ClientAuth::HostAssertion`].
    async fn client_assertion(&self) -> Result<Secret>;
    /// `oboTrustChecker`; trusted where the host has none.
    async fn is_trusted(
        &self,
        source: Option<&str>,
        author: Option<&str>,
        db_id: Option<&str>,
    ) -> Result<bool>;
    /// Whether the host resolves tokens itself.
    fn has_resolver(&self, resolver: TokenResolver) -> bool;
    /// `resolver(user, accessToken, scopes, fromCache)`, with the caller's own user object. An error says in
    /// `retryable` and `obo.claims` what the host's own error says.
    async fn resolve(
        &self,
        resolver: TokenResolver,
        access_token: &Secret,
        scopes: &str,
        from_cache: bool,
    ) -> Result<ResolvedToken>;
}
