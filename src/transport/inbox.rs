//! What arrives on a stream that carries the answers to all requests, as messages.

use std::sync::{Arc, Weak};

use super::log_limit::LogLimit;
use super::message::{self, AnswerTo, NoMessage};
use super::no_answer::too_large;
use super::oversized::{Head, Text, last_id};
use super::wire::{Receiver, Waiting};
use crate::log::{Level, LogMeta, Logger};
use crate::telemetry::Traffic;
use crate::trace::Source;

/// Of a text that is no message and longer than this nothing is logged but its length.
const EXCERPT_TEXT_BYTES: usize = 2048;

pub(super) struct Inbox {
    receiver: Weak<dyn Receiver>,
    traffic: Arc<Traffic>,
    /// Cuts out what the server was given.
    logger: Logger,
    /// What is read from, for the log: `a line of stdout`, say.
    unit: &'static str,
    /// An answer is being skipped, and whose it is will show at its end: what its request fails with then.
    unknown_answer: Option<String>,
    /// Whether output that is no JSON was warned about; servers that log to stdout do it all the time.
    warned: bool,
    /// Of what is no message.
    limit: LogLimit,
    source: Source,
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let dropped = self.limit.rest();
        self.tell_dropped(dropped);
    }
}

impl Inbox {
    pub(super) fn new(
        receiver: Weak<dyn Receiver>,
        traffic: Arc<Traffic>,
        logger: Logger,
        unit: &'static str,
        source: Source,
    ) -> Self {
        Self {
            receiver,
            traffic,
            logger,
            unit,
            unknown_answer: None,
            warned: false,
            limit: LogLimit::default(),
            source,
        }
    }

    /// Hands over what came of a message.
    pub(super) fn take(&mut self, text: Text) {
        match text {
            Text::Whole(bytes) => self.text(&bytes),
            Text::TooLarge { head, refusal } => self.too_large(&head, refusal),
            Text::TooLargeEnd { tail } => self.too_large_end(&tail),
        }
    }

    /// Hands over the messages of a text.
    pub(super) fn text(&mut self, bytes: &[u8]) {
        let dropped = self.limit.dropped();
        self.tell_dropped(dropped);
        self.traffic.add_received(bytes.len());
        self.source.received(bytes, 0);
        let Some(receiver) = self.receiver.upgrade() else {
            return;
        };
        let text = message::text_of(bytes);
        if text.is_empty() {
            return;
        }
        message::read(&text, |message| match message {
            Ok(message) => receiver.receive(message, None),
            Err(NoMessage::NotJsonRpc) => {
                let (unit, size) = (self.unit, text.len());
                let what = format!("skipped {unit} with {size} bytes that are no JSON-RPC message");
                self.warn_of_skipped(&what);
            }
            Err(NoMessage::NotJson) => self.no_message(&text),
        });
    }

    fn no_message(&mut self, text: &str) {
        if !self.limit.admits() {
            return;
        }
        // One warning tells that something is wrong, the rest is for those who look for it.
        let level = if self.warned {
            Level::Debug
        } else {
            Level::Warn
        };
        self.warned = true;
        // Not cut here, where it could end within a secret that the logger would not know any more.
        let excerpt = if text.len() > EXCERPT_TEXT_BYTES {
            format!("{} bytes", text.len())
        } else {
            text.to_owned()
        };
        self.log(
            level,
            &format!("skipped {} that is not JSON: {excerpt}", self.unit),
        );
    }

    /// A message has passed a limit, and `refusal` says so. Whose answer it is tells its head, or that only one is
    /// expected.
    pub(super) fn too_large(&mut self, head: &[u8], refusal: String) {
        self.warn_of_skipped(&refusal);
        let Some(receiver) = self.receiver.upgrade() else {
            return;
        };
        let id = match (Head::of(head), receiver.waiting()) {
            (Head::Other, _) => return,
            (Head::AnswerTo(to), _) => to.ours(),
            (Head::Answer, Waiting::One(id)) => Some(id),
            (Head::Answer, _) => {
                self.unknown_answer = Some(refusal);
                return;
            }
        };
        if let Some(id) = id {
            receiver.fail(id, too_large(&refusal));
        }
    }

    /// A message that was too large has ended. The TypeScript SDK writes the id last.
    pub(super) fn too_large_end(&mut self, tail: &[u8]) {
        let Some(refusal) = self.unknown_answer.take() else {
            return;
        };
        let id = last_id(tail).and_then(AnswerTo::ours);
        if let (Some(receiver), Some(id)) = (self.receiver.upgrade(), id) {
            return receiver.fail(id, too_large(&refusal));
        }
        let what = format!(
            "skipped {} that answers no known request and was too large",
            self.unit
        );
        self.warn_of_skipped(&what);
    }

    /// The stream is lost, and with it the answers that were on their way, but for what its last bytes hold.
    pub(super) fn lost(&mut self, rest: Option<&[u8]>) {
        self.unknown_answer = None;
        let Some(receiver) = self.receiver.upgrade() else {
            return;
        };
        // Whoever asks something else because of the rest asks on the next stream.
        let awaited = receiver.awaited();
        if let Some(rest) = rest {
            self.text(rest);
        }
        receiver.lost(&awaited);
    }

    /// The server knows nothing of the session any more.
    pub(super) fn forgotten(&self) {
        if let Some(receiver) = self.receiver.upgrade() {
            receiver.forgotten();
        }
    }

