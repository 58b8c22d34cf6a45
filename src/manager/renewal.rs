//! Telling the host that a user's connections are in use (`renewMCPToolsCacheGeneration` of newer LibreChat). A host that
//! says no has taken away what such a connection was made with, on another process say: it is replaced at its next use.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::pool::Slot;
use super::publish::generation_of;
use super::{Acquire, Lease, Manager, Owner};

/// Where users are never idle.
const DEFAULT_INTERVAL: Duration = Duration::from_mins(15);
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// What the host says of the generation that a connection was made under.
#[derive(Default)]
pub(super) struct Tenure {
    asked_at: Option<Instant>,
    is_lost: bool,
}

impl Manager {
    /// Whether the generation of a user's connection is still that of now.
    pub(super) async fn is_current(&self, lease: &Lease, request: &Acquire) -> bool {
        let Some(made_under) = &lease.connection().publication_generation else {
            return true;
        };
        let recipe = &request.recipe;
        let (prefix, logger) = (recipe.log_prefix(), &recipe.logger);
        if lease.slot().tenure.lock().is_lost {
            logger.info(format!("{prefix} Publication lease is no longer current"));
            return false;
        }
        let (Some(publisher), Owner::User(user)) = (&recipe.publisher, &request.key.owner) else {
            return true;
        };
        let name = &request.key.server_name;
        let now = generation_of(publisher, user, name, logger).await;
        if now.is_none_or(|now| now == *made_under) {
            return true;
        }
        logger.info(format!(
            "{prefix} Cache generation changed, disconnecting stale connection"
        ));
        false
    }

    /// Renews what a user's connections were made under, at most every half of the time after which the user counts as
    /// idle.
    pub(super) fn renew_generations(&self, owner: &Owner) {
        if !self.0.keep_connections || !matches!(owner, Owner::User(_)) {
            return;
        }
        let due: Vec<_> = {
            let pool = self.0.pool.lock();
            let slots = pool.slots.values().filter(|slot| slot.key.owner == *owner);
            slots
                .filter(|slot| slot.begins_renewal())
                .cloned()
                .collect()
        };
        for slot in due {
            let closing = self.0.closing.clone();
            self.spawn(async move {
                tokio::select! {
                    () = closing.cancelled() => {}
                    () = renew(&slot) => {}
                }
            });
        }
    }
}

impl Slot {
    /// Whether a renewal is due, which begins with this.
    fn begins_renewal(&self) -> bool {
        if self.connection.publication_generation.is_none() {
            return false;
        }
        let idle = self.connection.recipe.settings.user_idle_timeout;
        let interval = if idle.is_zero() {
            DEFAULT_INTERVAL
        } else {
            (idle / 2).max(SHORTEST_INTERVAL)
        };
        let mut tenure = self.tenure.lock();
        let is_due = tenure.asked_at.is_none_or(|at| at.elapsed() >= interval);
        if is_due {
            tenure.asked_at = Some(Instant::now());
        }
        is_due
    }
}

async fn renew(slot: &Arc<Slot>) {
    let recipe = &slot.connection.recipe;
    let (Some(publisher), Some(user), Some(generation)) = (
        &recipe.publisher,
        slot.key.owner.user_id(),
        &slot.connection.publication_generation,
    ) else {
        return;
    };
    let name = &slot.key.server_name;
    match publisher.renew(user, name, generation).await {
        Ok(Some(true) | None) => {}
        Ok(Some(false)) => slot.tenure.lock().is_lost = true,
        Err(error) => {
            // The next use asks again.
            slot.tenure.lock().asked_at = None;
            let prefix = recipe.log_prefix();
            recipe.logger.warn(format!(
                "{prefix} Failed to renew tool publication lease: {error}"
            ));
        }
    }
}
