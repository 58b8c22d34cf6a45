//! What servers are sent.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::error::{Code, Error, Result};

/// What every request carries since 2026-07-28, in place of a handshake (SEP-2575), and what one request adds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Meta<'a> {
    pub client: Option<&'a Map<String, Value>>,
    pub progress_token: Option<u64>,
}

impl Meta<'_> {
    const fn is_empty(&self) -> bool {
        self.client.is_none() && self.progress_token.is_none()
    }
}

/// `params` with the members of `meta` among those of its own `_meta`.
struct Params<'a> {
    params: Option<&'a Map<String, Value>>,
    meta: Meta<'a>,
}

impl Serialize for Params<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const META: &str = "_meta";
        struct Merged<'a>(Option<&'a Map<String, Value>>, Meta<'a>);
        impl Serialize for Merged<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let Self(own, meta) = self;
                let mut map = serializer.serialize_map(None)?;
                let client = meta.client.into_iter().flatten();
                for (name, value) in own.iter().copied().flatten() {
                    if meta.client.is_none_or(|client| !client.contains_key(name)) {
                        map.serialize_entry(name, value)?;
                    }
                }
                for (name, value) in client {
                    map.serialize_entry(name, value)?;
                }
                if let Some(token) = meta.progress_token {
                    map.serialize_entry("progressToken", &token)?;
                }
                map.end()
            }
        }
        let own = self.params.and_then(|params| params.get(META));
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.params.into_iter().flatten() {
            if name != META {
                map.serialize_entry(name, value)?;
            }
        }
        map.serialize_entry(META, &Merged(own.and_then(Value::as_object), self.meta))?;
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
pub fn request(id: u64, method: &str, params: Option<&Value>, meta: Meta<'_>) -> Result<Vec<u8>> {
    outgoing(Some(id), method, params, meta)
}

/// The text of a notification.
///
/// # Errors
/// As [`request`].
pub fn notification(method: &str, params: Option<&Value>, meta: Meta<'_>) -> Result<Vec<u8>> {
    outgoing(None, method, params, meta)
}

fn outgoing(
    id: Option<u64>,
    method: &str,
    params: Option<&Value>,
    meta: Meta<'_>,
) -> Result<Vec<u8>> {
    let jsonrpc = VERSION;
    if meta.is_empty() {
        return written(&Outgoing {
            jsonrpc,
            id,
            method,
            params,
        });
    }
    let params = params.and_then(Value::as_object);
    written(&Outgoing {
        jsonrpc,
        id,
        method,
        params: Some(Params { params, meta }),
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
        let params = json!({ "name": "t", "_meta": { "own": 0, "mine": 3 } });
        let meta = Meta {
            client: Some(&client),
            progress_token: Some(9),
        };
        let text = request(9, "tools/call", Some(&params), meta).unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&text).unwrap(),
            json!({
                "jsonrpc": "2.0", "id": 9, "method": "tools/call",
                "params": { "name": "t", "_meta": { "mine": 3, "v": 1, "own": 2, "progressToken": 9 } },
            })
        );
        let bare = notification("notifications/initialized", None, Meta::default()).unwrap();
        assert_eq!(
            bare,
            br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#
        );
    }
}
