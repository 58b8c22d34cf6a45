//! What the protocol wants with each message since 2026-07-28: who the client is, in `_meta` (SEP-2575), and what a
//! message is about, as HTTP headers (SEP-2243).

use std::sync::OnceLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderName, HeaderValue};
use rmcp::model::TASKS_EXTENSION_ID;
use serde_json::{Map, Value, json};

use super::client::Client;
use super::generation::DISCOVERED;
use super::param_headers::Annotations;
use crate::transport::HttpSession;

const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
const PARAM: &str = "mcp-param-";

const ENCODED_PREFIX: &str = "=?base64?";
const ENCODED_SUFFIX: &str = "?=";

/// The members of `_meta`, made when a server first gets them.
#[derive(Default)]
pub(super) struct ClientMeta(OnceLock<Box<Map<String, Value>>>);

impl ClientMeta {
    pub fn members(&self, client: &Client) -> &Map<String, Value> {
        self.0.get_or_init(|| Box::new(Self::describe(client)))
    }

    fn describe(client: &Client) -> Map<String, Value> {
        let mut described = client.describe();
        let extensions = described.capabilities.extensions.get_or_insert_default();
        extensions.insert(TASKS_EXTENSION_ID.to_owned(), Map::new());
        let described = serde_json::to_value(described).unwrap_or_default();
        let member = |name: &str| described.get(name).cloned().unwrap_or_else(|| json!({}));
        let members = [
            ("protocolVersion", json!(DISCOVERED.as_str())),
            ("clientInfo", member("clientInfo")),
            ("clientCapabilities", member("capabilities")),
        ];
        let named = members.map(|(name, value)| (format!("io.modelcontextprotocol/{name}"), value));
        named.into_iter().collect()
    }
}

/// The version that was agreed on, for wires that are no HTTP sessions of their own.
pub(super) fn version_header(http: &HttpSession) -> Option<(HeaderName, HeaderValue)> {
    Some((VERSION, http.version.clone()?))
}

/// The headers of a message; `annotations` are those of the tool that is called.
pub(super) fn standard_headers(
    method: &str,
    params: Option<&Map<String, Value>>,
    annotations: Option<&Annotations>,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    let mut push = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.push((name, value));
        }
    };
    push(METHOD, method);
    let member = |name: &str| params?.get(name)?.as_str();
    let name = match method {
        "tools/call" | "prompts/get" => member("name"),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => member("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => member("taskId"),
        _ => None,
    };
    if let Some(name) = name {
        push(NAME, &encoded(name));
    }
    let arguments = params.and_then(|params| params.get("arguments"));
    for (path, header) in annotations.into_iter().flatten() {
        let argument = path
            .iter()
            .try_fold(arguments, |value, key| Some(value?.get(key)));
        let text = match argument.flatten() {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Bool(flag)) => flag.to_string(),
            Some(Value::Number(number)) => number.to_string(),
            _ => continue,
        };
        if let Ok(name) = HeaderName::from_bytes(format!("{PARAM}{header}").as_bytes()) {
            push(name, &encoded(&text));
        }
    }
    headers
}

/// A text as a header carries it: in Base64 where it would be changed on the way, or taken for such a one.
fn encoded(text: &str) -> String {
    let is_printable = text.bytes().all(|byte| (0x20..=0x7E).contains(&byte));
    let is_padded = text.starts_with(' ') || text.ends_with(' ');
    let looks_coded = text.starts_with(ENCODED_PREFIX) && text.ends_with(ENCODED_SUFFIX);
    if is_printable && !is_padded && !looks_coded {
        return text.to_owned();
    }
    let coded = BASE64_STANDARD.encode(text);
    format!("{ENCODED_PREFIX}{coded}{ENCODED_SUFFIX}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(headers: &[(HeaderName, HeaderValue)]) -> Vec<String> {
        let line = |(name, value): &(HeaderName, HeaderValue)| {
            format!("{name}: {}", value.to_str().unwrap())
        };
        headers.iter().map(line).collect()
    }

    #[test]
    fn what_a_message_is_about() {
        let call =
            json!({ "name": "t", "arguments": { "region": "eu", "deep": { "n": 3 }, "no": null } });
        let annotations: Annotations = vec![
            (vec!["region".to_owned()], "Region".to_owned()),
            (vec!["deep".to_owned(), "n".to_owned()], "N".to_owned()),
            (vec!["no".to_owned()], "No".to_owned()),
            (vec!["absent".to_owned()], "Absent".to_owned()),
        ];
        assert_eq!(
            shown(&standard_headers(
                "tools/call",
                call.as_object(),
                Some(&annotations)
            )),
            [
                "mcp-method: tools/call",
                "mcp-name: t",
                "mcp-param-region: eu",
                "mcp-param-n: 3"
            ]
        );
        let read = json!({ "uri": "file:///a" });
        assert_eq!(
            shown(&standard_headers("resources/read", read.as_object(), None)),
            ["mcp-method: resources/read", "mcp-name: file:///a"]
        );
        assert_eq!(
            shown(&standard_headers("tools/list", None, None)),
            ["mcp-method: tools/list"]
        );
    }

    #[test]
    fn texts_that_headers_would_change_are_coded() {
        for (text, coded) in [
            ("plain text", "plain text"),
            ("", ""),
            (" x", "=?base64?IHg=?="),
            ("grün", "=?base64?Z3LDvG4=?="),
            ("a\nb", "=?base64?YQpi?="),
            ("=?base64?eA==?=", "=?base64?PT9iYXNlNjQ/ZUE9PT89?="),
        ] {
            assert_eq!(encoded(text), coded);
        }
    }
}
