//! What the listeners of an `MCPConnection` hear of resources.

use std::collections::BTreeSet;

use indexmap::IndexSet;
use parking_lot::Mutex;

use crate::connection::Dropped;

/// How many resources may wait until JavaScript hears that they have changed.
const MOST_WAITING: usize = 256;

/// Of one object.
#[derive(Default)]
pub struct ResourceUpdates {
    /// What a connection that takes the place of a lost one is subscribed to as well.
    subscribed: Mutex<BTreeSet<String>>,
    /// Resources whose listeners have not heard yet, each once.
    waiting: Mutex<IndexSet<String>>,
    dropped: Dropped,
}

/// What became of an update.
pub enum Noted {
    /// It is the first that waits.
    First,
    /// It waits with others.
    Waiting,
    /// It is dropped. How many were, where that is worth a warning.
    Dropped(Option<u64>),
}

impl ResourceUpdates {
    pub fn note(&self, uri: &str) -> Noted {
        let mut waiting = self.waiting.lock();
        if waiting.contains(uri) {
            return Noted::Waiting;
        }
        if waiting.len() == MOST_WAITING {
            drop(waiting);
            return Noted::Dropped(self.dropped.another());
        }
        waiting.insert(uri.to_owned());
        if waiting.len() == 1 {
            Noted::First
        } else {
            Noted::Waiting
        }
    }

    /// Listeners hear of these now.
    pub fn heard(&self) -> IndexSet<String> {
        std::mem::take(&mut *self.waiting.lock())
    }

    pub fn subscribed(&self) -> BTreeSet<String> {
        self.subscribed.lock().clone()
    }

    pub fn subscribe(&self, uri: String) {
        self.subscribed.lock().insert(uri);
    }

    pub fn unsubscribe(&self, uri: &str) {
        self.subscribed.lock().remove(uri);
    }

    /// The connection was ended, and its subscriptions with it.
    pub fn end_subscriptions(&self) {
        self.subscribed.lock().clear();
    }
}
