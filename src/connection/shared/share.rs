//! One connection's part in a session that processes share.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::claim::Claim;
use super::record::{Epoch, Found, unique};
use super::store::SharedSession;
use crate::connection::login::LoginInUse;

pub(in crate::connection) struct Share {
    pub session: Arc<SharedSession>,
    /// What the connection is called in what is written.
    pub name: String,
    pub login: LoginInUse,
    /// In which epoch it has begun, once the store has said so.
    epoch: Mutex<Option<Epoch>>,
    /// Held by whoever listens to the GET stream.
    pub stream: Arc<tokio::sync::Mutex<Weak<Claim>>>,
}

impl Share {
    pub fn new(session: Arc<SharedSession>, login: LoginInUse) -> Self {
        Self {
            session,
            login,
            name: unique(),
            epoch: Mutex::default(),
            stream: Arc::default(),
        }
    }

    /// Whether it has not ended for all since it began.
    pub(super) fn is_going_on(&self, found: &Found) -> bool {
        let mut epoch = self.epoch.lock();
        let begun_in = epoch.get_or_insert_with(|| found.epoch.clone());
        found.epoch.has(begun_in)
    }

    /// Begins in the epoch of now.
    pub(super) fn begin_anew(&self) {
        *self.epoch.lock() = None;
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epoch.lock().clone().unwrap_or_default()
    }
}
