//! Answers to requests of the server that wait to be sent.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// How many that needed no host are sent at the same time.
const SENDERS: usize = 16;
/// What may wait of them: bytes, with those that each takes beside its text.
const LARGEST: usize = 1024 * 1024;
const BESIDE: usize = 64;
/// Those that needed no host. A server that asks faster than it takes the answers is not read more slowly for it, since
/// others wait for what the same stream brings; what it does not take is dropped.
#[derive(Default)]
pub(super) struct Answers {
    waiting: Mutex<Waiting>,
    pub dropped: Dropped,
}

#[derive(Default)]
struct Waiting {
    texts: VecDeque<Vec<u8>>,
    bytes: usize,
    senders: usize,
}

impl Answers {
    /// Queues one, unless too much waits already, and says whether another sender is needed.
    pub fn push(&self, text: Vec<u8>) -> Option<bool> {
        let mut waiting = self.waiting.lock();
        let bytes = text.len() + BESIDE;
        if waiting.bytes + bytes > LARGEST && !waiting.texts.is_empty() {
            return None;
        }
        waiting.bytes += bytes;
        waiting.texts.push_back(text);
        let is_needed = waiting.senders < SENDERS;
        waiting.senders += usize::from(is_needed);
        Some(is_needed)
    }

    /// The next one for a sender, which is not needed any more where there is none.
    pub fn next(&self) -> Option<Vec<u8>> {
        let mut waiting = self.waiting.lock();
        let next = waiting.texts.pop_front();
        match &next {
            Some(text) => waiting.bytes -= text.len() + BESIDE,
            None => waiting.senders -= 1,
        }
        next
    }

    /// A sender was not rid of its answer in time. When that has befallen all, the server takes nothing.
    pub fn give_up(&self) {
        let mut waiting = self.waiting.lock();
        waiting.senders -= 1;
        if waiting.senders == 0 {
            *waiting = Waiting::default();
        }
    }
}

#[cfg(test)]
impl Answers {
    pub(super) fn bytes(&self) -> usize {
        self.waiting.lock().bytes
    }
}

/// Counts what was dropped.
#[derive(Default)]
pub struct Dropped(AtomicU64);

impl Dropped {
    /// How many there are now, with each further digit, so that a flood of messages is no flood of warnings.
    pub fn another(&self) -> Option<u64> {
        let dropped = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        (10_u64.pow(dropped.ilog10()) == dropped).then_some(dropped)
    }
}
