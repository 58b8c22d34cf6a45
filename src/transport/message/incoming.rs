//! What servers send. A message is read as far as its kind and its id; what it carries stays the text that the server
//! wrote.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

/// What some servers begin a text with.
pub const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What a server sends.
#[derive(Debug)]
pub enum Incoming<'a> {
    Answer(Answer<'a>),
    Request(Request<'a>),
    Notification {
        method: Cow<'a, str>,
        params: Option<&'a RawValue>,
    },
}

#[derive(Debug)]
pub struct Answer<'a> {
    pub to: AnswerTo,
    pub outcome: Outcome<'a>,
}

#[derive(Debug)]
pub struct Request<'a> {
    /// A number or a string, which goes back as it came.
    pub id: &'a RawValue,
    pub method: Cow<'a, str>,
    pub params: Option<&'a RawValue>,
}

/// Which request an answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerTo {
    /// Ids of ours are numbers; some servers give them back as text.
    Ours(u64),
    /// No id, or `null`: the server could not read the request.
    Nobody,
    /// An id that we never give.
    Other,
}

impl AnswerTo {
    /// What this id means; `None` for one that no request has.
    #[must_use]
    pub fn of(id: &Value) -> Option<Self> {
        let ours = match id {
            Value::Null => return Some(Self::Nobody),
            Value::Number(id) => id.as_u64().or_else(|| whole(id.as_f64()?)),
            Value::String(id) => id.parse().ok().or_else(|| whole(id.parse().ok()?)),
            _ => return None,
        };
        Some(ours.map_or(Self::Other, Self::Ours))
    }

    #[must_use]
    pub const fn ours(self) -> Option<u64> {
        match self {
            Self::Ours(id) => Some(id),
            Self::Nobody | Self::Other => None,
        }
    }
}

/// Some servers keep all numbers as floating-point ones, and write 7 as `7.0`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked before"
)]
fn whole(id: f64) -> Option<u64> {
    (id.fract() == 0.0 && (0.0..9e15).contains(&id)).then_some(id as u64)
}

#[derive(Debug)]
pub enum Outcome<'a> {
    Result(&'a RawValue),
    Error(RpcError),
    /// Neither of both, or `null`.
    Neither,
}

/// The error of an answer (JSON-RPC 2.0, section 5.1).
#[derive(Debug, Clone, Default)]
pub struct RpcError {
    /// 0 where there is none.
    pub code: i64,
    pub message: String,
    pub data: Option<Box<RawValue>>,
}

/// Why a text is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoMessage {
    NotJson,
    NotJsonRpc,
}

impl NoMessage {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotJson => "not JSON",
            Self::NotJsonRpc => "no JSON-RPC message",
        }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// What was sent, without a byte order mark and what is blank around it. What is not UTF-8 is replaced, as web browsers do.
#[must_use]
pub fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let bytes = bytes.trim_ascii();
    // Which looks at several bytes at a time.
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Hands over each message of a text, which may be an array of them (up to 2025-03-26).
pub fn read<'a>(text: &'a str, mut take: impl FnMut(Result<Incoming<'a>, NoMessage>)) {
    if !text.starts_with('[') {
        return take(Incoming::read(text));
    }
    match serde_json::from_str::<Vec<&RawValue>>(text) {
        Ok(elements) => {
            for element in elements {
                take(Incoming::read(element.get()));
            }
        }
        Err(_) => take(Err(NoMessage::NotJson)),
    }
}

impl<'a> Incoming<'a> {
    fn read(text: &'a str) -> Result<Self, NoMessage> {
        let envelope: Envelope<'a> = serde_json::from_str(text).map_err(|error| {
            let is_json = error.is_data() && serde_json::from_str::<IgnoredAny>(text).is_ok();
            if is_json {
                NoMessage::NotJsonRpc
            } else {
                NoMessage::NotJson
            }
        })?;
        if envelope.jsonrpc.as_deref() != Some("2.0") {
            return Err(NoMessage::NotJsonRpc);
        }
        let id = match envelope.id {
            None => None,
            Some(id) => {
                let meant = serde_json::from_str(id.get()).ok();
                let meant = meant.as_ref().and_then(AnswerTo::of);
                Some((id, meant.ok_or(NoMessage::NotJsonRpc)?))
            }
        };
        let Some(method) = envelope.method else {
            let outcome = match (envelope.result, envelope.error) {
                (_, Some(error)) => Outcome::Error(RpcError::of(error)),
                (Some(result), None) => Outcome::Result(result),
                // Without an id it is no answer either.
                (None, None) if id.is_none() => return Err(NoMessage::NotJsonRpc),
                (None, None) => Outcome::Neither,
            };
            let to = id.map_or(AnswerTo::Nobody, |(_, to)| to);
            return Ok(Self::Answer(Answer { to, outcome }));
        };
        let params = envelope.params;
        Ok(match id {
            None => Self::Notification { method, params },
            Some((id, _)) => Self::Request(Request { id, method, params }),
        })
    }
}

