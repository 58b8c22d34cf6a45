//! Results as the server sent them.
//!
//! rmcp parses every message into typed models, which drops fields that they do not know. What must reach
//! JavaScript unchanged is therefore taken from the text before rmcp sees it: a request that carries a [`RawResult`]
//! among its extensions gets the result's own text, and rmcp gets an empty result in its place.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;
use rmcp::model::{
    ClientJsonRpcMessage, GetExtensions, RequestId, ServerJsonRpcMessage, ServerResult,
};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::nesting;
use crate::telemetry::Traffic;

/// Receives the text of one request's result.
#[derive(Clone, Default)]
pub struct RawResult(Arc<OnceLock<Box<RawValue>>>);

impl RawResult {
    /// The result, once the request has been answered.
    #[must_use]
    pub fn take(self) -> Option<Box<RawValue>> {
        match Arc::try_unwrap(self.0) {
            Ok(slot) => slot.into_inner(),
            Err(shared) => shared.get().cloned(),
        }
    }
}

/// Levels that `serde_json` reads by itself, as rmcp has it do, and some to spare.
const RMCP_NESTING: usize = 120;

type Slot = Weak<OnceLock<Box<RawValue>>>;

/// What rmcp is to see of a message.
#[derive(Debug, PartialEq)]
pub enum Incoming {
    /// All of it.
    Text(String),
    /// That this request has been answered, with an empty result. rmcp would try all the results that it knows on it.
    Answer(RequestId),
}

impl Incoming {
    #[must_use]
    pub fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Answer(id) => json!({ "jsonrpc": "2.0", "id": id, "result": {} }).to_string(),
        }
    }

    /// # Errors
    /// For a text that is no JSON-RPC message.
    pub fn message(&self) -> serde_json::Result<ServerJsonRpcMessage> {
        match self {
            Self::Text(text) => serde_json::from_str(text),
            Self::Answer(id) => Ok(ServerJsonRpcMessage::response(
                ServerResult::empty(()),
                id.clone(),
            )),
        }
    }
}

/// Watches the messages of one connection. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tap {
    pending: Arc<Mutex<HashMap<RequestId, Slot>>>,
    traffic: Arc<Traffic>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    id: Option<RequestId>,
    method: Option<serde::de::IgnoredAny>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
}

impl Tap {
    /// Counts bytes there.
    #[must_use]
    pub fn new(traffic: Arc<Traffic>) -> Self {
        Self {
            pending: Arc::default(),
            traffic,
        }
    }

    /// Notes the size of an outgoing message.
    pub fn sent(&self, bytes: usize) {
        self.traffic.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Notes an outgoing request whose result is wanted as text.
    pub fn outgoing(&self, message: &ClientJsonRpcMessage) {
        let ClientJsonRpcMessage::Request(request) = message else {
            return;
        };
        let Some(raw) = request.request.extensions().get::<RawResult>() else {
            return;
        };
        let mut pending = self.pending.lock();
        // Requests that were given up leave dead entries; they go with the next one.
        pending.retain(|_, slot| slot.strong_count() > 0);
        pending.insert(request.id.clone(), Arc::downgrade(&raw.0));
    }

    /// Hands a wanted result to its request and returns what is left for rmcp, which sees `null` in place of what it
    /// would refuse as nested too deeply. `keep` leaves the text there.
    #[must_use]
    pub fn incoming(&self, text: String, keep: bool) -> Incoming {
        self.traffic
            .received
            .fetch_add(text.len() as u64, Ordering::Relaxed);
        match self.answered(&text) {
            Some(request) if !keep => Incoming::Answer(request),
            _ => Incoming::Text(match nesting::cut(&text, RMCP_NESTING) {
                Cow::Owned(cut) => cut,
                Cow::Borrowed(_) => text,
            }),
        }
    }

    /// The request whose result this text had, and got.
    fn answered(&self, text: &str) -> Option<RequestId> {
        if self.pending.lock().is_empty() {
            return None;
        }
        let envelope: Envelope<'_> = serde_json::from_str(text).ok()?;
        if envelope.method.is_some() {
            return None;
        }
        let (id, result) = (envelope.id?, envelope.result?);
        let (request, slot) = self.find(&id)?;
        let _ = slot.upgrade()?.set(result.to_owned());
        Some(request)
    }

    /// Some servers send numbers back as strings, which rmcp accepts too.
    fn find(&self, id: &RequestId) -> Option<(RequestId, Slot)> {
        let mut pending = self.pending.lock();
        pending.remove_entry(id).or_else(|| match id {
            RequestId::String(text) => pending.remove_entry(&RequestId::Number(text.parse().ok()?)),
            RequestId::Number(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use rmcp::model::{ClientRequest, CustomRequest};

    use super::*;

    fn request(id: i64, raw: &RawResult) -> ClientJsonRpcMessage {
        let mut request = CustomRequest::new("tools/list", None);
        request.extensions.insert(raw.clone());
        ClientJsonRpcMessage::request(ClientRequest::CustomRequest(request), RequestId::Number(id))
    }

    #[test]
    fn result_text_is_kept_and_replaced() {
        let (tap, raw) = (Tap::default(), RawResult::default());
        tap.outgoing(&request(7, &raw));
        let text = r#"{"jsonrpc":"2.0","id":7,"result":{"b": 1.0, "a":[ ]}}"#;
        let left = tap.incoming(text.to_owned(), false);
        let message = left.message().unwrap();
        assert_eq!(
            serde_json::to_value(message).unwrap(),
            json!({ "jsonrpc": "2.0", "id": 7, "result": {} })
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&left.into_text()).unwrap(),
            json!({ "jsonrpc": "2.0", "id": 7, "result": {} })
        );
        assert_eq!(
            raw.take().map(|text| text.get().to_owned()).as_deref(),
            Some(r#"{"b": 1.0, "a":[ ]}"#)
        );
    }

    #[test]
    fn a_number_may_come_back_as_text() {
        let (tap, raw) = (Tap::default(), RawResult::default());
        tap.outgoing(&request(7, &raw));
        let text = r#"{"jsonrpc":"2.0","id":"7","result":{"a":1}}"#;
        assert_eq!(
            tap.incoming(text.to_owned(), false),
            Incoming::Answer(RequestId::Number(7))
        );
        assert!(raw.take().is_some());
    }

    #[test]
    fn what_is_nested_too_deeply_for_rmcp_is_cut() {
        let (tap, raw) = (Tap::default(), RawResult::default());
        tap.outgoing(&request(7, &raw));
        let deep = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":7,"result":{{"a":{}}}}}"#,
            deep(5000)
        );
        let left = tap.incoming(text, true);
        assert!(left.message().is_ok());
        let whole = raw.take().map(|text| text.get().len());
        assert_eq!(whole, Some(10_000 + r#"{"a":}"#.len()));
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":8,"error":{{"code":-1,"message":"no","data":{}}}}}"#,
            deep(5000)
        );
        assert!(matches!(
            tap.incoming(text, false).message(),
            Ok(ServerJsonRpcMessage::Error(_))
        ));
    }

    #[test]
    fn other_messages_pass_untouched() {
        let (tap, raw) = (Tap::default(), RawResult::default());
        tap.outgoing(&request(7, &raw));
        for text in [
            r#"{"jsonrpc":"2.0","id":8,"result":{"x":1}}"#,
            r#"{"jsonrpc":"2.0","id":7,"error":{"code":-1,"message":"no"}}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#,
            "not json",
        ] {
            assert_eq!(
                tap.incoming(text.to_owned(), false),
                Incoming::Text(text.to_owned())
            );
        }
        assert!(raw.take().is_none());
    }
}
