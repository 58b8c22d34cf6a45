//! Answers to requests of the server on their way to it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rmcp::model::ErrorData;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::engine::Engine;
use crate::transport::message::answer;

/// How many that needed no host are sent at the same time.
const SENDERS: usize = 16;
/// What may wait of them: bytes, with those that each takes beside its text.
const LARGEST: usize = 1024 * 1024;
const BESIDE: usize = 64;
/// How long a server may take to take one.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Those that needed no host. A server that asks faster than it takes the answers is not read more slowly for it, since
/// others wait for what the same stream brings; what it does not take is dropped.
#[derive(Default)]
pub(super) struct Answers {
    waiting: Mutex<Waiting>,
    dropped: Dropped,
}

#[derive(Default)]
struct Waiting {
    texts: VecDeque<Vec<u8>>,
    bytes: usize,
    senders: usize,
}

impl Answers {
    /// Queues one, unless too much waits already, and says whether another sender is needed.
    fn push(&self, text: Vec<u8>) -> Option<bool> {
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
    fn next(&self) -> Option<Vec<u8>> {
        let mut waiting = self.waiting.lock();
        let next = waiting.texts.pop_front();
        match &next {
            Some(text) => waiting.bytes -= text.len() + BESIDE,
            None => waiting.senders -= 1,
        }
        next
    }

    /// A sender was not rid of its answer in time. When that has befallen all, the server takes nothing.
    fn give_up(&self) {
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

impl Engine {
    /// Answers before long, without anybody's waiting for it.
    pub(super) fn answer_soon(&self, id: &RawValue, reply: Result<Value, ErrorData>) {
        let Ok(text) = answer(id, reply) else { return };
        let Some(is_needed) = self.inbound.answers.push(text) else {
            if let Some(dropped) = self.inbound.answers.dropped.another() {
                self.client.logger.warn(format!(
                    "The server asks faster than it takes the answers; dropped: {dropped}"
                ));
            }
            return;
        };
        let Some(engine) = self.handle().filter(|_| is_needed) else {
            return;
        };
        tokio::spawn(async move {
            let answers = &engine.inbound.answers;
            while let Some(text) = answers.next() {
                if !engine.deliver(text).await {
                    return answers.give_up();
                }
            }
        });
    }

    /// Sends an answer, and says whether that came to an end. A server that does not take it has lost more than that.
    pub(super) async fn deliver(&self, text: Vec<u8>) -> bool {
        tokio::select! {
            biased;
            () = self.life.cancelled() => false,
            sent = timeout(TIMEOUT, Box::pin(self.tell(text))) => sent.is_ok(),
        }
    }
}

/// Counts what was dropped.
#[derive(Default)]
pub(super) struct Dropped(AtomicU64);

impl Dropped {
    /// How many there are now, with each further digit, so that a flood of messages is no flood of warnings.
    pub fn another(&self) -> Option<u64> {
        let dropped = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        (10_u64.pow(dropped.ilog10()) == dropped).then_some(dropped)
    }
}
