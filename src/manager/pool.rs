//! Connections by owner, those that are there and those on their way.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::attempt::Attempt;
use super::key::{Key, Owner};
use super::slot::Slot;

#[derive(Default)]
pub(super) struct Pool {
    pub slots: HashMap<Key, Arc<Slot>>,
    /// Attempts that calls may join.
    pub attempts: HashMap<Key, Arc<Attempt>>,
    /// Ends the pauses and attempts that follow the loss of a connection.
    pub reconnecting: HashMap<Key, CancellationToken>,
    /// Of users with connections.
    pub activity: HashMap<Arc<str>, Activity>,
    pub idle_timer_runs: bool,
}

pub(super) struct Activity {
    /// When the user last used a connection.
    pub last: Instant,
    /// When the generation of one of them has to be renewed next.
    pub renewal: Option<Instant>,
}

impl Pool {
    pub fn take_all(&mut self) -> Vec<Arc<Slot>> {
        self.activity.clear();
        self.slots.drain().map(|(_, slot)| slot).collect()
    }

    /// A user has a connection from now on. Those of a chat request end with it, and say nothing of the user.
    pub fn track(&mut self, owner: &Owner) {
        if let Owner::User(id) = owner {
            let known = self.activity.remove(id);
            let activity = Activity {
                last: Instant::now(),
                renewal: known.and_then(|known| known.renewal),
            };
            self.activity.insert(Arc::clone(id), activity);
        }
    }

    /// A user who has a connection does something.
    pub fn touch(&mut self, owner: &Owner) {
        if let Owner::User(id) = owner
            && let Some(activity) = self.activity.get_mut(id)
        {
            activity.last = Instant::now();
        }
    }

    /// Removes an attempt if it is still the one that calls may join, and says whether it was.
    pub fn unregister(&mut self, attempt: &Arc<Attempt>) -> bool {
        let current = self.attempts.get(&attempt.key);
        let is_current = current.is_some_and(|current| Arc::ptr_eq(current, attempt));
        is_current && self.attempts.remove(&attempt.key).is_some()
    }

    /// Whether there is a connection, or one is on its way.
    pub fn is_active(&self, key: &Key) -> bool {
        self.slots.contains_key(key)
            || self.attempts.contains_key(key)
            || self.reconnecting.contains_key(key)
    }

    /// Removes a connection from the pool if it is still the one there, and says whether it was.
    pub fn remove(&mut self, slot: &Arc<Slot>) -> bool {
        let is_there = self
            .slots
            .get(&slot.key)
            .is_some_and(|pooled| Arc::ptr_eq(pooled, slot));
        is_there && self.slots.remove(&slot.key).is_some()
    }
}
