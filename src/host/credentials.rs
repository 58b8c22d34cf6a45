//! What a caller hears of changes of a user's stored tokens.

use async_trait::async_trait;

use crate::error::Result;

/// `onOAuthCredentialsChanging`, `…Changed`, `…Adopted`, `…Invalidated` of `LibreChat`'s connections.
#[async_trait]
pub trait CredentialEvents: Send + Sync {
    /// Before the first row changes. What is returned is to be called when all have changed; `None`: [`Self::changed`] is.
    async fn changing(
        &self,
        user_id: &str,
        server_name: &str,
    ) -> Result<Option<Box<dyn Publication>>>;
    async fn changed(&self, user_id: &str, server_name: &str) -> Result<()>;
    /// Tokens that somebody else has stored are used from now on; under which generation they were published.
    async fn adopted(&self, generation: &str) -> Result<()>;
    /// What the caller knows of the tokens is out of date; the generation that it finds now.
    async fn invalidated(&self) -> Result<Option<String>>;
}

#[async_trait]
pub trait Publication: Send + Sync {
    /// The generation under which the change was published, where there is one.
    async fn publish(self: Box<Self>) -> Result<Option<String>>;
}
