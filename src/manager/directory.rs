//! Looking at connections and ending them.

use std::sync::Arc;

use super::attempt::Attempt;
use super::key::{Key, Owner};
use super::lease::Lease;
use super::slot::Slot;
use super::state::Manager;
use crate::connection::{Event, Parting};

/// What `getConnectionStats` counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectionStats {
    pub tracked_users: usize,
    /// Connections of users, without those that all users share and those of chat requests.
    pub total_connections: usize,
    pub activity_entries: usize,
    pub app_connections: usize,
}

/// The state of a connection, in LibreChat's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionState {
    Disconnected,
    Connecting,
    Connected,
    Error,
}

impl ConnectionState {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Error => "error",
        }
    }
}

impl Manager {
    #[must_use]
    pub fn keeps_connections(&self) -> bool {
        self.0.keep_connections
    }

    #[must_use]
    pub fn stats(&self) -> ConnectionStats {
        let pool = self.0.pool.lock();
        let owners = || pool.slots.keys().map(|key| &key.owner);
        let mut users: Vec<_> = owners()
            .filter(|owner| matches!(owner, Owner::User(_)))
            .filter_map(Owner::user_id)
            .collect();
        let total_connections = users.len();
        users.sort_unstable();
        users.dedup();
        ConnectionStats {
            tracked_users: users.len(),
            total_connections,
            activity_entries: pool.activity.len(),
            app_connections: owners().filter(|owner| **owner == Owner::App).count(),
        }
    }

    #[must_use]
    pub fn state(&self, key: &Key) -> ConnectionState {
        let pool = self.0.pool.lock();
        match (pool.slots.get(key), pool.attempts.contains_key(key)) {
            (Some(slot), _) if !slot.connection.is_closed() => ConnectionState::Connected,
            (_, true) => ConnectionState::Connecting,
            (Some(_), false) => ConnectionState::Error,
            (None, false) => ConnectionState::Disconnected,
        }
    }

    /// Whether there is a connection, or one is on its way: in an attempt, or in a pause before the next.
    #[must_use]
    pub fn is_active(&self, key: &Key) -> bool {
        self.0.pool.lock().is_active(key)
    }

    /// The open connections of an owner, by server name.
    #[must_use]
    pub fn connected(&self, owner: &Owner) -> Vec<Key> {
        let pool = self.0.pool.lock();
        pool.slots
            .keys()
            .filter(|key| key.owner == *owner)
            .cloned()
            .collect()
    }

    /// The open connections of a chat request.
    #[must_use]
    pub fn connected_for(&self, request: u64) -> Vec<Key> {
        let pool = self.0.pool.lock();
        pool.slots
            .keys()
            .filter(|key| matches!(key.owner, Owner::Request { id, .. } if id == request))
            .cloned()
            .collect()
    }

    /// A use of the open connection of a key, if there is one.
    #[must_use]
    pub fn existing(&self, key: &Key) -> Option<Lease> {
        self.pooled(key)
    }

    /// Ends a connection, an attempt in flight and reconnecting, and waits until it has ended. Calls that use the
    /// connection, or wait for it, fail. No other process goes on with its session.
    pub async fn disconnect(&self, key: &Key) {
        self.part_with(key, Parting::Over).await;
    }

    /// The same, but other processes may go on with its session.
    pub(super) async fn leave(&self, key: &Key) {
        self.part_with(key, Parting::Left).await;
    }

    async fn part_with(&self, key: &Key, parting: Parting) {
        let (slot, attempt) = self.withdraw(key, parting);
        self.tell(key, Event::Closed);
        if parting == Parting::Over {
            if let Owner::User(id) = &key.owner {
                self.0.kept_results.forget(id, Some(&key.server_name));
            }
            let of_attempt = attempt.and_then(|attempt| attempt.shared.clone());
            let of_slot = slot.as_ref().map(|slot| &slot.connection.recipe.shared);
            // Whichever session it is by now.
            for shared in of_attempt.iter().chain(of_slot.into_iter().flatten()) {
                shared.invalidate().await;
            }
        }
        if let Some(slot) = slot {
            self.end(&slot, parting).await;
            self.retire(&slot, parting);
        }
    }

    /// Ends all connections of an owner, side by side.
    pub async fn disconnect_all(&self, owner: &Owner, parting: Parting) {
        if let (Owner::User(id), Parting::Over) = (owner, parting) {
            self.0.kept_results.forget(id, None);
        }
        let keys: Vec<Key> = {
            let mut pool = self.0.pool.lock();
            if let Owner::User(id) = owner {
                pool.activity.remove(id);
            }
            pool.slots
                .keys()
                .chain(pool.attempts.keys())
                .chain(pool.reconnecting.keys())
                .filter(|key| key.owner.belongs_to(owner))
                .cloned()
                .collect()
        };
        futures::future::join_all(keys.iter().map(|key| self.part_with(key, parting))).await;
    }

    fn withdraw(&self, key: &Key, parting: Parting) -> (Option<Arc<Slot>>, Option<Arc<Attempt>>) {
        let mut pool = self.0.pool.lock();
        let attempt = pool.attempts.remove(key);
        if let Some(attempt) = &attempt {
            attempt.state.lock().parting = parting;
            attempt.cancel();
        }
        if let Some(reconnecting) = pool.reconnecting.remove(key) {
            reconnecting.cancel();
        }
        let slot = pool.slots.remove(key);
        if let Some(id) = key.owner.user_id()
            && !pool
                .slots
                .keys()
                .any(|other| other.owner.user_id() == Some(id))
        {
            pool.activity.remove(id);
        }
        (slot, attempt)
    }
}
