//! Telling the host that a user's connections are in use (`renewMCPToolsCacheGeneration` of newer LibreChat). A host that
//! says no has taken away what such a connection was made with, on another process say: it is replaced at its next use.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::acquire::Acquire;
use super::key::Owner;
use super::lease::Lease;
use super::pool::Pool;
use super::publish::generation_of;
use super::slot::Slot;
use super::state::Manager;
use crate::cancel::until_closed;
use crate::error::Result;

/// Where users are never idle.
const DEFAULT_INTERVAL: Duration = Duration::from_mins(15);
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

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
    /// idle. They are looked for when one of them is due, because that takes the longer, the more connections there are.
    pub(super) fn renew_generations(&self, lease: &Lease) {
        let owner = &lease.key().owner;
        let (true, Owner::User(user)) = (self.0.keep_connections, owner) else {
            return;
        };
        let now = Instant::now();
        let mut due = Vec::new();
        {
            let mut pool = self.0.pool.lock();
            let Pool {
                slots, activity, ..
            } = &mut *pool;
            let Some(activity) = activity.get_mut(user) else {
                return;
            };
            let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
            if !is_due(lease.slot().renewal(now)) && !is_due(activity.renewal) {
                return;
            }
            activity.renewal = None;
            for slot in slots.values().filter(|slot| slot.key.owner == *owner) {
                if is_due(slot.renewal(now)) {
                    slot.tenure.lock().asked_at = Some(now);
                    due.push(Arc::clone(slot));
                }
                let renewals = activity.renewal.into_iter().chain(slot.renewal(now));
                activity.renewal = renewals.min();
            }
        }
        for slot in due {
            let manager = self.clone();
            self.spawn(async move {
                let asked = until_closed(&manager.0.closing, renew(&slot)).await;
                if let Ok(false) = asked {
                    manager.renew_at_next_use(&slot);
                }
            });
        }
    }

    fn renew_at_next_use(&self, slot: &Slot) {
        let mut pool = self.0.pool.lock();
        slot.tenure.lock().asked_at = None;
        if let Some(user) = slot.key.owner.user_id()
            && let Some(activity) = pool.activity.get_mut(user)
        {
            activity.renewal = Some(Instant::now());
        }
    }
}

impl Slot {
    /// When its generation has to be renewed next, where it has one.
    fn renewal(&self, now: Instant) -> Option<Instant> {
        self.connection.publication_generation.as_ref()?;
        let idle = self.connection.recipe.settings.user_idle_timeout;
        let interval = if idle.is_zero() {
            DEFAULT_INTERVAL
        } else {
            (idle / 2).max(SHORTEST_INTERVAL)
        };
        let asked_at = self.tenure.lock().asked_at;
        Some(asked_at.map_or(now, |at| at + interval))
    }
}

/// Whether the host was asked.
async fn renew(slot: &Slot) -> bool {
    let recipe = &slot.connection.recipe;
    let (Some(publisher), Some(user), Some(generation)) = (
        &recipe.publisher,
        slot.key.owner.user_id(),
        &slot.connection.publication_generation,
    ) else {
        return true;
    };
    let name = &slot.key.server_name;
    match publisher.renew(user, name, generation).await {
        Ok(Some(true) | None) => true,
        Ok(Some(false)) => {
            slot.tenure.lock().is_lost = true;
            true
        }
        Err(error) => {
            let prefix = recipe.log_prefix();
            recipe.logger.warn(format!(
                "{prefix} Failed to renew tool publication lease: {error}"
            ));
            false
        }
    }
}
