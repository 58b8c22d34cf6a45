//! Which environment variables a config names, before it is read.

use serde_json::{Map, Value};

use super::source::{is_plugin_sourced, is_user_sourced};
use super::{api_key, environment};

/// Environment variables that a config names in texts that are expanded, each once, for the host to copy exactly
/// these. `LibreChat`'s own secrets are not among them, and a config of a user or a plugin has none.
#[must_use]
pub fn env_references(members: &Map<String, Value>) -> Vec<String> {
    if is_user_sourced(members) || is_plugin_sourced(members) {
        return Vec::new();
    }
    let mut names = Vec::new();
    let mut collect = |value: &Value| collect(value, &mut names);
    for member in [
        "url",
        "proxy",
        "args",
        "env",
        "headers",
        "requestHeaders",
        "oauth",
        "oauth_headers",
        "tls",
    ] {
        match members.get(member) {
            Some(Value::Object(entries)) => entries.values().for_each(&mut collect),
            Some(Value::Array(items)) => items.iter().for_each(&mut collect),
            Some(value) => collect(value),
            None => {}
        }
    }
    if let Some((_, value)) = api_key::header(members) {
        collect(&Value::String(value));
    }
    names
}

/// Of a text, and of those of an object within `oauth`; lists are not expanded.
fn collect(value: &Value, names: &mut Vec<String>) {
    for name in value.as_str().into_iter().flat_map(environment::names) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    for value in value.as_object().into_iter().flat_map(Map::values) {
        collect(value, names);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::members;
    use super::*;

    #[test]
    fn referenced_variables() {
        let config = json!({
            "url": "https://${HOST}/${PATH_A}/",
            "proxy": "${PROXY_URL}",
            "args": ["--key=${KEY}", 5, "${HOST}"],
            "env": { "A": "x${KEY}y", "B": "${CREDS_KEY}" },
            "headers": { "X": "Bearer ${TOKEN}" },
            "requestHeaders": { "Y": "${CALL_KEY}" },
            "oauth": {
                "client_secret": "${CLIENT_SECRET}",
                "list": ["${NOT_EXPANDED}"],
                "identity_provider": { "private_key_jwt": { "key": "${PROVIDER_KEY}" } },
            },
            "oauth_headers": { "X": "${GATEWAY_KEY}" },
            "tls": { "key": "${CLIENT_KEY}" },
            "apiKey": { "source": "admin", "authorization_type": "bearer", "key": "${API_KEY}" },
            "command": "${NOT_EXPANDED}",
            "description": "${NOT_EXPANDED}",
        });
        assert_eq!(
            env_references(&members(config.clone())),
            [
                "HOST",
                "PATH_A",
                "PROXY_URL",
                "KEY",
                "TOKEN",
                "CALL_KEY",
                "CLIENT_SECRET",
                "PROVIDER_KEY",
                "GATEWAY_KEY",
                "CLIENT_KEY",
                "API_KEY"
            ]
        );
        let mut sandboxed = config;
        sandboxed["source"] = json!("user");
        assert!(env_references(&members(sandboxed)).is_empty());
    }
}
