//! Connecting: attempts that calls wait for.
//!
//! An attempt runs in a task of its own: it outlives the abort or timeout of any one caller, and is cancelled when the
//! last has gone.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::attempt::{Attempt, State};
use super::key::{Key, Owner};
use super::lease::Lease;
use super::pool::Pool;
use super::slot::Slot;
use super::state::Manager;
use crate::connection::{
    Connection, Event, Generation, Known, LastFailure, Parting, Recipe, connect_authorized, gone,
};
use crate::error::{Code, Error, Result};
use crate::log::{Level, LogMeta};
use crate::telemetry::{Kind, Operation, Started};

/// How a finished attempt enters the pool.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// As the registered attempt; if it no longer is, its waiters get the connection and nobody else.
    Registered,
    /// In place of whatever is there.
    Replacing,
}

/// One call's place among those that wait.
pub(super) struct Ticket {
    attempt: Arc<Attempt>,
    manager: Manager,
    taken: bool,
    is_out_of_time: bool,
}

impl Attempt {
    /// The caller holds the pool's lock, so the attempt cannot finish meanwhile.
    pub fn join(self: &Arc<Self>, manager: &Manager) -> Ticket {
        self.state.lock().waiting += 1;
        Ticket {
            attempt: Arc::clone(self),
            manager: manager.clone(),
            taken: false,
            is_out_of_time: false,
        }
    }
}

impl Ticket {
    /// Waits for the outcome, until `deadline` or `cancel`.
    pub async fn wait(mut self, deadline: Instant, cancel: &CancellationToken) -> Result<Lease> {
        let done = tokio::time::timeout_at(deadline, self.attempt.done.cancelled());
        if self.manager.until_cancelled(cancel, done).await?.is_err() {
            self.is_out_of_time = true;
            return Err(self.attempt.failure.out_of_time());
        }
        let outcome = self.attempt.state.lock().outcome.clone();
        let slot = outcome.unwrap_or_else(|| Err(Error::closed()))?;
        self.taken = true;
        Ok(self.manager.counted_lease(slot, true))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        let mut state = self.attempt.state.lock();
        match &state.outcome {
            Some(Ok(slot)) => {
                let slot = Arc::clone(slot);
                drop(state);
                self.manager.release(&slot);
            }
            Some(Err(_)) => {}
            None => {
                state.waiting -= 1;
                state.is_out_of_time = self.is_out_of_time;
                let was_last = state.waiting == 0;
                drop(state);
                if was_last {
                    self.manager.give_up(&self.attempt);
                }
            }
        }
    }
}

impl Manager {
    /// Starts an attempt that calls may join.
    pub(super) fn begin(&self, pool: &mut Pool, key: &Key, recipe: Arc<Recipe>) -> Ticket {
        let (attempt, ticket) = self.attempt(key.clone(), recipe, Admission::Registered);
        pool.attempts.insert(key.clone(), attempt);
        ticket
    }

    /// Starts an attempt, with one place for the call that starts it.
    pub(super) fn attempt(
        &self,
        key: Key,
        recipe: Arc<Recipe>,
        admission: Admission,
    ) -> (Arc<Attempt>, Ticket) {
        let recipe = recipe.apart();
        let attempt = Arc::new(Attempt {
            key: key.clone(),
            fingerprint: recipe.fingerprint,
            kind: recipe.config.transport.kind(),
            cancel: self.0.closing.child_token(),
            done: CancellationToken::new(),
            failure: LastFailure::default(),
            shared: recipe.shared.clone(),
            state: Mutex::new(State {
                waiting: 0,
                is_out_of_time: false,
                parting: Parting::Left,
                outcome: None,
            }),
        });
        let ticket = attempt.join(self);
        let (manager, running) = (self.clone(), Arc::clone(&attempt));
        self.spawn(async move {
            if admission == Admission::Registered {
                manager.tell(&key, Event::Connecting);
            }
            let outcome = AssertUnwindSafe(manager.connect(&recipe, &running))
                .catch_unwind()
                .await
                .unwrap_or_else(|_| {
                    Err(Error::new(
                        Code::Internal,
                        "Internal error while connecting",
                    ))
                });
            manager.admit(&running, outcome, admission);
        });
        (attempt, ticket)
    }

    /// Ends an attempt that nobody waits for, unless somebody has joined it meanwhile. Later calls begin another.
    fn give_up(&self, attempt: &Arc<Attempt>) {
        let mut pool = self.0.pool.lock();
        let state = attempt.state.lock();
        if state.waiting > 0 || state.outcome.is_some() {
            return;
        }
        attempt.cancel();
        drop(state);
        let was_registered = pool.unregister(attempt);
        drop(pool);
        if was_registered {
            self.tell(&attempt.key, Event::Failed);
        }
    }