impl RpcError {
    /// What is not as the standard has it is read as what it must mean.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "codes are small; no other has a meaning"
    )]
    pub fn of(error: &RawValue) -> Self {
        #[derive(Default, Deserialize)]
        struct Members<'a> {
            #[serde(borrow)]
            code: Option<&'a RawValue>,
            #[serde(borrow)]
            message: Option<&'a RawValue>,
            data: Option<Box<RawValue>>,
        }
        let Ok(Members {
            code,
            message,
            data,
        }) = serde_json::from_str(error.get())
        else {
            return Self {
                message: shown(error),
                ..Self::default()
            };
        };
        let code = code.and_then(|code| code.get().trim_matches('"').parse::<f64>().ok());
        Self {
            code: code.map(|code| code as i64).unwrap_or_default(),
            message: message.map(shown).unwrap_or_default(),
            data,
        }
    }
}

/// A text, or whatever is in its place.
fn shown(value: &RawValue) -> String {
    serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<Incoming<'_>, NoMessage> {
        let mut found = Vec::new();
        read(text, |message| found.push(message));
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    fn to(text: &str) -> AnswerTo {
        match one(text) {
            Ok(Incoming::Answer(answer)) => answer.to,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn kinds_of_messages() {
        let answers = [
            (r#"{"jsonrpc":"2.0","id":7,"result":{}}"#, AnswerTo::Ours(7)),
            (
                r#"{"result":{},"id":"7","jsonrpc":"2.0"}"#,
                AnswerTo::Ours(7),
            ),
            (
                r#"{"jsonrpc":"2.0","id":7.0,"result":{}}"#,
                AnswerTo::Ours(7),
            ),
            (
                r#"{"jsonrpc":"2.0","id":"7.0","result":{}}"#,
                AnswerTo::Ours(7),
            ),
            (r#"{"jsonrpc":"2.0","id":7.5,"result":{}}"#, AnswerTo::Other),
            (r#"{"jsonrpc":"2.0","id":"x","result":{}}"#, AnswerTo::Other),
            (r#"{"jsonrpc":"2.0","id":-1,"result":{}}"#, AnswerTo::Other),
            (
                r#"{"jsonrpc":"2.0","id":null,"error":{}}"#,
                AnswerTo::Nobody,
            ),
            (r#"{"jsonrpc":"2.0","error":{"code":1}}"#, AnswerTo::Nobody),
        ];
        for (text, expected) in answers {
            assert_eq!(to(text), expected, "{text}");
        }
        assert!(matches!(
            one(r#"{"jsonrpc":"2.0","id":"q","method":"ping"}"#),
            Ok(Incoming::Request(Request { id, .. })) if id.get() == "\"q\""
        ));
        assert!(matches!(
            one(r#"{"jsonrpc":"2.0","id":null,"method":"x","params":{"a": 1}}"#),
            Ok(Incoming::Notification { params: Some(params), .. }) if params.get() == r#"{"a": 1}"#
        ));
    }

    #[test]
    fn outcomes() {
        let outcome = |text| match one(text) {
            Ok(Incoming::Answer(answer)) => answer.outcome,
            other => panic!("{text}: {other:?}"),
        };
        assert!(matches!(
            outcome(r#"{"jsonrpc":"2.0","id":1,"result":{"b": 1.0},"error":null}"#),
            Outcome::Result(text) if text.get() == r#"{"b": 1.0}"#
        ));
        assert!(matches!(
            outcome(r#"{"jsonrpc":"2.0","id":1,"result":null}"#),
            Outcome::Neither
        ));
        for (text, code, message) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":-5,"message":"no","data":[1]}}"#,
                -5,
                "no",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":"-5","message":{"a":1}}}"#,
                -5,
                r#"{"a":1}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":-5.0,"message":"\udc00"}}"#,
                -5,
                r#""\udc00""#,
            ),
            (r#"{"jsonrpc":"2.0","id":1,"error":"no"}"#, 0, "no"),
            (r#"{"jsonrpc":"2.0","id":1,"error":[1]}"#, 0, "[1]"),
            (r#"{"jsonrpc":"2.0","id":1,"error":{}}"#, 0, ""),
        ] {
            let Outcome::Error(error) = outcome(text) else {
                panic!("{text}")
            };
            assert_eq!((error.code, error.message.as_str()), (code, message));
        }
    }

    #[test]
    fn what_is_no_message() {
        for (text, why) in [
            ("hello", NoMessage::NotJson),
            ("{oops", NoMessage::NotJson),
            ("[1,", NoMessage::NotJson),
            ("42", NoMessage::NotJsonRpc),
            (r#"{"type":"connected"}"#, NoMessage::NotJsonRpc),
            (
                r#"{"jsonrpc":"1.0","id":1,"result":{}}"#,
                NoMessage::NotJsonRpc,
            ),
            (
                r#"{"jsonrpc":"2.0","id":[1],"result":{}}"#,
                NoMessage::NotJsonRpc,
            ),
            (r#"{"jsonrpc":"2.0"}"#, NoMessage::NotJsonRpc),
            (
                r#"{"jsonrpc":"2.0","id":1,"id":2,"result":{}}"#,
                NoMessage::NotJsonRpc,
            ),
        ] {
            assert_eq!(one(text).err(), Some(why), "{text}");
        }
        assert_eq!(text_of(b"\xEF\xBB\xBF {\xFF}\r\n"), "{\u{FFFD}}");
    }

    #[test]
    fn arrays_are_taken_apart() {
        let mut kinds = Vec::new();
        let text = r#"[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","method":"x"},3]"#;
        read(text, |message| kinds.push(message.is_ok()));
        assert_eq!(kinds, [true, true, false]);
    }

    #[test]
    fn deep_results_stay_text() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{deep}}}"#);
        assert_eq!(to(&text), AnswerTo::Ours(1));
    }
}
