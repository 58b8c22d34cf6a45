//! The user's `OpenID` tokens as the login session has them now.

use async_trait::async_trait;

use crate::error::Result;
use crate::user::OpenIdTokens;

/// Tokens of the login session, which are refreshed when they are asked for. Those in the user object are as old as the
/// request that was signed in with them, and count only where the session has none.
///
/// A failure says in `retryable` what the host's own error says.
#[async_trait]
pub trait UpstreamTokens: Send + Sync {
    /// Whether the call that brought them has ended. A session that was read for one request must not be refreshed
    /// after it: whoever works on for the connection uses the token that it has.
    fn is_over(&self) -> bool;
    /// The call has ended.
    fn end(&self);
    /// Whether there is a session for servers that get the user's own token. What resolves providers for an exchange is
    /// not asked for those.
    fn can_forward(&self) -> bool;
    /// To be exchanged for a token of this server; `None` where the session has none. `force` refreshes the session first.
    ///
    /// Fails with `OboMissingUpstreamProvider` where the host resolves no provider for the server.
    async fn to_exchange(
        &self,
        server_name: &str,
        scopes: &str,
        force: bool,
    ) -> Result<Option<OpenIdTokens>>;
    /// To be sent as they are; `force` refreshes the session first.
    async fn to_forward(&self, force: bool) -> Result<Option<OpenIdTokens>>;
}

/// Who the session belongs to (`LibreChat`'s `AuthIdentityContext`). Exchanged tokens are kept apart by it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    pub app_user_id: Option<String>,
    pub openid_subject: Option<String>,
    pub tenant_id: Option<String>,
    pub openid_issuer: Option<String>,
}
