//! What arrives on a stream that carries the answers to all requests, as messages.

use std::collections::VecDeque;

use rmcp::model::{ErrorCode, ErrorData, RequestId, ServerJsonRpcMessage};
use serde_json::value::RawValue;

use super::log_limit::LogLimit;
use super::oversized::{Head, last_id};
use super::pending::Pending;
use super::{LOST_MESSAGE, TRANSPORT_RPC_CODE, Tap};
use crate::foreign_text::{SentSecrets, foreign_text};
use crate::host::{Level, LogMeta, Logger};

/// How much of a text that is no message is logged, in characters.
const EXCERPT_CHARS: usize = 200;
/// Of a longer one nothing is logged but its length.
const EXCERPT_TEXT_BYTES: usize = 4096;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

pub(super) struct Inbox {
    tap: Tap,
    pending: Pending,
    logger: Logger,
    log_prefix: String,
    /// What is read from, for the log: `a line of stdout`, say.
    unit: &'static str,
    messages: VecDeque<ServerJsonRpcMessage>,
    /// An answer is being skipped, and whose it is will show at its end.
    unknown_answer: bool,
    /// Whether output that is no JSON was warned about; servers that log to stdout do it all the time.
    warned: bool,
    /// What the server was given and must not be repeated when it says it.
    secrets: SentSecrets,
    /// Of what is no message.
    limit: LogLimit,
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let dropped = self.limit.rest();
        self.tell_dropped(dropped);
    }
}

impl Inbox {
    pub(super) fn new(
        tap: Tap,
        pending: Pending,
        logger: Logger,
        log_prefix: String,
        unit: &'static str,
    ) -> Self {
        Self {
            tap,
            pending,
            logger,
            log_prefix,
            unit,
            messages: VecDeque::new(),
            unknown_answer: false,
            warned: false,
            secrets: SentSecrets::default(),
            limit: LogLimit::new(),
        }
    }

    pub(super) fn with_secrets(mut self, secrets: SentSecrets) -> Self {
        self.secrets = secrets;
        self
    }

    pub(super) fn next(&mut self) -> Option<ServerJsonRpcMessage> {
        self.messages.pop_front()
    }

    pub(super) fn text(&mut self, mut text: Vec<u8>) {
        let dropped = self.limit.dropped();
        self.tell_dropped(dropped);
        if text.starts_with(BYTE_ORDER_MARK) {
            text.drain(..BYTE_ORDER_MARK.len());
        }
        if text.trim_ascii().is_empty() {
            return;
        }
        match String::from_utf8(text) {
            Ok(text) if text.trim_start().starts_with('[') => self.batch(&text),
            Ok(text) => self.message(text),
            Err(error) => self.no_message("not UTF-8", &String::from_utf8_lossy(error.as_bytes())),
        }
    }

