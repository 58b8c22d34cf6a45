//! The refresh request of whoever has the lock.

use std::borrow::Cow;
use std::sync::OnceLock;

use async_trait::async_trait;
use tokio::time::Instant;

use super::authorizer::Inner;
use super::documents::{Tokens, text as text_of, texts};
use super::dpop::{bound_to, check_bound};
use super::refresh::{Refresh, StoredEndpoint};
use super::storage::StoredClient;
use super::stored_tokens::GrantRefresher;
use crate::dpop::Prover;
use crate::error::{Code, Result};
use crate::secret::Secret;

/// Refreshes for whoever has the lock.
pub(super) struct LockedRefresher<'a> {
    pub inner: &'a Inner,
    pub send_by: Instant,
    /// The key that the grant turned out to be bound to.
    pub prover: OnceLock<Prover>,
}

#[async_trait]
impl GrantRefresher for LockedRefresher<'_> {
    async fn refresh(
        &self,
        refresh_token: &Secret,
        client: Option<&StoredClient>,
    ) -> Result<Tokens> {
        let inner = self.inner;
        let text = |name| {
            let stored = client?;
            text_of(&stored.metadata, name)
        };
        let methods = client
            .and_then(|stored| texts(&stored.metadata, "token_endpoint_auth_methods_supported"));
        let options = &inner.relation.options;
        let row = client.map(|stored| &stored.metadata);
        let mut endpoints = Cow::Borrowed(&inner.endpoints);
        if let Some(thumbprint) = bound_to(row, options.dpop, &inner.relation.server_name)? {
            let known = inner.prover.lock().clone();
            let prover = inner.storage.prover(thumbprint, known).await?;
            endpoints = Cow::Owned(inner.endpoints.clone().proving(prover.clone()));
            let _ = self.prover.set(prover);
        }
        let refresh = Refresh {
            endpoints: &endpoints,
            options,
            server_name: &inner.relation.server_name,
            server_url: Some(&inner.relation.server_url),
            client: client.map(|stored| &stored.client),
            stored: StoredEndpoint {
                token_endpoint: text("token_endpoint"),
                auth_methods: methods.as_deref(),
                issuer: text("issuer"),
                server_url: text("server_url"),
                client_source: text("client_source"),
                resource: text("resource"),
            },
            nothing_stored: client.is_none(),
            assertions: inner.host.client_assertions.as_deref(),
            logger: &inner.host.logger,
        };
        let closing = &inner.oauth.closing;
        let sent = refresh.send(refresh_token, Some(self.send_by), closing);
        let tokens = sent.await?;
        check_bound(&tokens, self.prover.get(), Code::OAuthRefreshFailed)?;
        Ok(tokens)
    }
}
