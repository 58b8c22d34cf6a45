//! What the manager does about events of its connections: connections that were lost come back, changed tools are
//! listed again, and whoever subscribed is told.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connecting::Ticket;
use super::key::{Key, Owner};
use super::lease::Lease;
use super::slot::Slot;
use super::state::{Inner, Manager};
use super::subscriber::{Relisted, Subscriber};
use crate::cancel::until_aborted;
use crate::connection::{DEFAULT_INIT_TIMEOUT, Event, Generation, Observer, Parting, Recipe};
use crate::error::{Code, Result};
use crate::telemetry::LOST;

const MAX_RECONNECTS: u32 = 3;
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Hears the events of the connections of one key.
pub(super) struct KeyObserver {
    pub manager: Weak<Inner>,
    pub key: Key,
    /// Whether the host is handed the tools when they change.
    pub publishes: bool,
}

impl Observer for KeyObserver {
    fn notice(&self, event: Event) {
        let Some(inner) = self.manager.upgrade() else {
            return;
        };
        let manager = Manager(inner);
        match event {
            Event::Lost => manager.lost(&self.key),
            Event::Conflicted => {
                manager.tell(&self.key, event);
                return manager.rebuild(&self.key);
            }
            Event::Superseded => return manager.superseded(&self.key),
            // Listeners hear of it with the tools.
            Event::ToolsChanged => return manager.refresh_tools(&self.key),
            Event::Connecting
            | Event::Connected
            | Event::Failed
            | Event::Closed
            | Event::ResourcesChanged
            | Event::PromptsChanged => {}
        }
        manager.tell(&self.key, event);
    }

    fn hears(&self, change: Event) -> bool {
        self.manager.upgrade().is_some_and(|inner| {
            let manager = Manager(inner);
            let publishes = self.publishes && manager.0.keep_connections;
            let is_published = publishes && change == Event::ToolsChanged;
            is_published || manager.hears_tools(&self.key)
        })
    }

    fn resource_updated(&self, uri: &str) {
        let subscriber = (self.manager.upgrade()).and_then(|inner| Manager(inner).subscriber());
        if let Some(subscriber) = subscriber {
            subscriber.resource_updated(&self.key, uri);
        }
    }
}

impl Manager {
    /// Sets who is told about events, for the life of the manager.
    pub fn subscribe(&self, subscriber: Arc<dyn Subscriber>) {
        *self.0.subscriber.lock() = Some(subscriber);
    }

    pub(super) fn tell(&self, key: &Key, event: Event) {
        if let Some(subscriber) = self.subscriber() {
            subscriber.notice(key, event);
        }
    }

    pub(super) fn hears_tools(&self, key: &Key) -> bool {
        self.subscriber().is_some_and(|it| it.hears_tools(key))
    }

    /// Somebody hears of changes from now on. Whoever is handed a request's own connection is done with it before its lists
    /// change.
    pub fn hear_lists(&self, key: &Key) {
        if matches!(key.owner, Owner::Request { .. }) {
            return;
        }
        let slot = self.0.pool.lock().slots.get(key).cloned();
        if let Some(slot) = slot.filter(|it| it.connection.generation == Generation::Discover) {
            self.spawn(async move { slot.connection.hear_lists() });
        }
    }

    pub(super) fn tell_tools(&self, key: &Key, tools: Relisted) {
        if let Some(subscriber) = self.subscriber() {
            subscriber.tools(key, tools);
        }
    }

    fn subscriber(&self) -> Option<Arc<dyn Subscriber>> {
        self.0.subscriber.lock().clone()
    }

    /// The pooled connection of a key, if its transport is gone, and what ends its reconnecting.
    fn take_lost(&self, key: &Key) -> Option<(Arc<Slot>, CancellationToken)> {
        let mut pool = self.0.pool.lock();
        let slot = pool
            .slots
            .get(key)
            .filter(|slot| slot.connection.is_closed())?
            .clone();
        pool.remove(&slot);
        let cancel = self.0.closing.child_token();
        if let Some(earlier) = pool.reconnecting.insert(key.clone(), cancel.clone()) {
            earlier.cancel();
        }
        Some((slot, cancel))
    }

    /// The next call makes another connection. Others may go on with the session, whose login it is.
    fn superseded(&self, key: &Key) {
        let slot = self.0.pool.lock().slots.get(key).cloned();
        if let Some(slot) = slot.filter(|slot| slot.connection.is_superseded()) {
            self.discard(&slot, Parting::Left);
        }
    }