    /// Protocol versions up to 2025-03-26 allow several messages in one array.
    fn batch(&mut self, text: &str) {
        match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(elements) => {
                for element in elements {
                    self.message(element.get().to_owned());
                }
            }
            Err(_) => self.no_message("not JSON", text),
        }
    }

    fn message(&mut self, text: String) {
        let size = text.len();
        let incoming = self.tap.incoming(text, false);
        match incoming.message() {
            Ok(message) => {
                self.pending.incoming(&message);
                self.messages.push_back(message);
            }
            Err(error) if error.is_data() => {
                let what = format!(
                    "skipped {} with {size} bytes that are no JSON-RPC message",
                    self.unit
                );
                self.log_skipped(Level::Warn, &what);
            }
            Err(_) => self.no_message("not JSON", &incoming.into_text()),
        }
    }

    fn no_message(&mut self, why: &str, text: &str) {
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
        let excerpt = if text.len() > EXCERPT_TEXT_BYTES {
            format!("{} bytes", text.len())
        } else {
            // What is secret is cut out of all of it first: the excerpt could end within a secret.
            let shown = foreign_text(text, &self.secrets);
            shown.chars().take(EXCERPT_CHARS).collect()
        };
        self.log(
            level,
            &format!("skipped {} that is {why}: {excerpt}", self.unit),
        );
    }

    /// A message has passed a limit, and `refusal` says so. Whose answer it is tells its head, or that only one is
    /// expected.
    pub(super) fn too_large(&mut self, head: &[u8], refusal: &str) {
        self.log_skipped(Level::Warn, refusal);
        let id = match Head::of(head) {
            Head::Other => return,
            Head::AnswerTo(id) => self.pending.find(&id),
            Head::Answer => {
                let only = self.pending.only();
                self.unknown_answer = only.is_none();
                only
            }
        };
        if let Some(id) = id {
            self.fail(id, refusal);
        }
    }

    /// A message that was too large has ended. The TypeScript SDK writes the id last.
    pub(super) fn too_large_end(&mut self, tail: &[u8], refusal: &str) {
        if !std::mem::take(&mut self.unknown_answer) {
            return;
        }
        if let Some(id) = last_id(tail).and_then(|id| self.pending.find(&id)) {
            self.fail(id, refusal);
            return;
        }
        let what = format!(
            "skipped {} that answers no known request and was too large",
            self.unit
        );
        self.log_skipped(Level::Warn, &what);
    }

    /// The stream is lost, and with it the answers to all pending requests.
    pub(super) fn lost(&mut self) {
        self.unknown_answer = false;
        for id in self.pending.give_up() {
            self.fail(id, LOST_MESSAGE);
        }
    }

    fn fail(&mut self, id: RequestId, message: &str) {
        let error = ErrorData::new(ErrorCode(TRANSPORT_RPC_CODE), message.to_owned(), None);
        self.messages
            .push_back(ServerJsonRpcMessage::error(error, Some(id)));
    }

    /// What the server can cause as often as it likes.
    fn log_skipped(&mut self, level: Level, message: &str) {
        if self.limit.admits() {
            self.log(level, message);
        }
    }

    fn tell_dropped(&self, dropped: Option<u64>) {
        if let Some(dropped) = dropped {
            self.log(
                Level::Warn,
                &format!("{dropped} more log lines about skipped messages were dropped"),
            );
        }
    }

    pub(super) fn log(&self, level: Level, message: &str) {
        let message = format!("{} {message}", self.log_prefix);
        self.logger.with(level, message, LogMeta::None);
    }
}

#[cfg(test)]
mod tests {
    use rmcp::model::{ClientJsonRpcMessage, ClientRequest, PingRequest};

    use super::*;

    fn inbox(pending: &[i64]) -> Inbox {
        let inbox = Inbox::new(
            Tap::default(),
            Pending::default(),
            Logger::silent(),
            "[test]".to_owned(),
            "a line",
        );
        for id in pending {
            let request = ClientRequest::PingRequest(PingRequest::default());
            let request = ClientJsonRpcMessage::request(request, RequestId::Number(*id));
            inbox.pending.outgoing(&request);
        }
        inbox
    }

    fn failed(inbox: &mut Inbox) -> Option<i64> {
        match inbox.next() {
            Some(ServerJsonRpcMessage::Error(error)) => match error.id {
                Some(RequestId::Number(id)) => Some(id),
                other => panic!("{other:?}"),
            },
            None => None,
            Some(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_long_answer_fails_its_request_only() {
        let mut inbox = inbox(&[1, 2, 3]);
        inbox.too_large(br#"{"jsonrpc":"2.0","id":"2","result":"xx"#, "over");
        assert_eq!(failed(&mut inbox), Some(2));
        inbox.too_large_end(br#","id":1}"#, "over");
        assert_eq!(failed(&mut inbox), None);

        inbox.too_large(br#"{"result":"xx"#, "over");
        assert_eq!(failed(&mut inbox), None);
        inbox.too_large_end(br#","id":3}"#, "over");
        assert_eq!(failed(&mut inbox), Some(3));

        inbox.too_large(br#"{"method":"x","params":"xx"#, "over");
        inbox.too_large(br#"{"jsonrpc":"2.0","id":9,"result":"xx"#, "over");
        assert_eq!(failed(&mut inbox), None);
        inbox.too_large(br#"{"result":"xx"#, "over");
        assert_eq!(failed(&mut inbox), Some(1));
    }

    #[test]
    fn batches_are_taken_apart_and_garbage_is_skipped() {
        let mut inbox = inbox(&[1]);
        for line in [
            &b"\xEF\xBB\xBF[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}},{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}]"[..],
            b"  ",
            b"\xFF\xFE",
            b"[broken",
            b"[1, \"x\"]",
            b"{\"jsonrpc\":\"1.0\"}",
            b"hello",
        ] {
            inbox.text(line.to_vec());
        }
        assert!(matches!(
            inbox.next(),
            Some(ServerJsonRpcMessage::Response(_))
        ));
        assert!(matches!(
            inbox.next(),
            Some(ServerJsonRpcMessage::Request(_))
        ));
        assert!(inbox.next().is_none() && inbox.pending.is_empty());
    }
}
