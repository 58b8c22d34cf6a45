//! What is known of the GET streams of a server.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How long a server that has no GET stream is not asked again, by any session.
const REFUSAL_LIFETIME: Duration = Duration::from_mins(5);

/// When a server said last that it has no GET stream (405). Shared by its sessions.
#[derive(Debug, Clone, Default)]
pub struct StreamRefusal(Arc<Mutex<Option<Instant>>>);

impl StreamRefusal {
    pub(super) fn note(&self) {
        *self.0.lock() = Some(Instant::now());
    }

    pub(super) fn holds(&self) -> bool {
        let refused = *self.0.lock();
        refused.is_some_and(|at| at.elapsed() < REFUSAL_LIFETIME)
    }
}

/// The GET stream of the current session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum GetStream {
    /// Nobody has asked for it, or the answer is not there.
    #[default]
    Unknown,
    /// There is none.
    Refused,
    /// It is open, or will be again.
    Opened,
}
