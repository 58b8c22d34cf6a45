//! `LibreChat`'s `processMCPEnv`: a whole config in, the same config with its texts expanded out.

use serde_json::{Map, Value};

use super::api_key;
use super::grant::Grant;
use super::placeholders::{Context, Depth, Expander, Place, Trust, Variables};
use super::source::{is_plugin_sourced, is_user_sourced};
use super::text::{is_truthy, js_string};

/// Expands `env`, `args`, `headers`, `oauth_headers`, `url`, `proxy` and the texts of `oauth` and `tls`, and turns an
/// administrator's `apiKey` into a header; every other member is kept. Values that are no text become one, as in the
/// reference.
///
/// `db_sourced` says that a user made the config, so that only the user's own variables are expanded. Without it a
/// config with a `dbId` or the source `user` counts as such. A plugin's config stays as it is.
///
/// Options that declare `customUserVars` get values for these alone; others get all that the user has, as in the
/// reference, which does not ask.
#[must_use]
pub fn process_mcp_env(
    mut members: Map<String, Value>,
    context: &Context<'_>,
    db_sourced: Option<bool>,
) -> Map<String, Value> {
    if is_plugin_sourced(&members) {
        return members;
    }
    let db_sourced = db_sourced
        .unwrap_or_else(|| members.get("dbId").is_some_and(is_truthy) || is_user_sourced(&members));
    let trust = if db_sourced {
        Trust::User
    } else {
        Trust::Operator
    };
    let declared = members.get("customUserVars").and_then(Value::as_object);
    let declared: Option<Vec<_>> = declared.map(|variables| variables.keys().cloned().collect());
    let variables = declared
        .as_deref()
        .map_or(Variables::All, Variables::Declared);
    let expander = Expander::new(context, trust, variables, Depth::Reference);
    let expand = |value: &mut Value, place| {
        let text = match &*value {
            Value::String(template) => expander.text(template, place).into_owned(),
            other => js_string(other),
        };
        *value = Value::String(text);
    };

    api_key::apply(&mut members);
    for (name, place) in [
        ("env", Place::UrlOrEnv),
        ("headers", Place::Header),
        ("oauth_headers", Place::Header),
    ] {
        if let Some(Value::Object(entries)) = members.get_mut(name) {
            for value in entries.values_mut() {
                expand(value, place);
            }
        }
    }
    if let Some(Value::Array(items)) = members.get_mut("args") {
        for item in items {
            expand(item, Place::Other);
        }
    }
    if let Some(url) = members.get_mut("url").filter(|url| is_truthy(url)) {
        expand(url, Place::UrlOrEnv);
    }
    if let Some(proxy) = members.get_mut("proxy").filter(|proxy| is_truthy(proxy)) {
        let text = match &*proxy {
            Value::String(template) => expander.admin_text(template),
            other => js_string(other),
        };
        *proxy = Value::String(text);
    }
    if let Some(Value::Object(oauth)) = members.get_mut("oauth") {
        expand_texts(oauth, &expander);
    }
    if let Some(Value::Object(tls)) = members.get_mut("tls") {
        for value in tls.values_mut() {
            if let Value::String(template) = value {
                *template = expander.admin_text(template);
            }
        }
    }
    members
}

/// Expands the texts of an `oauth` member and leaves lists and flags alone. What is the same for all users, which is
/// how this program proves itself, has variables of the environment only.
pub(super) fn expand_texts(oauth: &mut Map<String, Value>, expander: &Expander<'_>) {
    let is_machine = Grant::of(oauth).is_some_and(Grant::is_machine);
    for value in oauth.values_mut() {
        match value {
            Value::String(template) if !is_machine => {
                *template = expander.text(template, Place::Other).into_owned();
            }
            value => with_environment(value, expander),
        }
    }
}

