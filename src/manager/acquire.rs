//! Getting a connection: the pooled one, a share in an attempt, or a new one.

use std::sync::Arc;

use super::attempt::{Admission, Ticket};
use super::pool::Lease;
use super::{Key, Manager, Owner};
use crate::connection::{CallOptions, Recipe};
use crate::error::{Error, Result};

/// A request for a connection.
#[derive(Clone)]
pub struct Acquire {
    pub key: Key,
    pub recipe: Recipe,
    /// When the config was last changed, in milliseconds since the epoch.
    pub updated_at: Option<i64>,
    /// Makes a user's connection anew and replaces the one there; shared connections ignore it.
    pub force_new: bool,
    pub options: CallOptions,
}

impl Manager {
    pub async fn acquire(&self, request: &Acquire) -> Result<Lease> {
        let lease = self.find_or_connect(request).await?;
        self.renew_generations(&request.key.owner);
        self.publish_first_list(&lease);
        Ok(lease)
    }

    async fn find_or_connect(&self, request: &Acquire) -> Result<Lease> {
        if request.force_new && request.key.owner != Owner::App {
            return self.acquire_anew(request).await;
        }
        let prefix = request.recipe.log_prefix();
        if let Some(lease) = self.pooled(&request.key) {
            // The connection goes on with the newest call's token, its next sign of life included.
            if let Some(token) = request.recipe.bearer.get() {
                lease.connection().recipe.bearer.set(token);
            }
            if self.is_usable(&lease, request, &prefix).await {
                request
                    .recipe
                    .logger
                    .debug(format!("{prefix} Reusing active connection"));
                return Ok(lease);
            }
            self.discard(lease.slot());
        }
        if request.options.cancel.is_cancelled() {
            return Err(Error::aborted());
        }
        match self.join_or_start(request)? {
            Found::Pooled(lease) => Ok(lease),
            Found::Attempt(ticket) => {
                ticket
                    .wait(request.options.deadline, &request.options.cancel)
                    .await
            }
        }
    }

    pub(super) fn pooled(&self, key: &Key) -> Option<Lease> {
        let mut pool = self.0.pool.lock();
        pool.touch(&key.owner);
        pool.slots.get(key).map(|slot| self.lease(slot))
    }

    async fn is_usable(&self, lease: &Lease, request: &Acquire, prefix: &str) -> bool {
        let (connection, recipe) = (lease.connection(), &request.recipe);
        let changed = request
            .updated_at
            .is_some_and(|updated_at| connection.is_stale(updated_at))
            || connection.recipe.fingerprint != recipe.fingerprint;
        if changed {
            recipe.logger.info(format!(
                "{prefix} Config was updated, disconnecting stale connection"
            ));
            return false;
        }
        if !self.is_current(lease, request).await {
            return false;
        }
        if connection.is_connected(&request.options).await {
            return true;
        }
        recipe.logger.warn(format!(
            "{prefix} Found existing but disconnected connection object. Cleaning up."
        ));
        let breaker = self.0.breakers.of(&request.key, &recipe.settings.breaker);
        breaker.cycled(prefix, &recipe.logger);
        false
    }

    fn join_or_start(&self, request: &Acquire) -> Result<Found> {
        let mut pool = self.0.pool.lock();
        if self.0.closing.is_cancelled() {
            return Err(Error::closed());
        }
        // Another call may have been faster.
        if let Some(slot) = pool.slots.get(&request.key)
            && slot.connection.recipe.fingerprint == request.recipe.fingerprint
        {
            return Ok(Found::Pooled(self.lease(slot)));
        }
        if let Some(attempt) = pool.attempts.get(&request.key)
            && attempt.fingerprint == request.recipe.fingerprint
        {
            let prefix = request.recipe.log_prefix();
            request
                .recipe
                .logger
                .debug(format!("{prefix} Joining in-flight connection attempt"));
            return Ok(Found::Attempt(attempt.join(self)));
        }
        let (attempt, ticket) = self.attempt(
            request.key.clone(),
            request.recipe.clone(),
            Admission::Registered,
        );
        pool.attempts.insert(request.key.clone(), attempt);
        Ok(Found::Attempt(ticket))
    }

    /// `forceNew`: one at a time per connection, so that each replaces the one before and one is left.
    async fn acquire_anew(&self, request: &Acquire) -> Result<Lease> {
        let CallOptions {
            deadline, cancel, ..
        } = &request.options;
        let turns = Arc::clone(
            self.0
                .pool
                .lock()
                .turns
                .entry(request.key.clone())
                .or_default(),
        );
        let turn = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Error::aborted()),
            () = self.0.closing.cancelled() => Err(Error::closed()),
            turn = Arc::clone(&turns).lock_owned() => Ok(turn),
            () = tokio::time::sleep_until(*deadline) => {
                Err(Error::timeout("Other calls with forceNew took all the time"))
            }
        };
        let outcome = match turn {
            Ok(_turn) => {
                self.0.breakers.clear(&request.key);
                let (_, ticket) = self.attempt(
                    request.key.clone(),
                    request.recipe.clone(),
                    Admission::Replacing,
                );
                ticket.wait(*deadline, cancel).await
            }
            Err(error) => Err(error),
        };
        let mut pool = self.0.pool.lock();
        // The pool's own reference and this call's: nobody else takes turns.
        if Arc::strong_count(&turns) == 2 {
            pool.turns.remove(&request.key);
        }
        outcome
    }
}

enum Found {
    Pooled(Lease),
    Attempt(Ticket),
}
