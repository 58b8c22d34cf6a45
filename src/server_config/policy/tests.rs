use serde_json::json;

use super::super::source::is_user_sourced;
use super::super::testing::{config, members, texts};
use crate::environment::Environment;

#[test]
fn oauth() {
    for (members, is_oauth, machinery) in [
        (json!({}), false, false),
        (json!({ "requiresOAuth": true }), true, true),
        (json!({ "requiresOAuth": false, "oauth": {} }), false, false),
        (json!({ "oauth": {} }), true, true),
        (json!({ "obo": { "scopes": "s" } }), false, true),
        (
            json!({ "requiresOAuth": false, "obo": { "scopes": "s" } }),
            false,
            true,
        ),
    ] {
        let config = config(members.clone());
        assert_eq!(config.is_oauth_server(), is_oauth, "{members}");
        assert_eq!(config.requires_oauth_machinery(), machinery, "{members}");
    }
}

#[test]
fn user_sourced() {
    for (members, expected) in [
        (json!({}), false),
        (json!({ "dbId": "1" }), true),
        (json!({ "dbId": "" }), false),
        (json!({ "dbId": null }), false),
        (json!({ "source": "user" }), true),
        (json!({ "source": "yaml", "dbId": "1" }), false),
        (json!({ "source": "config" }), false),
    ] {
        assert_eq!(config(members.clone()).is_user_sourced(), expected);
        assert_eq!(is_user_sourced(&self::members(members)), expected);
    }
}

#[test]
fn user_scoped() {
    for (members, expected) in [
        (json!({}), false),
        (json!({ "oauth": {} }), false),
        (json!({ "requiresOAuth": true }), true),
        (json!({ "obo": { "scopes": "s" } }), true),
        (json!({ "customUserVars": {} }), false),
        (json!({ "customUserVars": { "A": {} } }), true),
        (json!({ "headers": { "X": "{{LIBRECHAT_USER_ID}}" } }), true),
        (
            json!({ "url": "http://x/{{LIBRECHAT_OPENID_USER_ID}}" }),
            true,
        ),
        (
            json!({ "env": { "X": "{{LIBRECHAT_BODY_MESSAGEID}}" } }),
            true,
        ),
        (
            json!({ "args": ["{{LIBRECHAT_GRAPH_ACCESS_TOKEN}}"] }),
            true,
        ),
        (
            json!({ "oauth": { "client_id": "{{LIBRECHAT_USER_EMAIL}}" } }),
            true,
        ),
        (
            json!({ "apiKey": { "source": "admin", "key": "{{LIBRECHAT_USER_ID}}" } }),
            true,
        ),
        (
            json!({ "headers": { "X": "{{LIBRECHAT_USER_}} {{OTHER}} ${A}" } }),
            false,
        ),
        (json!({ "proxy": "{{LIBRECHAT_USER_ID}}" }), false),
        (
            json!({ "source": "user", "headers": { "X": "{{LIBRECHAT_USER_ID}}" } }),
            false,
        ),
        (
            json!({ "source": "plugin", "headers": { "X": "{{LIBRECHAT_USER_ID}}" } }),
            false,
        ),
        (
            json!({ "source": "plugin", "customUserVars": { "A": {} } }),
            true,
        ),
        (
            json!({ "url": "http://x/{{LIBRECHAT_BODY_TENANT}}/{{LIBRECHAT_BODY_messageId}}" }),
            false,
        ),
        (
            json!({ "oauth_headers": { "X": "{{LIBRECHAT_OPENID_TOKEN}}" } }),
            true,
        ),
        (
            json!({ "oauth": { "grant_types_supported": [["{{LIBRECHAT_BODY_MESSAGEID}}"]] } }),
            true,
        ),
    ] {
        let config = config(members.clone());
        assert_eq!(
            config.requires_user_scoped_connection(),
            expected,
            "{members}"
        );
        let is_shared = !expected && !config.is_user_sourced();
        assert_eq!(config.allows_app_connection(), is_shared, "{members}");
    }
    for members in [
        json!({ "inspectionFailed": true }),
        json!({ "startup": false }),
    ] {
        assert!(!config(members).allows_app_connection());
    }
}