    async fn connect(&self, recipe: &Arc<Recipe>, attempt: &Attempt) -> Result<Connection> {
        let key = &attempt.key;
        let (prefix, logger) = (recipe.log_prefix(), &recipe.logger);
        logger.info(format!("{prefix} Establishing new connection"));
        let identity = recipe.config.endpoint();
        let mut known = self.0.known.get(&identity).unwrap_or_default();
        let breaker = self.breaker(key, recipe, &attempt.cancel).await;
        let tokens = recipe.tokens.as_ref();
        // What was published before is what the host says now.
        tokens.map(|tokens| tokens.take_published());
        let publication = self.publication_generation(key, recipe).await;
        let started = Started::now(Kind::Connect, &recipe.server_name, key.owner.user_id());
        let connecting = async |known: &Known| {
            let (failure, cancel) = (&attempt.failure, &attempt.cancel);
            #[cfg(test)]
            if let Some(connecting) = self.connect_in_memory(recipe) {
                return crate::cancel::until_aborted(cancel, connecting).await?;
            }
            Box::pin(connect_authorized(recipe, known, &breaker, failure, cancel)).await
        };
        let mut outcome = connecting(&known).await;
        if let Err(error) = &outcome
            && matches!(
                error.code,
                Code::HttpStatus | Code::InvalidResponse | Code::ServerError
            )
            && known.generation.is_some()
        {
            // The server may speak another generation by now.
            self.0.known.remove(&identity);
            known.generation = None;
            outcome = connecting(&known).await;
        }
        // What ended the attempt is what the last call that waited for it ended with.
        let given_up = match &outcome {
            Err(error) if error.code == Code::Aborted => attempt.given_up(),
            _ => None,
        };
        let operation = Operation {
            transport: Some(recipe.config.transport.kind().as_str()),
            ..started.ended_with(given_up.as_ref().map_or(outcome.as_ref(), Err))
        };
        self.0.metrics.record(operation, logger);
        match outcome {
            Ok(mut connection) => {
                // A refresh for this connection may have had the host publish another.
                let published = tokens.and_then(|tokens| tokens.take_published());
                connection.publication_generation =
                    publication.map(|before| published.unwrap_or(before));
                self.remember(identity, known, connection.generation);
                logger.info(format!("{prefix} Connection successfully established"));
                Ok(connection)
            }
            Err(error) => {
                if error.wants_authorization() {
                    logger.info(format!(
                        "{prefix} OAuth required, stopping connection attempts"
                    ));
                } else if error.code != Code::Aborted {
                    let message = format!("{prefix} Failed to establish connection");
                    logger.with(Level::Error, message, LogMeta::Error(error.clone()));
                }
                Err(error)
            }
        }
    }

    fn remember(&self, identity: String, known: Known, generation: Generation) {
        let generation = Some(generation);
        if known.generation != generation {
            self.0.known.insert(
                identity,
                Known {
                    generation,
                    ..known
                },
            );
        }
    }

    fn admit(&self, attempt: &Arc<Attempt>, outcome: Result<Connection>, admission: Admission) {
        let key = &attempt.key;
        let mut pool = self.0.pool.lock();
        let mut counts = pool.unregister(attempt);
        if admission == Admission::Replacing {
            pool.attempts.remove(key);
            counts = true;
        }
        let is_closing = self.0.closing.is_cancelled();
        let pooled = counts && !is_closing;
        let mut state = attempt.state.lock();
        let (outcome, unused) = match outcome {
            Ok(connection) => {
                if admission == Admission::Replacing {
                    // Whoever replaces a connection wants nothing that was known before.
                    connection.expire_lists();
                }
                let slot = Slot::new(
                    key.clone(),
                    connection,
                    state.waiting,
                    (!pooled, state.parting),
                );
                let unused = state.waiting == 0;
                (Ok(slot), unused)
            }
            // Those who still wait have not ended it: somebody disconnected.
            Err(error) if error.code == Code::Aborted && attempt.cancel.is_cancelled() => {
                (Err(gone()), false)
            }
            Err(error) => (Err(error), false),
        };
        let replaced = match &outcome {
            Ok(slot) if pooled && !unused => pool.slots.insert(key.clone(), Arc::clone(slot)),
            // A forced attempt that failed leaves nothing behind, as in the reference.
            Err(_) if admission == Admission::Replacing => pool.slots.remove(key),
            _ => None,
        };
        if outcome.is_ok() && key.owner != Owner::App {
            pool.track(&key.owner);
            self.run_idle_timer(&mut pool);
        }
        let abandoned = outcome.as_ref().ok().filter(|_| unused).cloned();
        let event = match &outcome {
            _ if is_closing => Event::Closed,
            Ok(_) if !unused => Event::Connected,
            _ => Event::Failed,
        };
        if let (Event::Failed, Err(error)) = (event, &outcome) {
            self.note_failure(key, error);
        }
        state.outcome = Some(outcome);
        drop(state);
        drop(pool);
        if let Some(slot) = replaced {
            self.retire(&slot, Parting::Over);
        }
        if let Some(slot) = abandoned {
            self.retire(&slot, Parting::Left);
        }
        // Listeners hear of it before whoever waits does, as in the reference. What a disconnect has ended, it has told.
        if counts {
            self.tell(key, event);
        }
        attempt.done.cancel();
    }
}
