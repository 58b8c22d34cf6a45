//! One connection, who uses it, and what the host says of it.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::key::Key;
use crate::connection::{Connection, Parting};

/// A connection and the number of calls that use it.
pub(super) struct Slot {
    pub key: Key,
    pub connection: Connection,
    pub tenure: Mutex<Tenure>,
    pub noted: Mutex<Noted>,
    pub(super) state: Mutex<SlotState>,
}

pub(super) struct SlotState {
    pub uses: usize,
    /// No new call gets it; it is closed when the last one has ended.
    pub retired: bool,
    pub closing: bool,
    /// Its end was told.
    pub ended: bool,
    pub used_at: Instant,
    /// Why it is closed, when it is.
    pub parting: Parting,
}

impl Slot {
    pub fn new(
        key: Key,
        connection: Connection,
        uses: usize,
        (retired, parting): (bool, Parting),
    ) -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self {
            key,
            connection,
            tenure: Mutex::default(),
            noted: Mutex::new(Noted {
                at: now,
                is_under_way: false,
            }),
            state: Mutex::new(SlotState {
                uses,
                retired,
                closing: false,
                ended: false,
                used_at: now,
                parting,
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
    pub fn closes(state: &mut SlotState, keep: bool) -> bool {
        let closes = state.uses == 0 && (state.retired || !keep) && !state.closing;
        state.closing |= closes;
        closes
    }
}

/// What the host says of the generation that a connection was made under.
#[derive(Default)]
pub(super) struct Tenure {
    pub asked_at: Option<Instant>,
    pub is_lost: bool,
}

/// When those who share the session were last told that it is used.
pub(super) struct Noted {
    pub at: Instant,
    /// They are being told.
    pub is_under_way: bool,
}
