//! An API key that the administrator set becomes a header.

use serde_json::{Map, Value};

use super::source::is_plugin_sourced;
use super::text::is_truthy;

/// Puts the administrator's key among the headers, over a header of the same spelling. A user's key is a placeholder
/// in `headers` already and needs nothing.
pub(super) fn apply(members: &mut Map<String, Value>) {
    let Some((name, value)) = header(members) else {
        return;
    };
    let headers = members.entry("headers").or_insert(Value::Null);
    if !is_truthy(headers) {
        *headers = Value::Object(Map::new());
    }
    if let Value::Object(headers) = headers {
        headers.insert(name, Value::String(value));
    }
}

/// The header that an administrator's key stands for. A plugin's config is taken as it is.
pub(super) fn header(members: &Map<String, Value>) -> Option<(String, String)> {
    if is_plugin_sourced(members) {
        return None;
    }
    let api_key = members.get("apiKey")?.as_object()?;
    let member = |name| {
        api_key
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    if member("source") != Some("admin") {
        return None;
    }
    let key = member("key")?;
    let (name, value) = match member("authorization_type") {
        Some("custom") => (
            member("custom_header").unwrap_or("X-Api-Key"),
            key.to_owned(),
        ),
        Some("basic") => ("Authorization", format!("Basic {key}")),
        Some("bearer") => ("Authorization", format!("Bearer {key}")),
        _ => ("Authorization", key.to_owned()),
    };
    Some((name.to_owned(), value))
}
