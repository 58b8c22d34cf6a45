//! The caller's callbacks around what becomes of a user's stored tokens.

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::json;

use super::authorizer::Inner;
use super::documents::{GENERATION, Tokens, text};
use super::storage::Witness;
use crate::error::Result;
use crate::host::Publication;

/// Of one change.
pub(super) struct Announcement<'a> {
    inner: &'a Inner,
    /// What the caller wants called when the rows have changed.
    publication: Mutex<Option<Box<dyn Publication>>>,
    /// What that, or what was asked for adopted tokens, came to.
    generation: Mutex<Option<String>>,
}

impl<'a> Announcement<'a> {
    pub fn new(inner: &'a Inner) -> Self {
        Self {
            inner,
            publication: Mutex::default(),
            generation: Mutex::default(),
        }
    }

    fn publish(&self, generation: Option<String>) {
        self.inner.published.lock().clone_from(&generation);
        *self.generation.lock() = generation;
    }

    /// Tokens for those who wait for some.
    pub fn published(&self, mut tokens: Tokens) -> Tokens {
        if let Some(generation) = self.generation.lock().clone() {
            tokens.0.insert(GENERATION.to_owned(), json!(generation));
        }
        tokens
    }
}

#[async_trait]
impl Witness for Announcement<'_> {
    async fn preparing(&self) -> Result<()> {
        let (events, relation) = (&self.inner.host.credential_events, &self.inner.relation);
        if let Some(events) = events {
            let (user_id, server_name) = (&relation.user_id, &relation.server_name);
            let publication = events.changing(user_id, server_name).await?;
            *self.publication.lock() = publication;
        }
        Ok(())
    }

    fn renews(&self, before: &str, after: &str) {
        self.inner.oauth.note_renewal(before, after);
        if let Some(session) = &self.inner.relation.session {
            session.renew_login(before, after);
        }
    }

    async fn committed(&self, _stored: &Tokens) -> Result<()> {
        self.cleared().await
    }

    async fn cleared(&self) -> Result<()> {
        let (events, relation) = (&self.inner.host.credential_events, &self.inner.relation);
        let Some(events) = events else {
            return Ok(());
        };
        let publication = self.publication.lock().take();
        if let Some(publication) = publication {
            let generation = publication.publish().await?;
            self.publish(generation);
            return Ok(());
        }
        let (user_id, server_name) = (&relation.user_id, &relation.server_name);
        events.changed(user_id, server_name).await
    }

    async fn adopted(&self, _stored: &Tokens) -> Result<()> {
        let Some(events) = &self.inner.host.credential_events else {
            return Ok(());
        };
        if let Some(generation) = events.invalidated().await? {
            events.adopted(&generation).await?;
            self.publish(Some(generation));
        }
        Ok(())
    }
}

/// Tells of the tokens of a flow that somebody else has completed.
pub(super) async fn tell_of_flow(inner: &Inner, tokens: &Tokens) -> Result<()> {
    let generation = text(&tokens.0, GENERATION);
    match (&inner.host.credential_events, generation) {
        (Some(events), Some(generation)) => events.adopted(generation).await,
        _ => Ok(()),
    }
}
