//! What servers are sent.

use std::borrow::Cow;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::error::{Code, Error, Result};
use crate::host::TraceContext;
use crate::nesting::{self, MAX_NESTING};

const META: &str = "_meta";
/// Ours alone, made of the request's id: whoever could give another would be told of as another's request.
const PROGRESS_TOKEN: &str = "progressToken";
const NAME: &str = "name";
const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
const ARGUMENTS: &str = "arguments";

/// What every request carries since 2026-07-28, in place of a handshake (SEP-2575), and what one request adds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Meta<'a> {
    pub client: Option<&'a Map<String, Value>>,
    pub progress_token: Option<u64>,
    /// What a server of 2026-07-28 may log during the request, unless the parameters say so themselves.
    pub log_level: Option<&'a str>,
    /// Where the call belongs in the host's traces, unless the parameters say so themselves (SEP-414).
    pub trace: Option<&'a TraceContext>,
}

impl Meta<'_> {
    const fn is_empty(&self) -> bool {
        self.client.is_none()
            && self.progress_token.is_none()
            && self.log_level.is_none()
            && self.trace.is_none()
    }
}

/// The parameters of a request.
#[derive(Debug, Clone, Copy)]
pub enum Params<'a> {
    None,
    Members(&'a Map<String, Value>),
    /// Of `tools/call`. The arguments are sent as they were written.
    Tool {
        name: &'a str,
        arguments: Option<&'a RawValue>,
    },
}

impl<'a> From<Option<&'a Value>> for Params<'a> {
    fn from(params: Option<&'a Value>) -> Self {
        params
            .and_then(Value::as_object)
            .map_or(Self::None, Self::Members)
    }
}

impl<'a> Params<'a> {
    /// The tool that a request of this method calls.
    #[must_use]
    pub fn tool_name(self, method: &str) -> Option<&'a str> {
        match self {
            Self::Tool { name, .. } => Some(name),
            Self::Members(members) if method == "tools/call" => members.get(NAME)?.as_str(),
            _ => None,
        }
    }

    /// All members, for whoever reads or changes them.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`] for arguments with numbers that no value can hold.
    pub fn members(self) -> Result<Cow<'a, Map<String, Value>>> {
        let (name, arguments) = match self {
            Self::None => return Ok(Cow::default()),
            Self::Members(members) => return Ok(Cow::Borrowed(members)),
            Self::Tool { name, arguments } => (name, arguments),
        };
        let mut members = Map::from_iter([(NAME.to_owned(), Value::from(name))]);
        if let Some(arguments) = arguments {
            let read = nesting::parse(arguments.get(), MAX_NESTING).map_err(|error| {
                let message = format!("The arguments of the tool cannot be sent: {error}");
                Error::new(Code::InvalidArgument, message)
            })?;
            members.insert(ARGUMENTS.to_owned(), read);
        }
        Ok(Cow::Owned(members))
    }
}

/// `params` with the members of `meta` among those of its own `_meta`.
struct Written<'a>(Params<'a>, Meta<'a>);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Merged<'a>(Option<&'a Map<String, Value>>, Meta<'a>);
        impl Serialize for Merged<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let Self(own, meta) = self;
                let mut map = serializer.serialize_map(None)?;
                let client = meta.client.into_iter().flatten();
                for (name, value) in own.iter().copied().flatten() {
                    let is_ours = meta.client.is_some_and(|client| client.contains_key(name));
                    if !is_ours && name != PROGRESS_TOKEN {
                        map.serialize_entry(name, value)?;
                    }
                }
                for (name, value) in client {
                    map.serialize_entry(name, value)?;
                }
                let log_level = meta.log_level.map(|level| (LOG_LEVEL, level));
                let trace = meta.trace.into_iter().flat_map(TraceContext::members);
                for (name, value) in log_level.into_iter().chain(trace) {
                    if own.is_none_or(|own| !own.contains_key(name)) {
                        map.serialize_entry(name, value)?;
                    }
                }
                if let Some(token) = meta.progress_token {
                    map.serialize_entry(PROGRESS_TOKEN, &token)?;
                }
                map.end()
            }
        }
        let Self(params, meta) = *self;
        let mut own = None;
        let mut map = serializer.serialize_map(None)?;
        match params {
            Params::None => {}
            Params::Members(members) => {
                own = members.get(META).and_then(Value::as_object);
                for (name, value) in members {
                    if name != META || meta.is_empty() && own.is_none() {
                        map.serialize_entry(name, value)?;
                    }
                }
            }
            Params::Tool { name, arguments } => {
                map.serialize_entry(NAME, name)?;
                if let Some(arguments) = arguments {
                    map.serialize_entry(ARGUMENTS, arguments)?;
                }
            }
        }
        if !meta.is_empty() || own.is_some() {
            map.serialize_entry(META, &Merged(own, meta))?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Outgoing<'a, P, R> {
    jsonrpc: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<R>,
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<P>,
}