    /// The wire has ended.
    pub(super) fn over(&self) {
        if let Some(receiver) = self.receiver.upgrade() {
            receiver.over();
        }
    }

    /// Whether something came that is not JSON.
    pub(super) const fn has_warned(&self) -> bool {
        self.warned
    }

    /// Whether nobody takes messages any more.
    pub(super) fn is_closed(&self) -> bool {
        self.receiver.strong_count() == 0
    }

    /// Whether requests wait for answers.
    pub(super) fn is_awaited(&self) -> bool {
        let receiver = self.receiver.upgrade();
        receiver.is_some_and(|receiver| receiver.waiting() != Waiting::Nobody)
    }

    /// What the server can cause as often as it likes.
    fn warn_of_skipped(&mut self, message: &str) {
        if self.limit.admits() {
            self.log(Level::Warn, message);
        }
    }

    fn tell_dropped(&self, dropped: Option<u64>) {
        if let Some(dropped) = dropped {
            let message = format!("{dropped} more log lines about skipped messages were dropped");
            self.logger.warn(message);
        }
    }

    pub(super) fn log(&self, level: Level, message: &str) {
        self.logger.with(level, message, LogMeta::None);
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::error::Error;
    use crate::transport::message::Incoming;

    /// Notes what it is given, for requests that wait.
    #[derive(Default)]
    struct Notes {
        waiting: Mutex<Vec<u64>>,
        failed: Mutex<Vec<u64>>,
        kinds: Mutex<Vec<&'static str>>,
    }

    impl Receiver for Notes {
        fn receive(&self, message: Incoming<'_>, _: Option<u64>) {
            self.kinds.lock().push(match message {
                Incoming::Answer(answer) => {
                    // Somebody hears the answer, and asks the next thing at once.
                    if let AnswerTo::Ours(id) = answer.to {
                        self.waiting.lock().push(id + 100);
                    }
                    "answer"
                }
                Incoming::Request(_) => "request",
                Incoming::Notification { .. } => "notification",
            });
        }
        fn has_answer(&self, _: u64) -> bool {
            false
        }
        fn fail(&self, id: u64, _: Error) {
            let mut waiting = self.waiting.lock();
            if let Some(at) = waiting.iter().position(|waits| *waits == id) {
                waiting.remove(at);
                self.failed.lock().push(id);
            }
        }
        fn waiting(&self) -> Waiting {
            match self.waiting.lock()[..] {
                [] => Waiting::Nobody,
                [id] => Waiting::One(id),
                _ => Waiting::Several,
            }
        }
        fn awaited(&self) -> Vec<u64> {
            self.waiting.lock().clone()
        }
        fn lost(&self, awaited: &[u64]) {
            self.failed.lock().extend(awaited);
        }
        fn forgotten(&self) {}
        fn conflicted(&self) {}
        fn over(&self) {}
    }

    fn inbox(waiting: &[u64]) -> (Inbox, Arc<Notes>) {
        let notes = Arc::new(Notes::default());
        notes.waiting.lock().extend(waiting);
        let receiver: Arc<dyn Receiver> = notes.clone();
        let inbox = Inbox::new(
            Arc::downgrade(&receiver),
            Arc::default(),
            Logger::silent(),
            "a line",
            Source::default(),
        );
        (inbox, notes)
    }

    #[test]
    fn a_long_answer_fails_its_request_only() {
        let (mut inbox, notes) = inbox(&[1, 2, 3]);
        let failed = || std::mem::take(&mut *notes.failed.lock());
        let over = || "over".to_owned();
        inbox.too_large(br#"{"jsonrpc":"2.0","id":"2","result":"xx"#, over());
        assert_eq!(failed(), [2]);
        inbox.too_large_end(br#","id":1}"#);
        assert!(failed().is_empty());

        inbox.too_large(br#"{"result":"xx"#, over());
        assert!(failed().is_empty());
        inbox.too_large_end(br#","id":3}"#);
        assert_eq!(failed(), [3]);

        inbox.too_large(br#"{"method":"x","params":"xx"#, over());
        inbox.too_large(br#"{"jsonrpc":"2.0","id":9,"result":"xx"#, over());
        assert!(failed().is_empty());
        inbox.too_large(br#"{"result":"xx"#, over());
        assert_eq!(failed(), [1]);
    }

    #[test]
    fn who_asks_after_the_last_answer_of_a_stream_has_lost_nothing() {
        let (mut inbox, notes) = inbox(&[1, 2]);
        inbox.lost(Some(br#"{"jsonrpc":"2.0","id":1,"result":{}}"#));
        assert_eq!(*notes.kinds.lock(), ["answer"]);
        assert_eq!(*notes.waiting.lock(), [1, 2, 101]);
        assert_eq!(*notes.failed.lock(), [1, 2]);
    }

    #[test]
    fn batches_are_taken_apart_and_garbage_is_skipped() {
        let (mut inbox, notes) = inbox(&[1]);
        for line in [
            &b"\xEF\xBB\xBF[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}},{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}]"[..],
            b"  ",
            b"\xFF\xFE",
            b"[broken",
            b"[1, \"x\"]",
            b"{\"jsonrpc\":\"1.0\"}",
            b"hello",
        ] {
            inbox.text(line);
        }
        assert_eq!(*notes.kinds.lock(), ["answer", "request"]);
    }
}
