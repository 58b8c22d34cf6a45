//! Circuit breakers: of this process, and of all where the host has a place for what they count together.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::key::Key;
use super::state::Manager;
use crate::connection::{Breaker, Recipe, SharedBreaker};
use crate::host::SharedLimits;
use crate::log::Logger;

impl Manager {
    /// The breaker of a connection. `cancel` ends its waits for what processes share.
    pub(super) async fn breaker(
        &self,
        key: &Key,
        recipe: &Recipe,
        cancel: &CancellationToken,
    ) -> Breaker {
        let breaker = self.0.breakers.of(key, &recipe.settings.breaker);
        let Some(limits) = &recipe.limits else {
            return breaker;
        };
        let shared = self.shared_breaker(key, limits, &recipe.logger, cancel);
        // Who has cleared a breaker is not refused by what it was.
        if let Some(clearing) = self.0.clearing.get(&shared.identity()) {
            cancel.run_until_cancelled(clearing).await;
        }
        breaker.shared_as(shared)
    }

    /// Forgets the failures of a connection (`MCPConnection.clearCooldown`), and has other processes forget theirs.
    pub fn clear_cooldown(
        &self,
        key: &Key,
        limits: Option<&Arc<dyn SharedLimits>>,
        logger: &Logger,
    ) {
        self.0.breakers.clear(key);
        let Some(limits) = limits else {
            return;
        };
        let shared = self.shared_breaker(key, limits, logger, &self.0.closing);
        let identity = shared.identity();
        let clearing = async move {
            shared.clear().await;
            Ok(())
        };
        // JavaScript's thread calls this, too, which has no runtime to spawn on.
        let _runtime = self.0.runtime.enter();
        drop(self.0.clearing.join_lasting(&identity, clearing));
    }

    /// Takes back a reconnect that this process has counted (`MCPConnection.decrementCycleCount`).
    pub fn decrement_cycle_count(&self, key: &Key) {
        self.0.breakers.forgive_cycle(key);
    }

    /// Other processes know no chat requests of this one: what belongs to one is the user's there.
    fn shared_breaker(
        &self,
        key: &Key,
        limits: &Arc<dyn SharedLimits>,
        logger: &Logger,
        cancel: &CancellationToken,
    ) -> SharedBreaker {
        SharedBreaker {
            limits: Arc::clone(limits),
            standing: Arc::clone(&self.0.limits),
            user_id: key.owner.user_id().unwrap_or_default().to_owned(),
            server_name: key.server_name.to_string(),
            logger: logger.clone(),
            cancel: cancel.clone(),
        }
    }
}
