//! How a user is sent to an authorization server, and comes back.

use async_trait::async_trait;

use crate::error::Result;
use crate::secret::Secret;

/// How the user learns of an authorization: the caller's `oauthStart` and `oauthEnd`.
#[async_trait]
pub trait AuthorizationPrompt: Send + Sync {
    /// Whether the caller is told the URL by [`Self::start`]; else the result shows it.
    fn takes_url(&self) -> bool;
    /// `expires_at`: until when the pending flow can be joined, in milliseconds since the epoch.
    async fn start(&self, url: &str, expires_at: Option<i64>) -> Result<()>;
    async fn end(&self) -> Result<()>;
}

/// What an authorization server sent the user's browser back with (RFC 6749, section 4.1.2; `iss`: RFC 9207).
#[derive(Debug, Default)]
pub struct Redirect {
    pub code: Option<Secret>,
    pub error: Option<String>,
    pub error_description: Option<String>,
    pub state: Option<Secret>,
    pub iss: Option<String>,
}

/// What the user is shown in the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectOutcome {
    Authorized,
    Failed,
    /// Nobody waits for this.
    Unknown,
}

/// Where browsers return to, for hosts without a route for that.
#[async_trait]
pub trait RedirectListener: Send + Sync {
    /// Begins to listen for one flow. Dropping the endpoint ends that.
    async fn listen(&self) -> Result<Box<dyn RedirectEndpoint>>;
}

#[async_trait]
pub trait RedirectEndpoint: Send {
    /// Scheme, host and port of redirect URIs, in place of `DOMAIN_SERVER`.
    fn origin(&self) -> &str;
    /// Waits for the next browser.
    async fn next(&mut self) -> Redirect;
    /// Shows the last one what came of it.
    async fn answer(&mut self, outcome: RedirectOutcome);
}
