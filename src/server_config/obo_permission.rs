//! Who may configure on-behalf-of: a config with `obo` makes tokens of whoever uses it (`LibreChat`'s
//! `api/server/controllers/mcp.js` and `packages/api/src/app/permissions.ts`).

use serde_json::{Map, Value};

use super::grant::Grant;

/// Members that change nothing about where tokens go. Every other one is locked, those that nobody knows yet included.
const EDITABLE: [&str; 3] = ["title", "description", "iconPath"];

/// Members that the host keeps with a stored config, or that an operator alone may set. Forms do not send them back, so
/// their absence is no change.
const MANAGED: [&str; 30] = [
    "_id",
    "author",
    "capabilities",
    "chatMenu",
    "consumeOnly",
    "createdAt",
    "customUserVars",
    "dbId",
    "elicitation",
    "extensions",
    "initDuration",
    "initTimeout",
    "inspectionFailed",
    "oauthMetadata",
    "oauthPersistenceWaitTimeout",
    "oauthRefreshCoordination",
    "oauthRefreshWaitTimeout",
    "oauth_headers",
    "requiresOAuth",
    "resolvedInstructions",
    "serverInstructions",
    "shared",
    "source",
    "sseReadTimeout",
    "startup",
    "timeout",
    "tls",
    "toolFunctions",
    "tools",
    "updatedAt",
];

/// The members because of which a config may not be stored by somebody without the permission; none, if it may.
///
/// Whoever has the permission may store anything. Without it, `obo` can neither come in nor go out, and a config that
/// has it keeps all that could lead its tokens elsewhere. Absent and changed are both changes.
#[must_use]
pub fn locked_obo_fields(
    existing: Option<&Map<String, Value>>,
    incoming: &Map<String, Value>,
    can_configure_obo: bool,
) -> Vec<String> {
    let has_obo = |config: &Map<String, Value>| config.get("obo").is_some_and(|obo| !obo.is_null());
    let is_enterprise = |config: &Map<String, Value>| {
        let oauth = config.get("oauth").and_then(Value::as_object);
        oauth.and_then(Grant::of) == Some(Grant::Enterprise)
    };
    if can_configure_obo {
        return Vec::new();
    }
    match existing {
        Some(existing) if has_obo(existing) || is_enterprise(existing) => {
            let added = incoming.keys().filter(|name| !existing.contains_key(*name));
            let names = existing.keys().chain(added);
            names
                .filter(|name| !EDITABLE.contains(&name.as_str()))
                .filter(|name| {
                    let is_left_out = !incoming.contains_key(*name);
                    !(is_left_out && MANAGED.contains(&name.as_str()))
                        && existing.get(*name) != incoming.get(*name)
                })
                .cloned()
                .collect()
        }
        _ if has_obo(incoming) => vec!["obo".to_owned()],
        _ if is_enterprise(incoming) => vec!["oauth".to_owned()],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn locked(existing: &Value, incoming: &Value, can_configure_obo: bool) -> Vec<String> {
        let incoming = incoming.as_object().expect("an object");
        locked_obo_fields(existing.as_object(), incoming, can_configure_obo)
    }

    #[test]
    fn locked_fields() {
        let plain = json!({ "type": "sse", "url": "https://a", "title": "A" });
        let obo = json!({ "type": "sse", "url": "https://a", "title": "A", "obo": { "scopes": "s" }, "dbId": "1" });
        let with = |name: &str, value: Value| {
            let mut changed = obo.clone();
            changed[name] = value;
            changed
        };
        let without = |name: &str| {
            let mut changed = obo.clone();
            changed.as_object_mut().expect("an object").remove(name);
            changed
        };
        let enterprise = json!({ "type": "sse", "url": "https://a", "title": "A", "oauth": { "grant": "enterprise" } });
        let mut elsewhere = enterprise.clone();
        elsewhere["url"] = json!("https://attacker");
        for (existing, incoming, expected) in [
            (&Value::Null, plain.clone(), &[][..]),
            (&Value::Null, obo.clone(), &["obo"]),
            (&plain, obo.clone(), &["obo"]),
            (&plain, with("obo", Value::Null), &[]),
            (&obo, obo.clone(), &[]),
            (&obo, with("title", json!("B")), &[]),
            (&obo, with("description", json!("B")), &[]),
            (&obo, without("title"), &[]),
            (&obo, without("dbId"), &[]),
            (&obo, with("url", json!("https://attacker")), &["url"]),
            (&obo, with("obo", json!({ "scopes": "t" })), &["obo"]),
            (&obo, without("obo"), &["obo"]),
            (&obo, with("proxy", json!("http://attacker")), &["proxy"]),
            (&obo, with("headers", json!({ "A": "b" })), &["headers"]),
            (&obo, with("requestHeaders", json!({})), &["requestHeaders"]),
            (&obo, with("oauth", json!({})), &["oauth"]),
            (&obo, with("apiKey", json!({})), &["apiKey"]),
            (&obo, json!({ "title": "A" }), &["type", "url", "obo"]),
            (
                &obo,
                with("routeTo", json!("https://attacker")),
                &["routeTo"],
            ),
            (&obo, with("timeout", json!(1)), &["timeout"]),
            (&obo, with("dbId", json!("2")), &["dbId"]),
            (&Value::Null, enterprise.clone(), &["oauth"]),
            (&plain, enterprise.clone(), &["oauth"]),
            (&enterprise, enterprise.clone(), &[]),
            (&enterprise, elsewhere.clone(), &["url"]),
            (&enterprise, plain.clone(), &["oauth"]),
        ] {
            assert_eq!(locked(existing, &incoming, false), expected, "{incoming}");
            assert!(locked(existing, &incoming, true).is_empty());
        }
    }
}
