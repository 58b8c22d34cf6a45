//! Keys that the host keeps to itself.

use async_trait::async_trait;

use crate::error::Result;
use crate::secret::Secret;

/// What an assertion is for.
#[derive(Debug, Clone, Copy)]
pub struct AssertionRequest<'a> {
    pub server_name: &'a str,
    /// `iss` and `sub`.
    pub client_id: &'a str,
    /// `aud`, and the only one.
    pub audience: &'a str,
    /// Where the assertion is sent.
    pub endpoint: &'a str,
}

/// Signs for clients whose key this program does not see.
#[async_trait]
pub trait ClientAssertions: Send + Sync {
    /// `getClientAssertion`: an assertion about the client (RFC 7523, section 3), made for one request.
    async fn client_assertion(&self, request: &AssertionRequest<'_>) -> Result<Secret>;
}
