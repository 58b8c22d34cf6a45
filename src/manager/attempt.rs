//! One attempt to connect, shared by the calls that wait for it.
//!
//! It is no flight of [`crate::flights`]: each call that waits is a use of the connection from the moment that it is there,
//! and a call that runs out of time is told how the attempts before have failed.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::key::Key;
use super::slot::Slot;
use crate::connection::{LastFailure, Parting, SharedSession};
use crate::error::{Error, Result};
use crate::server_config::{Fingerprint, TransportKind};

pub(super) struct Attempt {
    pub key: Key,
    pub fingerprint: Fingerprint,
    pub kind: TransportKind,
    pub cancel: CancellationToken,
    pub done: CancellationToken,
    pub failure: LastFailure,
    /// What others may find of it.
    pub shared: Option<Arc<SharedSession>>,
    pub state: Mutex<State>,
}

pub(super) struct State {
    pub waiting: usize,
    /// Whether the last call that went without an outcome had no time left.
    pub is_out_of_time: bool,
    /// How its connection ends where it has come too late.
    pub parting: Parting,
    pub outcome: Option<Result<Arc<Slot>>>,
}

impl Attempt {
    /// Ends the attempt; whoever waits gets the error.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// The error of the last call that waited, where nobody waits any more because its time was over.
    pub fn given_up(&self) -> Option<Error> {
        let state = self.state.lock();
        (state.waiting == 0 && state.is_out_of_time).then(|| self.failure.out_of_time())
    }
}
