//! Configs as the API may show them.

use serde_json::{Map, Value};

use super::text::is_truthy;

/// An allowlist, in the order of the reference: a new member stays hidden until somebody decides otherwise.
pub const SHOWN: [&str; 18] = [
    "type",
    "url",
    "title",
    "description",
    "iconPath",
    "chatMenu",
    "requiresOAuth",
    "capabilities",
    "tools",
    "toolFunctions",
    "initDuration",
    "updatedAt",
    "dbId",
    "source",
    "consumeOnly",
    "inspectionFailed",
    "customUserVars",
    "serverInstructions",
];

/// Removes what a user of the API must not see: headers, environment, keys, the client secret, and every member that
/// is not known to be harmless.
#[must_use]
pub fn redact_server_secrets(mut members: Map<String, Value>) -> Map<String, Value> {
    let mut safe: Map<String, Value> = SHOWN
        .into_iter()
        .filter_map(|name| members.swap_remove_entry(name))
        .collect();
    let mut truthy = |name| members.swap_remove(name).filter(is_truthy);

    if let Some(api_key) = truthy("apiKey") {
        let shown = |name: &str| Some((name.to_owned(), api_key.get(name)?.clone()));
        let header = shown("custom_header").filter(|(_, value)| is_truthy(value));
        let members = [shown("source"), shown("authorization_type"), header];
        let members = members.into_iter().flatten().collect();
        safe.insert("apiKey".to_owned(), Value::Object(members));
    }
    if let Some(oauth) = truthy("oauth") {
        let mut oauth = match oauth {
            Value::Object(oauth) => oauth,
            _ => Map::new(),
        };
        oauth.shift_remove("client_secret");
        safe.insert("oauth".to_owned(), Value::Object(oauth));
    }
    if let Some(obo) = truthy("obo") {
        safe.insert("obo".to_owned(), obo);
    }
    safe
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn redacted(config: Value) -> String {
        let Value::Object(members) = config else {
            panic!("a config is an object")
        };
        Value::Object(redact_server_secrets(members)).to_string()
    }

    #[test]
    fn only_what_is_listed() {
        let config = json!({
            "headers": { "Authorization": "s3cret" },
            "env": { "KEY": "s3cret" },
            "args": ["s3cret"],
            "oauth_headers": { "X": "s3cret" },
            "proxy": "http://u:s3cret@proxy",
            "oauthMetadata": {},
            "invented": "s3cret",
            "apiKey": { "source": "admin", "authorization_type": "custom", "key": "s3cret", "custom_header": "X-K" },
            "oauth": { "client_id": "id", "client_secret": "s3cret", "scope": "a" },
            "obo": { "scopes": "api://x" },
            "title": "T",
            "url": "https://example.com/?a=b",
            "type": "sse",
            "startup": false,
            "requiresOAuth": null,
            "tools": "a, b",
        });
        assert_eq!(
            redacted(config),
            json!({
                "type": "sse",
                "url": "https://example.com/?a=b",
                "title": "T",
                "requiresOAuth": null,
                "tools": "a, b",
                "apiKey": { "source": "admin", "authorization_type": "custom", "custom_header": "X-K" },
                "oauth": { "client_id": "id", "scope": "a" },
                "obo": { "scopes": "api://x" },
            })
            .to_string()
        );
    }

    #[test]
    fn odd_shapes_show_nothing() {
        assert_eq!(
            redacted(json!({ "apiKey": "s3cret", "oauth": "s3cret", "obo": null })),
            r#"{"apiKey":{},"oauth":{}}"#
        );
    }
}
