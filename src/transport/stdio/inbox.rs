//! Lines from the child's stdout, as messages.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ErrorCode, ErrorData, RequestId, ServerJsonRpcMessage,
};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::host::{Level, LogMeta, Logger};
use crate::transport::Tap;

/// The JSON-RPC code of an answer that was too long to be read; implementation-defined range.
const TOO_LONG: ErrorCode = ErrorCode(-32000);
/// How much of a line that is no message is logged, in characters.
const EXCERPT_CHARS: usize = 200;
/// Of a longer line nothing is logged but its length.
const EXCERPT_LINE_BYTES: usize = 4096;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Ids of requests that have not been answered.
#[derive(Clone, Default)]
pub(super) struct Pending(Arc<Mutex<HashSet<RequestId>>>);

impl Pending {
    /// Notes an outgoing request; a cancelled one expects no answer any more.
    pub(super) fn outgoing(&self, message: &ClientJsonRpcMessage) {
        match message {
            ClientJsonRpcMessage::Request(request) => {
                self.0.lock().insert(request.id.clone());
            }
            ClientJsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) =
                    &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.0.lock().remove(id);
                }
            }
            ClientJsonRpcMessage::Response(_) | ClientJsonRpcMessage::Error(_) => {}
        }
    }

    fn incoming(&self, message: &ServerJsonRpcMessage) {
        let id = match message {
            ServerJsonRpcMessage::Response(response) => Some(&response.id),
            ServerJsonRpcMessage::Error(error) => error.id.as_ref(),
            ServerJsonRpcMessage::Request(_) | ServerJsonRpcMessage::Notification(_) => None,
        };
        if let Some(id) = id {
            self.find(id);
        }
    }

    /// Removes and returns the request that an answer's id means. Some servers send numbers back as strings, which
    /// rmcp accepts too.
    fn find(&self, id: &RequestId) -> Option<RequestId> {
        let mut pending = self.0.lock();
        pending.take(id).or_else(|| match id {
            RequestId::String(text) => pending.take(&RequestId::Number(text.parse().ok()?)),
            RequestId::Number(_) => None,
        })
    }

    /// The pending request, where there is exactly one.
    fn only(&self) -> Option<RequestId> {
        let mut pending = self.0.lock();
        if pending.len() != 1 {
            return None;
        }
        pending.drain().next()
    }
}

pub(super) struct Inbox {
    pub(super) tap: Tap,
    pub(super) pending: Pending,
    pub(super) logger: Logger,
    pub(super) log_prefix: String,
    pub(super) max_line_bytes: usize,
    messages: VecDeque<ServerJsonRpcMessage>,
    /// An answer is being skipped, and whose it is will show at its end.
    unknown_answer: bool,
    /// Whether output that is no JSON was warned about; servers that log to stdout do it all the time.
    warned: bool,
}

impl Inbox {
    pub(super) fn new(
        tap: Tap,
        pending: Pending,
        logger: Logger,
        log_prefix: String,
        max_line_bytes: usize,
    ) -> Self {
        Self {
            tap,
            pending,
            logger,
            log_prefix,
            max_line_bytes,
            messages: VecDeque::new(),
            unknown_answer: false,
            warned: false,
        }
    }

    pub(super) fn next(&mut self) -> Option<ServerJsonRpcMessage> {
        self.messages.pop_front()
    }

    pub(super) fn line(&mut self, mut line: Vec<u8>) {
        if line.starts_with(BYTE_ORDER_MARK) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        if line.trim_ascii().is_empty() {
            return;
        }
        match String::from_utf8(line) {
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
        let text = self.tap.incoming(text, false);
        match serde_json::from_str(&text) {
            Ok(message) => {
                self.pending.incoming(&message);
                self.messages.push_back(message);
            }
            Err(error) if error.is_data() => self.log(
                Level::Warn,
                &format!(
                    "skipped a line of {} bytes that is no JSON-RPC message",
                    text.len()
                ),
            ),
            Err(_) => self.no_message("not JSON", &text),
        }
    }

    fn no_message(&mut self, why: &str, text: &str) {
        // One warning tells that something is wrong, the rest is for those who look for it.
        let level = if self.warned {
            Level::Debug
        } else {
            Level::Warn
        };
        self.warned = true;
        let excerpt = if text.len() > EXCERPT_LINE_BYTES {
            format!("{} bytes", text.len())
        } else {
            let short: String = text.chars().take(EXCERPT_CHARS).collect();
            short.escape_debug().to_string()
        };
        self.log(
            level,
            &format!("skipped a line of stdout that is {why}: {excerpt}"),
        );
    }

    /// A line has passed the limit. Whose answer it is tells its head, or that only one is expected.
    pub(super) fn too_long(&mut self, head: &[u8], observed: usize) {
        self.log(
            Level::Warn,
            &format!(
                "skipping a line of stdout that is longer than {} bytes",
                self.max_line_bytes
            ),
        );
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
            self.fail(id, observed);
        }
    }

    /// A line that was too long has ended. The TypeScript SDK writes the id last.
    pub(super) fn too_long_end(&mut self, tail: &[u8], observed: usize) {
        if !std::mem::take(&mut self.unknown_answer) {
            return;
        }
        match last_id(tail).and_then(|id| self.pending.find(&id)) {
            Some(id) => self.fail(id, observed),
            None => self.log(
                Level::Warn,
                &format!("skipped a line of {observed} bytes that answers no known request"),
            ),
        }
    }

