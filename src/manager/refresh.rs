//! Listing tools again: the server has announced others, or a list could not be published.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::key::{Key, Owner};
use super::lease::Lease;
use super::publish::{Publication, Reading, Snapshot, publish_tools};
use super::state::Manager;
use super::subscriber::Relisted;
use crate::connection::CallOptions;
use crate::error::{Code, Error, Result};
use crate::host::{ToolPublisher, ToolUpdate};

/// Servers announce changes in bursts; one listing serves a burst.
const REFRESH_DELAY: Duration = Duration::from_millis(250);
const REFRESH_TIMEOUT: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often a listing that failed is tried again, with pauses that double.
const RETRIES: u32 = 8;

impl Manager {
    /// Lists the tools of a connection soon, and tells whoever wants to know. Further announcements until then are met
    /// by the same listing.
    pub fn refresh_tools(&self, key: &Key) {
        {
            let mut refreshing = self.0.refreshing.lock();
            if let Some(again) = refreshing.get_mut(key) {
                *again = true;
                return;
            }
            refreshing.insert(key.clone(), false);
        }
        let (manager, key) = (self.clone(), key.clone());
        self.spawn(async move {
            let refreshing = manager.keep_refreshing(&key);
            manager.0.closing.run_until_cancelled(refreshing).await;
        });
    }

    async fn keep_refreshing(&self, key: &Key) {
        let (mut failures, mut pause) = (0, REFRESH_DELAY);
        loop {
            tokio::time::sleep(pause).await;
            match self.0.refreshing.lock().get_mut(key) {
                Some(again) => *again = false,
                // Somebody else has listed them.
                None => return,
            }
            if self.list_again(key).await.is_ok() {
                failures = 0;
            } else {
                failures += 1;
            }
            let gave_up = failures > RETRIES;
            let mut refreshing = self.0.refreshing.lock();
            let again = refreshing.get(key).copied().unwrap_or_default();
            if gave_up || failures == 0 && !again {
                refreshing.remove(key);
                return;
            }
            pause = pause_after(failures);
        }
    }

    /// The same at once, and waits for it. A listing that fails is tried again in the background.
    pub async fn refresh_now(&self, key: &Key) {
        self.0.refreshing.lock().remove(key);
        if self.list_again(key).await.is_err() {
            self.refresh_tools(key);
        }
    }

    /// The first list of a connection that users share is published for them all.
    pub(super) fn publish_first_list(&self, lease: &Lease) {
        let publisher = lease.connection().recipe.publisher.as_ref();
        let is_new = !lease.is_reused() && lease.key().owner == Owner::App;
        if is_new && self.0.keep_connections && publisher.is_some_and(|it| it.has_revisions()) {
            self.refresh_tools(lease.key());
        }
    }

    /// Lists the tools of an open connection now, publishes them and tells listeners; nothing where nobody wants them.
    ///
    /// # Errors
    /// The list cannot be had in full, or its place cannot be reserved, or the host does not take it.
    async fn list_again(&self, key: &Key) -> Result<()> {
        let Some(lease) = self.pooled(key) else {
            return Ok(());
        };
        let outcome = self.list_over(key, &lease).await;
        if let Err(error) = &outcome {
            let recipe = &lease.connection().recipe;
            let prefix = recipe.log_prefix();
            recipe
                .logger
                .warn(format!("{prefix} Could not refresh the tools: {error}"));
        }
        outcome
    }

    async fn list_over(&self, key: &Key, lease: &Lease) -> Result<()> {
        let connection = lease.connection();
        let recipe = &connection.recipe;
        let publisher = recipe.publisher.as_ref();
        let publisher = publisher.filter(|it| publishes(&key.owner, Some(it)));
        let is_heard = self.hears_tools(key);
        if publisher.is_none() && !is_heard {
            return Ok(());
        }
        let options = CallOptions::new(
            Instant::now() + REFRESH_TIMEOUT,
            self.0.closing.child_token(),
        );
        // Whoever says that there are others, or asks for them, wants them as they are now.
        connection.expire_lists();
        let snapshot = Snapshot::read(connection, publisher, Reading::Once, &options).await?;
        let snapshot = snapshot.complete()?;
        if snapshot.ordering_unavailable {
            let message = "the place of the list could not be reserved";
            return Err(Error::new(Code::HostError, message));
        }
        let tools = &snapshot.list.tools;
        if let Some(publisher) = publisher.filter(|it| tools.count() > 0 || it.is_ordered()) {
            let update = ToolUpdate {
                user_id: key.owner.user_id(),
                server_name: &key.server_name,
                tools,
                generation: connection.publication_generation.as_deref(),
                revision: snapshot.revision.as_deref(),
            };
            if let Publication::Stale = publish_tools(publisher, update, &recipe.logger).await? {
                return Ok(());
            }
        }
        if is_heard {
            self.tell_tools(
                key,
                Relisted {
                    tools: Arc::clone(tools),
                    revision: snapshot.revision,
                },
            );
        }
        Ok(())
    }
}

/// Whether tools of connections of this owner are published when they change.
pub(super) fn publishes(owner: &Owner, publisher: Option<&Arc<dyn ToolPublisher>>) -> bool {
    publisher.is_some_and(|it| match owner {
        Owner::App => it.has_revisions(),
        Owner::User(_) => true,
        Owner::Request { .. } => false,
    })
}

fn pause_after(failures: u32) -> Duration {
    REFRESH_DELAY
        .saturating_mul(2u32.saturating_pow(failures.saturating_sub(1)))
        .min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_begin_at_250_ms_and_double() {
        for (failures, milliseconds) in [(0, 250), (1, 250), (2, 500), (3, 1000), (40, 30_000)] {
            assert_eq!(
                pause_after(failures).as_millis(),
                milliseconds,
                "{failures}"
            );
        }
    }
}
