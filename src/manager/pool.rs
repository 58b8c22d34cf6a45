//! Connections by owner, and who uses them.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::attempt::Attempt;
use super::renewal::Tenure;
use super::{Key, Manager, Owner};
use crate::connection::{Connection, Event};

#[derive(Default)]
pub(super) struct Pool {
    pub slots: HashMap<Key, Arc<Slot>>,
    /// Attempts that calls may join.
    pub attempts: HashMap<Key, Arc<Attempt>>,
    /// Ends the pauses and attempts that follow the loss of a connection.
    pub reconnecting: HashMap<Key, CancellationToken>,
    /// Turns of calls with `forceNew`, one at a time per connection.
    pub turns: HashMap<Key, Arc<tokio::sync::Mutex<()>>>,
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

/// A connection and the number of calls that use it.
pub(super) struct Slot {
    pub key: Key,
    pub connection: Connection,
    pub tenure: Mutex<Tenure>,
    state: Mutex<SlotState>,
}

struct SlotState {
    uses: usize,
    /// No new call gets it; it is closed when the last one has ended.
    retired: bool,
    closing: bool,
    /// Its end was told.
    ended: bool,
    used_at: Instant,
}

impl Slot {
    pub fn new(key: Key, connection: Connection, uses: usize, retired: bool) -> Arc<Self> {
        Arc::new(Self {
            key,
            connection,
            tenure: Mutex::default(),
            state: Mutex::new(SlotState {
                uses,
                retired,
                closing: false,
                ended: false,
                used_at: Instant::now(),
            }),
        })
    }

    /// Whether its end is still to be told; answered with yes once.
    pub fn ends(&self) -> bool {
        !std::mem::replace(&mut self.state.lock().ended, true)
    }

    pub fn is_used(&self) -> bool {
        self.state.lock().uses > 0
    }

    /// When the last call ended that used it.
    pub fn used_at(&self) -> Instant {
        self.state.lock().used_at
    }

    /// Whether the connection is to be closed now; answered with yes once.
    fn closes(state: &mut SlotState, keep: bool) -> bool {
        let closes = state.uses == 0 && (state.retired || !keep) && !state.closing;
        state.closing |= closes;
        closes
    }
}

/// The use of a connection by one call. The connection stays open for as long as a lease exists.
pub struct Lease {
    slot: Arc<Slot>,
    manager: Manager,
    /// Whether this call waited for the attempt that made the connection.
    opened: bool,
}

impl Lease {
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.slot.connection
    }

    #[must_use]
    pub fn key(&self) -> &Key {
        &self.slot.key
    }

    pub(super) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// Whether the connection existed before the call.
    #[must_use]
    pub const fn is_reused(&self) -> bool {
        !self.opened
    }

    /// The connection is of no more use to anybody: later calls make another.
    pub fn discard(self) {
        self.manager.discard(&self.slot);
    }

    /// The call was aborted: a user's connection that it opened is closed, unless another call uses it.
    pub fn abandon(self) {
        if self.opened && self.slot.key.owner != Owner::App && self.slot.state.lock().uses == 1 {
            self.manager.discard(&self.slot);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.manager.release(&self.slot);
    }
}

impl Manager {
    /// A lease on a connection that already counts this use.
    pub(super) fn counted_lease(&self, slot: Arc<Slot>, opened: bool) -> Lease {
        Lease {
            slot,
            manager: self.clone(),
            opened,
        }
    }

    /// A lease on a pooled connection. The pool is locked by the caller, so the connection cannot be closing.
    pub(super) fn lease(&self, slot: &Arc<Slot>) -> Lease {
        slot.state.lock().uses += 1;
        self.counted_lease(Arc::clone(slot), false)
    }

    pub(super) fn release(&self, slot: &Arc<Slot>) {
        // Under the pool's lock, so that no call leases a connection that is being closed.
        let mut pool = self.0.pool.lock();
        let mut state = slot.state.lock();
        state.uses = state.uses.saturating_sub(1);
        state.used_at = Instant::now();
        let closes = Slot::closes(&mut state, self.0.keep_connections);
        drop(state);
        if closes {
            let was_pooled = pool.remove(slot);
            drop(pool);
            if was_pooled {
                self.tell(&slot.key, Event::Closed);
            }
            self.close_in_background(slot);
            return;
        }
        pool.touch(&slot.key.owner);
    }

    /// Takes a connection out of the pool and closes it when nobody uses it any more.
    pub(super) fn discard(&self, slot: &Arc<Slot>) {
        let was_pooled = self.0.pool.lock().remove(slot);
        if was_pooled {
            self.tell(&slot.key, Event::Closed);
        }
        self.retire(slot);
    }

    /// Closes a connection that is no longer in the pool, when nobody uses it any more.
    pub(super) fn retire(&self, slot: &Arc<Slot>) {
        let mut state = slot.state.lock();
        state.retired = true;
        if Slot::closes(&mut state, self.0.keep_connections) {
            self.close_in_background(slot);
        }
    }

    fn close_in_background(&self, slot: &Arc<Slot>) {
        let (manager, slot) = (self.clone(), Arc::clone(slot));
        self.spawn(async move {
            manager.end(&slot).await;
        });
    }
}
