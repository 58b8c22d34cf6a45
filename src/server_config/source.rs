//! Who made a config, before it is read.

use serde_json::{Map, Value};

use super::text::is_truthy;

/// [`ServerConfig::is_user_sourced`](super::ServerConfig::is_user_sourced) before the config is read.
pub(super) fn is_user_sourced(members: &Map<String, Value>) -> bool {
    match members.get("source") {
        Some(source) if !source.is_null() => source == "user",
        _ => members.get("dbId").is_some_and(is_truthy),
    }
}

/// `ServerConfig::is_plugin_sourced` before the config is read.
#[must_use]
pub fn is_plugin_sourced(members: &Map<String, Value>) -> bool {
    members
        .get("source")
        .is_some_and(|source| source == "plugin")
}
