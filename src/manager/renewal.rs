//! Telling the host that a user's connections are in use (`renewMCPToolsCacheGeneration` of newer LibreChat). A host that
//! says no has taken away what such a connection was made with, on another process say: it is replaced at its next use.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::pool::Slot;
use super::publish::generation_of;
use super::{Acquire, Lease, Manager, Owner};
use crate::error::Result;

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
    pub(super) async fn is_current(&self, lease: &Lease, request: &Acquire<'_>) -> Result<bool> {
        let Some(made_under) = &lease.connection().publication_generation else {
            return Ok(true);
        };
        let recipe = request.recipe(self)?;
        let (prefix, logger) = (recipe.log_prefix(), &recipe.logger);
        if lease.slot().tenure.lock().is_lost {
            logger.info(format!("{prefix} Publication lease is no longer current"));
            return Ok(false);
        }
        let (Some(publisher), Owner::User(user)) = (&recipe.publisher, &request.key.owner) else {
            return Ok(true);
        };
        let name = &request.key.server_name;
        let now = generation_of(publisher, user, name, logger).await;
        if now.is_none_or(|now| now == *made_under) {
            return Ok(true);
        }
        logger.info(format!(
            "{prefix} Cache generation changed, disconnecting stale connection"
        ));
        Ok(false)
    }

    /// Renews what a user's connections were made under, at most every half of the time after which the user counts as
    /// idle. The user's other connections are looked for when that of this call is due, because finding them takes the
    /// longer, the more connections there are; they count as due a little earlier, so that none waits for two rounds.
    pub(super) fn renew_generations(&self, lease: &Lease) {
        let (own, owner) = (lease.slot(), &lease.key().owner);
        if !self.0.keep_connections || !matches!(owner, Owner::User(_)) {
            return;
        }
        let interval = own.renewal_interval();
        if !own.begins_renewal(interval) {
            return;
        }
        let mut due = vec![Arc::clone(own)];
        {
            let pool = self.0.pool.lock();
            let slots = pool.slots.values().filter(|slot| slot.key.owner == *owner);
            due.extend(
                slots
                    .filter(|slot| slot.begins_renewal(interval / 2))
                    .cloned(),
            );
        }
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
    fn renewal_interval(&self) -> Duration {
        let idle = self.connection.recipe.settings.user_idle_timeout;
        if idle.is_zero() {
            DEFAULT_INTERVAL
        } else {
            (idle / 2).max(SHORTEST_INTERVAL)
        }
    }

    /// Whether a renewal is due, which begins with this.
    fn begins_renewal(&self, interval: Duration) -> bool {
        if self.connection.publication_generation.is_none() {
            return false;
        }
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