fn with_environment(value: &mut Value, expander: &Expander<'_>) {
    match value {
        Value::String(template) => *template = expander.admin_text(template),
        Value::Object(members) => {
            for value in members.values_mut() {
                with_environment(value, expander);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{members, texts, user};
    use super::*;
    use crate::environment::Environment;

    fn processed(config: Value, context: &Context<'_>, db_sourced: Option<bool>) -> Value {
        Value::Object(process_mcp_env(members(config), context, db_sourced))
    }

    #[test]
    fn every_member() {
        let environment = Environment::from([("HOST", "example.com"), ("PROXY_HOST", "proxy")]);
        let user = user("u1", [("name", "Marić")]);
        let variables = texts([("KEY", "k")]);
        let context = Context {
            user: Some(&user),
            custom_user_vars: Some(&variables),
            ..Context::of_environment(&environment)
        };
        let config = json!({
            "type": "streamable-http",
            "toolFunctions": { "a": "${HOST}" },
            "url": "https://${HOST}/{{KEY}}",
            "command": "${HOST}",
            "cwd": "${HOST}",
            "args": ["--name={{LIBRECHAT_USER_NAME}}", 8080, " ${HOST}"],
            "env": { "ID": "{{LIBRECHAT_USER_ID}}", "PORT": 8080, "DEBUG": true, "NONE": null, "LIST": ["a", 1], "MAP": {} },
            "headers": { "X-Name": "{{LIBRECHAT_USER_NAME}}" },
            "proxy": "http://${PROXY_HOST}/{{KEY}}",
            "oauth": { "client_id": "{{KEY}}", "scope": "${HOST}", "grant_types_supported": ["${HOST}"], "skip_code_challenge_check": true },
            "oauth_headers": { "X": "${HOST}", "X-Name": "{{LIBRECHAT_USER_NAME}}", "N": 5 },
            "tls": { "ca": "/${HOST}.pem", "serverName": "{{KEY}}" },
            "timeout": 5,
        });
        let expected = json!({
            "type": "streamable-http",
            "toolFunctions": { "a": "${HOST}" },
            "url": "https://example.com/k",
            "command": "${HOST}",
            "cwd": "${HOST}",
            "args": ["--name=Marić", "8080", "example.com"],
            "env": { "ID": "u1", "PORT": "8080", "DEBUG": "true", "NONE": "null", "LIST": "a,1", "MAP": "[object Object]" },
            "headers": { "X-Name": "b64:TWFyacSH" },
            "proxy": "http://proxy/{{KEY}}",
            "oauth": { "client_id": "k", "scope": "example.com", "grant_types_supported": ["${HOST}"], "skip_code_challenge_check": true },
            "oauth_headers": { "X": "example.com", "X-Name": "b64:TWFyacSH", "N": "5" },
            "tls": { "ca": "/example.com.pem", "serverName": "{{KEY}}" },
            "timeout": 5,
        });
        // As text, since the order of members has to stay too.
        let result = processed(config, &context, None);
        assert_eq!(result.to_string(), expected.to_string());
    }

    #[test]
    fn falsy_and_odd_members_stay() {
        let environment = Environment::default();
        let context = Context::of_environment(&environment);
        for config in [
            json!({}),
            json!({ "url": "", "proxy": null, "headers": null, "env": "x", "args": {}, "oauth": true }),
        ] {
            assert_eq!(processed(config.clone(), &context, None), config);
        }
        assert_eq!(
            processed(json!({ "url": 12345, "proxy": 1 }), &context, None),
            json!({ "url": "12345", "proxy": "1" })
        );
    }

    #[test]
    fn who_made_it_decides() {
        let environment = Environment::from([("A", "alpha")]);
        let context = Context::of_environment(&environment);
        for (mut config, db_sourced, expanded) in [
            (json!({}), None, true),
            (json!({}), Some(true), false),
            (json!({ "dbId": "1" }), None, false),
            (json!({ "dbId": "" }), None, true),
            (json!({ "dbId": "1" }), Some(false), true),
            (json!({ "dbId": "1", "source": "yaml" }), None, false),
            (json!({ "source": "user" }), None, false),
        ] {
            config["headers"] = json!({ "X": "${A}" });
            config["proxy"] = json!("${A}");
            let expected = if expanded { "alpha" } else { "${A}" };
            let result = processed(config.clone(), &context, db_sourced);
            assert_eq!(result["headers"]["X"], expected, "{config} {db_sourced:?}");
            assert_eq!(result["proxy"], expected, "{config} {db_sourced:?}");
        }
    }

    #[test]
    fn declared_variables_and_plugins() {
        let environment = Environment::from([("A", "alpha")]);
        let user = user("u1", []);
        let variables = texts([
            ("K", "own"),
            ("L", "other"),
            ("LIBRECHAT_USER_ID", "victim"),
        ]);
        let context = Context {
            user: Some(&user),
            custom_user_vars: Some(&variables),
            ..Context::of_environment(&environment)
        };
        let url = "https://x/{{K}}/{{L}}/{{LIBRECHAT_USER_ID}}";
        for (declared, expected) in [
            (json!(null), "https://x/own/other/victim"),
            (json!({}), "https://x/{{K}}/{{L}}/u1"),
            (
                json!({ "K": {}, "LIBRECHAT_USER_ID": {} }),
                "https://x/own/{{L}}/u1",
            ),
        ] {
            let config = json!({ "url": url, "customUserVars": declared });
            assert_eq!(processed(config, &context, None)["url"], expected);
        }
        let plugin = json!({
            "source": "plugin",
            "url": "https://x/${A}/{{K}}",
            "env": { "N": 5 },
            "apiKey": { "source": "admin", "key": "k" },
        });
        for db_sourced in [None, Some(false), Some(true)] {
            assert_eq!(processed(plugin.clone(), &context, db_sourced), plugin);
        }
    }

    #[test]
    fn api_keys() {
        let environment = Environment::from([("KEY", "from-env")]);
        let context = Context::of_environment(&environment);
        for (api_key, expected) in [
            (
                json!({ "source": "admin", "authorization_type": "bearer", "key": "k" }),
                json!({ "Authorization": "Bearer k" }),
            ),
            (
                json!({ "source": "admin", "authorization_type": "basic", "key": "${KEY}." }),
                json!({ "Authorization": "Basic from-env." }),
            ),
            (
                json!({ "source": "admin", "authorization_type": "custom", "key": "k", "custom_header": "X-K" }),
                json!({ "X-K": "k" }),
            ),
            (
                json!({ "source": "admin", "authorization_type": "custom", "key": "k", "custom_header": "" }),
                json!({ "X-Api-Key": "k" }),
            ),
            (
                json!({ "source": "admin", "key": "k" }),
                json!({ "Authorization": "k" }),
            ),
        ] {
            let result = processed(json!({ "apiKey": api_key }), &context, None);
            assert_eq!(result["headers"], expected, "{api_key}");
            assert_eq!(result["apiKey"], api_key, "the member stays");
        }
        for api_key in [
            json!({ "source": "user", "authorization_type": "bearer", "key": "k" }),
            json!({ "source": "admin", "authorization_type": "bearer" }),
            json!({ "source": "admin", "authorization_type": "bearer", "key": "" }),
            json!(null),
            json!("k"),
        ] {
            let result = processed(json!({ "apiKey": api_key }), &context, None);
            assert_eq!(result.get("headers"), None, "{api_key}");
        }
        let merged = json!({
            "headers": { "Authorization": "old", "X": "y" },
            "apiKey": { "source": "admin", "authorization_type": "bearer", "key": "k" },
        });
        assert_eq!(
            processed(merged, &context, Some(true))["headers"].to_string(),
            r#"{"Authorization":"Bearer k","X":"y"}"#,
            "also where a user made the config"
        );
    }
}
