//! One attempt to connect, shared by the calls that wait for it.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::key::Key;
use super::slot::Slot;
use crate::connection::LastFailure;
use crate::error::Result;
use crate::server_config::{Fingerprint, TransportKind};

pub(super) struct Attempt {
    pub key: Key,
    pub fingerprint: Fingerprint,
    pub kind: TransportKind,
    pub cancel: CancellationToken,
    pub done: CancellationToken,
    pub failure: LastFailure,
    pub state: Mutex<State>,
}

pub(super) struct State {
    pub waiting: usize,
    pub outcome: Option<Result<Arc<Slot>>>,
}

impl Attempt {
    /// Ends the attempt; whoever waits gets the error.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}
