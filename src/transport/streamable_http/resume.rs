//! Event streams that end early: what is heard on them, and when they are opened again.

use std::time::Duration;

use crate::transport::events::{Found, Progress};
use crate::transport::message::{self, Incoming, NoMessage};
use crate::transport::no_answer::too_large;
use crate::transport::oversized::Head;
use crate::transport::remote::Remote;
use crate::transport::wire::{Receiver, Waiting};

/// How often in a row a stream that cannot be opened again is tried.
const RECONNECTS: u32 = 3;
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// What a server may name as its `retry` at the least: on the stream that answers a request, and on those that were
/// opened again.
const SHORTEST_FIRST_RETRY: Duration = Duration::from_millis(100);
const SHORTEST_RETRY: Duration = Duration::from_secs(1);

/// Where a stream goes on, and when.
pub(super) struct Pace {
    progress: Progress,
    /// Attempts in a row that opened nothing.
    failed: u32,
    shortest: Duration,
    /// What the trace calls the exchange that the stream is of.
    pub exchange: u64,
}

impl Pace {
    /// Of the stream that answers a request.
    pub fn of_answer() -> Self {
        Self {
            progress: Progress::default(),
            failed: 0,
            shortest: SHORTEST_FIRST_RETRY,
            exchange: 0,
        }
    }

    /// Of a stream that is no request's own.
    pub fn of_streams() -> Self {
        Self {
            shortest: SHORTEST_RETRY,
            ..Self::of_answer()
        }
    }

    pub fn last_event_id(&self) -> Option<&str> {
        self.progress.last_event_id.as_deref()
    }

    pub const fn opened(&mut self) {
        self.failed = 0;
    }

    /// How long to wait before the stream is opened again; `None` when that is given up.
    pub fn next(&mut self) -> Option<Duration> {
        if self.failed == RECONNECTS {
            return None;
        }
        let backoff = Duration::from_secs(1 << self.failed);
        self.failed += 1;
        let pause = self.progress.retry.unwrap_or(backoff);
        let pause = pause.clamp(self.shortest, LONGEST_PAUSE);
        self.shortest = SHORTEST_RETRY;
        Some(pause)
    }
}

/// Passes on what was found on a stream. `during`: the request that the stream answers. Answers with why something was no
/// message.
pub(super) fn hand_over(
    remote: &Remote,
    receiver: &dyn Receiver,
    found: Found,
    pace: &mut Pace,
    during: Option<u64>,
) -> Option<NoMessage> {
    match found {
        Found::Event(event) => {
            pace.progress.note(event.id, event.retry);
            let data = event.data?;
            remote.traffic.add_received(data.len());
            remote.source.received(data.as_bytes(), pace.exchange);
            return each(remote, data.as_bytes(), |message| {
                receiver.receive(message, during);
            });
        }
        Found::TooLarge { id, head, refusal } => {
            pace.progress.note(id, None);
            remote.logger.warn(&refusal);
            let failed = match Head::of(&head) {
                Head::AnswerTo(to) => to.ours(),
                Head::Other => None,
                Head::Answer => during.or(match receiver.waiting() {
                    Waiting::One(id) => Some(id),
                    Waiting::Nobody | Waiting::Several => None,
                }),
            };
            if let Some(id) = failed {
                receiver.fail(id, too_large(&refusal));
            }
        }
        Found::TooLargeEnd { .. } => {}
    }
    None
}

/// The messages of a text; what is none is skipped, and answered with why it is none.
pub(super) fn each(
    remote: &Remote,
    bytes: &[u8],
    mut take: impl FnMut(Incoming<'_>),
) -> Option<NoMessage> {
    let text = message::text_of(bytes);
    if text.is_empty() {
        return None;
    }
    let mut skipped = None;
    message::read(&text, |message| match message {
        Ok(message) => take(message),
        Err(why) => {
            remote.skipped(why, text.len());
            skipped = Some(why);
        }
    });
    skipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_opened_again_at_a_bounded_pace() {
        let mut pace = Pace::of_streams();
        let seconds = |pause: Option<Duration>| pause.map(|pause| pause.as_secs());
        let pauses = [0; 4].map(|_| seconds(pace.next()));
        assert_eq!(pauses, [Some(1), Some(2), Some(4), None]);
        pace.opened();
        pace.progress.note(Some("7".to_owned()), Some(0));
        assert_eq!(seconds(pace.next()), Some(1));
        assert_eq!(pace.last_event_id(), Some("7"));
        pace.progress.note(None, Some(u64::MAX));
        assert_eq!(seconds(pace.next()), Some(30));
    }

    #[test]
    fn an_answer_is_resumed_sooner_the_first_time() {
        let mut pace = Pace::of_answer();
        pace.progress.note(None, Some(0));
        assert_eq!(pace.next(), Some(SHORTEST_FIRST_RETRY));
        pace.opened();
        pace.progress.note(None, Some(0));
        assert_eq!(pace.next(), Some(SHORTEST_RETRY));
    }
}
