//! One connection's part in a session that processes share.

use std::sync::Arc;

use super::epoch::BegunIn;
use super::record::{Epoch, Found, unique};
use super::store::SharedSession;
use crate::connection::login::LoginInUse;

pub(in crate::connection) struct Share {
    pub session: Arc<SharedSession>,
    /// What the connection is called in what is written.
    pub name: String,
    pub login: LoginInUse,
    epoch: BegunIn,
}

impl Share {
    /// `epoch`: in which the connection has begun, where that is known already.
    pub fn new(session: Arc<SharedSession>, login: LoginInUse, epoch: Option<BegunIn>) -> Self {
        Self {
            session,
            login,
            name: unique(),
            epoch: epoch.unwrap_or_default(),
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