#[test]
fn missing_variables() {
    let one = config(json!({ "customUserVars": { "A_KEY": {} } }));
    let two = config(json!({ "customUserVars": { "B": {}, "A": {} } }));
    assert_eq!(one.missing_custom_user_vars(None), ["A_KEY"]);
    for blank in ["", " \t\n ", "\u{feff}\u{a0}"] {
        let provided = texts([("A_KEY", blank)]);
        assert_eq!(one.missing_custom_user_vars(Some(&provided)), ["A_KEY"]);
    }
    assert_eq!(two.missing_custom_user_vars(Some(&texts([]))), ["B", "A"]);
    assert_eq!(
        two.missing_custom_user_vars(Some(&texts([("B", "b")]))),
        ["A"]
    );
    let all = texts([("A", "a"), ("B", " b "), ("EXTRA", "z")]);
    assert!(two.missing_custom_user_vars(Some(&all)).is_empty());
    assert!(config(json!({})).missing_custom_user_vars(None).is_empty());
}

#[test]
fn chat_request_fields() {
    let members = json!({
        "headers": { "X": "{{LIBRECHAT_BODY_MESSAGEID}}{{LIBRECHAT_BODY_MESSAGEID}}" },
        "url": "http://x/{{LIBRECHAT_BODY_CONVERSATIONID}}/{{LIBRECHAT_BODY_OTHER}}",
    });
    assert_eq!(
        config(members.clone()).body_placeholders(),
        ["conversationId", "messageId"]
    );
    let mut sandboxed = members;
    sandboxed["source"] = json!("user");
    assert!(config(sandboxed).body_placeholders().is_empty());
}

#[test]
fn headers_of_calls() {
    let environment = Environment::from([("TOKEN", "{{LIBRECHAT_OPENID_ID_TOKEN}}")]);
    for (expected, members) in [
        (false, json!({})),
        (
            false,
            json!({ "headers": { "A": "${VAR} {{LIBRECHAT_USER_ID}}" } }),
        ),
        (
            false,
            json!({ "customUserVars": { "KEY": {} }, "headers": { "A": "{{KEY}}" } }),
        ),
        (
            true,
            json!({ "headers": { "A": "{{LIBRECHAT_BODY_MESSAGEID}}" } }),
        ),
        (
            true,
            json!({ "headers": { "A": "b", "B": "Bearer {{LIBRECHAT_OPENID_ID_TOKEN}}" } }),
        ),
        (
            true,
            json!({ "headers": { "A": "{{LIBRECHAT_GRAPH_ACCESS_TOKEN}}" } }),
        ),
        (
            false,
            json!({ "source": "user", "headers": { "A": "{{LIBRECHAT_BODY_MESSAGEID}}" } }),
        ),
        (
            false,
            json!({ "url": "http://x/{{LIBRECHAT_BODY_MESSAGEID}}" }),
        ),
        (true, json!({ "headers": { "A": "${TOKEN}" } })),
        (
            false,
            json!({ "source": "user", "headers": { "A": "${TOKEN}" } }),
        ),
    ] {
        let found = config(members.clone()).has_headers_of_calls(&environment);
        assert_eq!(found, expected, "{members}");
    }
}

#[test]
fn graph_token() {
    let placeholder = "{{LIBRECHAT_GRAPH_ACCESS_TOKEN}}";
    for (members, expected) in [
        (json!({ "url": format!("http://x/?t={placeholder}") }), true),
        (
            json!({ "headers": { "A": format!("Bearer {placeholder}") } }),
            true,
        ),
        (json!({ "env": { "T": placeholder } }), true),
        (json!({ "args": [placeholder] }), false),
        (
            json!({ "env": { "T": placeholder }, "source": "user" }),
            false,
        ),
        (json!({}), false),
    ] {
        assert_eq!(
            config(members.clone()).uses_graph_token(),
            expected,
            "{members}"
        );
    }
}
