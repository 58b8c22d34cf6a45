//! What waits for the thread that makes lines of it. It is bounded; what does not fit is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;

use super::record::Record;

/// What may wait, in bytes.
const MOST: usize = 8 * 1024 * 1024;

pub(super) struct Queue {
    pub records: Sender<Record>,
    pub state: Arc<State>,
}

/// What the thread shares with those who tell.
#[derive(Default)]
pub(super) struct State {
    /// Bytes that wait.
    waiting: AtomicUsize,
    lost: AtomicUsize,
}

impl State {
    pub fn done(&self, size: usize) {
        self.waiting.fetch_sub(size, Ordering::Release);
    }

    /// How many records had no room since the last time.
    pub fn lost(&self) -> usize {
        self.lost.swap(0, Ordering::Relaxed)
    }

    pub fn is_idle(&self) -> bool {
        self.waiting.load(Ordering::Acquire) == 0
    }
}

impl Queue {
    pub fn push(&self, record: Record) {
        let size = record.size();
        let before = self.state.waiting.fetch_add(size, Ordering::Relaxed);
        if before.saturating_add(size) > MOST || self.records.send(record).is_err() {
            self.state.done(size);
            self.state.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}