    fn lost(&self, key: &Key) {
        let (manager, key) = (self.clone(), key.clone());
        self.spawn(async move {
            // Requests under way end with what their transport said, and not because the connection is put away.
            tokio::time::sleep(Duration::from_millis(20)).await;
            let Some((slot, cancel)) = manager.take_lost(&key) else {
                return;
            };
            manager.tell_end(&slot, LOST);
            manager.retire(&slot, Parting::Over);
            // A token on behalf of a user is asked for by that user's calls, and by nobody else.
            let on_behalf = slot.connection.recipe.config.exchanges_tokens();
            if manager.0.keep_connections && !on_behalf {
                manager.reconnect(&key, &slot, &cancel).await;
            }
            let is_given_up = {
                let mut pool = manager.0.pool.lock();
                // Whoever cancelled it has removed or replaced it.
                if !cancel.is_cancelled() {
                    pool.reconnecting.remove(&key);
                }
                !pool.is_active(&key)
            };
            if is_given_up && !cancel.is_cancelled() {
                manager.tell(&key, Event::Failed);
            }
        });
    }

    /// Another session in place of one whose GET stream cannot be had again. Calls under way end on the old one.
    fn rebuild(&self, key: &Key) {
        let (manager, key) = (self.clone(), key.clone());
        self.spawn(async move {
            let slot = manager.0.pool.lock().slots.get(&key).cloned();
            if let Some(shared) = slot.and_then(|slot| slot.connection.recipe.shared.clone()) {
                // The new one would be the same.
                shared.invalidate().await;
            }
            let (ticket, recipe) = {
                let mut pool = manager.0.pool.lock();
                let Some(slot) = pool.slots.get(&key) else {
                    return;
                };
                let recipe = slot.connection.recipe.clone();
                let is_wanted = manager.0.keep_connections && !slot.connection.is_closed();
                if !is_wanted || pool.attempts.contains_key(&key) {
                    return;
                }
                (manager.begin(&mut pool, &key, recipe.clone()), recipe)
            };
            let closing = &manager.0.closing;
            if let Err(error) = manager.connect_again(ticket, &key, &recipe, closing).await {
                // It still answers requests.
                let prefix = recipe.log_prefix();
                let message = format!("{prefix} The session was not rebuilt: {error}");
                recipe.logger.warn(message);
            }
        });
    }

    /// Waits for an attempt that no call has asked for.
    async fn connect_again(
        &self,
        ticket: Ticket,
        key: &Key,
        recipe: &Recipe,
        cancel: &CancellationToken,
    ) -> Result<Lease> {
        let breaker = self.breaker(key, recipe, cancel).await;
        breaker.cycled(&recipe.log_prefix(), &recipe.logger).await;
        let limit = recipe.config.init_timeout.unwrap_or(DEFAULT_INIT_TIMEOUT);
        ticket.wait(Instant::now() + limit, cancel).await
    }

    /// At most three attempts with growing pauses. Ends when a call was faster, when the server wants authorization or
    /// less traffic, and when it is cancelled: the connection is not wanted any more, or the runtime closes.
    async fn reconnect(&self, key: &Key, slot: &Slot, cancel: &CancellationToken) {
        let recipe = &slot.connection.recipe;
        let (prefix, logger) = (recipe.log_prefix(), &recipe.logger);
        for attempt in 1..=MAX_RECONNECTS {
            let pause = pause_before(attempt);
            let milliseconds = pause.as_millis();
            logger.info(format!(
                "{prefix} Reconnecting {attempt}/{MAX_RECONNECTS} (delay: {milliseconds}ms)"
            ));
            if until_aborted(cancel, tokio::time::sleep(pause))
                .await
                .is_err()
            {
                return;
            }
            let ticket = {
                let mut pool = self.0.pool.lock();
                // Whoever disconnects holds the lock.
                let is_over = cancel.is_cancelled();
                if is_over || pool.slots.contains_key(key) || pool.attempts.contains_key(key) {
                    return;
                }
                self.begin(&mut pool, key, recipe.clone())
            };
            match self.connect_again(ticket, key, recipe, cancel).await {
                Ok(_lease) => return,
                Err(error) if error.code == Code::RateLimited => {
                    logger.warn(format!(
                        "{prefix} Rate limited (429), stopping reconnection attempts"
                    ));
                    return;
                }
                Err(error) if error.wants_authorization() => return,
                Err(_) if cancel.is_cancelled() => return,
                Err(_) => {}
            }
        }
        logger.error(format!("{prefix} Stopping reconnection attempts"));
    }
}

/// `min(1000 · 2^n, 30000)` ms and up to a second of jitter.
fn pause_before(attempt: u32) -> Duration {
    let base = Duration::from_secs(1)
        .saturating_mul(2u32.saturating_pow(attempt))
        .min(LONGEST_PAUSE);
    base + Duration::from_millis(u64::from(rand::random_range(0..1000u32)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_thirty_seconds() {
        for (attempt, seconds) in [(1, 2), (2, 4), (3, 8), (10, 30), (40, 30)] {
            let pause = pause_before(attempt);
            assert!(
                pause >= Duration::from_secs(seconds) && pause < Duration::from_secs(seconds + 1),
                "{attempt}: {pause:?}"
            );
        }
    }
}