const VERSION: &str = "2.0";

/// The text of a request.
///
/// # Errors
/// [`Code::Internal`] for parameters that cannot be written.
pub fn request(id: u64, method: &str, params: Params<'_>, meta: Meta<'_>) -> Result<Vec<u8>> {
    outgoing(Some(id), method, params, meta)
}

/// The text of a notification.
///
/// # Errors
/// As [`request`].
pub fn notification(method: &str, params: Params<'_>) -> Result<Vec<u8>> {
    outgoing(None, method, params, Meta::default())
}

fn outgoing(id: Option<u64>, method: &str, params: Params<'_>, meta: Meta<'_>) -> Result<Vec<u8>> {
    let is_empty = matches!(params, Params::None) && meta.is_empty();
    written(&Outgoing {
        jsonrpc: VERSION,
        id,
        method,
        params: (!is_empty).then_some(Written(params, meta)),
    })
}

/// The text of an answer to a request of the server.
///
/// # Errors
/// As [`request`].
pub fn answer<R: Serialize, E: Serialize>(id: &RawValue, outcome: Result<R, E>) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Answer<'a, R, E> {
        jsonrpc: &'a str,
        id: &'a RawValue,
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<R>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<E>,
    }
    let (result, error) = match outcome {
        Ok(result) => (Some(result), None),
        Err(error) => (None, Some(error)),
    };
    written(&Answer {
        jsonrpc: VERSION,
        id,
        result,
        error,
    })
}

fn written(message: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(message)
        .map_err(|error| Error::new(Code::Internal, format!("Cannot write the message: {error}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_is_merged() {
        let Value::Object(client) = json!({ "v": 1, "own": 2 }) else {
            unreachable!()
        };
        let params = json!({ "name": "t", "_meta": { "own": 0, "mine": 3, "baggage": "a=1" } });
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let baggage = Some("a=2".to_owned());
        let trace = TraceContext::of(Some(parent.to_owned()), None, baggage, false);
        let meta = Meta {
            client: Some(&client),
            progress_token: Some(9),
            log_level: Some("info"),
            trace: trace.as_ref(),
        };
        let text = request(9, "tools/call", Some(&params).into(), meta).unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&text).unwrap(),
            json!({
                "jsonrpc": "2.0", "id": 9, "method": "tools/call",
                "params": { "name": "t", "_meta": {
                    "mine": 3, "baggage": "a=1", "v": 1, "own": 2,
                    "io.modelcontextprotocol/logLevel": "info", "traceparent": parent, "progressToken": 9,
                } },
            })
        );
        let arguments = RawValue::from_string(r#"{"a":1e21, "b": 0.10}"#.to_owned()).unwrap();
        let tool = Params::Tool {
            name: "t",
            arguments: Some(&arguments),
        };
        assert_eq!(
            json!(tool.members().unwrap()),
            json!({ "name": "t", "arguments": { "a": 1e21, "b": 0.1 } })
        );
        let endless = RawValue::from_string(r#"{"a":1e999}"#.to_owned()).unwrap();
        let endless = Params::Tool {
            name: "t",
            arguments: Some(&endless),
        };
        let error = endless.members().unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument);
        let meta = Meta {
            progress_token: Some(9),
            ..Meta::default()
        };
        let text = String::from_utf8(request(9, "tools/call", tool, meta).unwrap()).unwrap();
        assert!(
            text.ends_with(
                r#""params":{"name":"t","arguments":{"a":1e21, "b": 0.10},"_meta":{"progressToken":9}}}"#
            ),
            "{text}"
        );
        let named = json!({ "name": "t", "_meta": { "progressToken": 8, "mine": 3 } });
        for (meta, expected) in [
            (meta, r#"{"mine":3,"progressToken":9}"#),
            (Meta::default(), r#"{"mine":3}"#),
        ] {
            let text = request(9, "tools/call", Some(&named).into(), meta).unwrap();
            let text = String::from_utf8(text).unwrap();
            let expected = format!(r#""params":{{"name":"t","_meta":{expected}}}}}"#);
            assert!(
                text.ends_with(&expected),
                "nobody names another's request: {text}"
            );
        }
        let bare = notification("notifications/initialized", Params::None).unwrap();
        assert_eq!(
            bare,
            br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#
        );
    }
}