    fn fail(&mut self, id: RequestId, observed: usize) {
        let message = format!(
            "[MCP] MCP response contained an oversized line (lineLimit={} bytes, observedLine={observed} bytes)",
            self.max_line_bytes
        );
        let error = ErrorData::new(TOO_LONG, message, None);
        self.messages
            .push_back(ServerJsonRpcMessage::error(error, Some(id)));
    }

    pub(super) fn log(&self, level: Level, message: &str) {
        let message = format!("{} {message}", self.log_prefix);
        self.logger.with(level, message, LogMeta::None);
    }
}

/// What the beginning of a message tells.
#[derive(Debug, PartialEq)]
enum Head {
    AnswerTo(RequestId),
    /// Possibly an answer; its id is not in sight.
    Answer,
    /// A request or notification of the server, or no message at all.
    Other,
}

impl Head {
    fn of(text: &[u8]) -> Self {
        let text = text.trim_ascii_start();
        if text.starts_with(b"[") {
            return Self::Answer;
        }
        let Some(mut rest) = text.strip_prefix(b"{") else {
            return Self::Other;
        };
        let mut id = None;
        while let Some((Value::String(key), after)) = leading_value(rest) {
            if key == "method" {
                return Self::Other;
            }
            let Some((value, after)) = strip(after, b':').and_then(leading_value) else {
                break;
            };
            if key == "id" {
                id = serde_json::from_value(value).ok();
            }
            let Some(after) = strip(after, b',') else {
                break;
            };
            rest = after;
        }
        id.map_or(Self::Answer, Self::AnswerTo)
    }
}

/// The id that is the last member of a message. What stands right before the last brace belongs to the outermost
/// object, so ids within results are never taken for it.
fn last_id(tail: &[u8]) -> Option<RequestId> {
    let members = tail.trim_ascii_end().strip_suffix(b"}")?;
    let key = br#""id""#;
    let start = members.windows(key.len()).rposition(|part| part == key)?;
    let value = strip(&members[start + key.len()..], b':')?;
    serde_json::from_slice(value).ok()
}

/// The JSON value that `text` begins with, and what follows it.
fn leading_value(text: &[u8]) -> Option<(Value, &[u8])> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<Value>();
    let value = values.next()?.ok()?;
    Some((value, &text[values.byte_offset()..]))
}

fn strip(text: &[u8], separator: u8) -> Option<&[u8]> {
    text.trim_ascii_start().strip_prefix(&[separator])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbox(pending: &[i64]) -> Inbox {
        let inbox = Inbox::new(
            Tap::default(),
            Pending::default(),
            Logger::silent(),
            "[test]".to_owned(),
            10,
        );
        let mut ids = inbox.pending.0.lock();
        ids.extend(pending.iter().map(|id| RequestId::Number(*id)));
        drop(ids);
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
    fn heads() {
        let id = |id: i64| Head::AnswerTo(RequestId::Number(id));
        for (text, expected) in [
            (r#"{"jsonrpc":"2.0","id":7,"result":{"a"#, id(7)),
            (r#" { "id" : 7 , "result" : {"id":8},"x"#, id(7)),
            (r#"{"result":{"id":7},"jsonrpc":"2.0","te"#, Head::Answer),
            (r#"{"result":{"text":"\"id\":7"#, Head::Answer),
            (
                r#"{"jsonrpc":"2.0","id":7,"method":"roots/list"#,
                Head::Other,
            ),
            (r#"{"method":"notifications/message","pa"#, Head::Other),
            ("INFO starting", Head::Other),
            (r#"[{"jsonrpc":"2.0","id":7"#, Head::Answer),
        ] {
            assert_eq!(Head::of(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn tails() {
        for (text, expected) in [
            (r#"xx"}]},"jsonrpc":"2.0","id":7}"#, Some(7)),
            (r#"xx"},"id" : 7 } "#, Some(7)),
            (r#"{"id":7}}"#, None),
            (r#"\"id\":7}"}"#, None),
            ("xxx", None),
        ] {
            assert_eq!(
                last_id(text.as_bytes()),
                expected.map(RequestId::Number),
                "{text}"
            );
        }
    }

    #[test]
    fn a_long_answer_fails_its_request_only() {
        let mut inbox = inbox(&[1, 2, 3]);
        inbox.too_long(br#"{"jsonrpc":"2.0","id":"2","result":"xx"#, 11);
        assert_eq!(failed(&mut inbox), Some(2));
        inbox.too_long_end(br#","id":1}"#, 20);
        assert_eq!(failed(&mut inbox), None);

        inbox.too_long(br#"{"result":"xx"#, 11);
        assert_eq!(failed(&mut inbox), None);
        inbox.too_long_end(br#","id":3}"#, 20);
        assert_eq!(failed(&mut inbox), Some(3));

        inbox.too_long(br#"{"method":"x","params":"xx"#, 11);
        inbox.too_long(br#"{"jsonrpc":"2.0","id":9,"result":"xx"#, 11);
        assert_eq!(failed(&mut inbox), None);
        inbox.too_long(br#"{"result":"xx"#, 11);
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
            inbox.line(line.to_vec());
        }
        assert!(matches!(
            inbox.next(),
            Some(ServerJsonRpcMessage::Response(_))
        ));
        assert!(matches!(
            inbox.next(),
            Some(ServerJsonRpcMessage::Request(_))
        ));
        assert!(inbox.next().is_none() && inbox.pending.0.lock().is_empty());
    }
}
