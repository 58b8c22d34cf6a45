//! The use of a connection by one call, and what happens when it ends.

use std::sync::Arc;

use tokio::time::Instant;

use super::key::{Key, Owner};
use super::slot::Slot;
use super::state::Manager;
use crate::connection::{Connection, Event, Parting};

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
        self.manager.discard(&self.slot, Parting::Over);
    }

    /// The user goes: the connection ends before this resolves, or with the last call of others that uses it. Other
    /// processes may go on with its session.
    pub async fn leave(self) {
        let (manager, slot) = (self.manager.clone(), Arc::clone(&self.slot));
        if slot.state.lock().uses > 1 {
            manager.discard(&slot, Parting::Left);
            return;
        }
        drop(self);
        manager.leave(&slot.key).await;
    }

    /// The call was aborted: a user's connection that it opened is closed, unless another call uses it.
    pub fn abandon(self) {
        if self.opened && self.slot.key.owner != Owner::App && self.slot.state.lock().uses == 1 {
            self.manager.discard(&self.slot, Parting::Left);
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
        drop(pool);
        self.note_use(slot);
    }

    /// Tells those who share the session that it is used, every now and then. A session that others have ended, or have
    /// another in place of, is no longer used.
    pub(super) fn note_use(&self, slot: &Arc<Slot>) {
        let Some(interval) = slot.connection.note_interval() else {
            return;
        };
        if slot.state.lock().retired || self.0.closing.is_cancelled() {
            return;
        }
        {
            let mut noted = slot.noted.lock();
            if noted.is_under_way || noted.at.elapsed() < interval {
                return;
            }
            (noted.at, noted.is_under_way) = (Instant::now(), true);
        }
        let (manager, slot) = (self.clone(), Arc::clone(slot));
        self.spawn(async move {
            let is_shared = slot.connection.note_use().await;
            slot.noted.lock().is_under_way = false;
            if !is_shared {
                manager.discard(&slot, Parting::Over);
            }
        });
    }

    /// Takes a connection out of the pool and closes it when nobody uses it any more.
    pub(super) fn discard(&self, slot: &Arc<Slot>, parting: Parting) {
        let was_pooled = self.0.pool.lock().remove(slot);
        if was_pooled {
            self.tell(&slot.key, Event::Closed);
        }
        self.retire(slot, parting);
    }

    /// Closes a connection that is no longer in the pool, when nobody uses it any more.
    pub(super) fn retire(&self, slot: &Arc<Slot>, parting: Parting) {
        let mut state = slot.state.lock();
        state.retired = true;
        state.parting = state.parting.max(parting);
        if Slot::closes(&mut state, self.0.keep_connections) {
            self.close_in_background(slot);
        }
    }

    fn close_in_background(&self, slot: &Arc<Slot>) {
        let (manager, slot) = (self.clone(), Arc::clone(slot));
        self.spawn(async move {
            let parting = slot.state.lock().parting;
            manager.end(&slot, parting).await;
        });
    }
}
