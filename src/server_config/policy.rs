//! What follows from a config: who may share its connection, and what it needs first.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::model::ServerConfig;
use super::placeholders::{
    BODY_FIELDS, BODY_PREFIX, Context, Depth, Expander, GRAPH_PREFIX, GRAPH_TOKEN, OPENID_PREFIX,
    Trust, USER_PREFIX, Variables, field_of, placeholders,
};
use super::text::js_trim;
use crate::host::Environment;

impl ServerConfig {
    /// Whether users authorize with this server through OAuth.
    #[must_use]
    pub fn is_oauth_server(&self) -> bool {
        self.requires_oauth.unwrap_or(self.oauth.is_some())
    }

    /// Whether connecting may need tokens of the user, through OAuth or on-behalf-of.
    #[must_use]
    pub fn requires_oauth_machinery(&self) -> bool {
        self.obo_scopes.is_some() || self.is_oauth_server() && !self.forwards_token()
    }

    /// Whether a refused request may lead to an OAuth flow. Neither on-behalf-of nor a server that gets the user's own
    /// token falls back to one.
    #[must_use]
    pub fn runs_oauth_flow(&self) -> bool {
        self.is_oauth_server() && self.obo_scopes.is_none() && !self.forwards_token()
    }

    #[must_use]
    pub fn has_custom_user_vars(&self) -> bool {
        !self.custom_user_vars.is_empty()
    }

    /// Whether each user needs a connection of their own. More than the reference, which asks for OAuth,
    /// on-behalf-of and variables only: a placeholder of the user or the request is as personal.
    #[must_use]
    pub fn requires_user_scoped_connection(&self) -> bool {
        self.requires_oauth == Some(true)
            || self.obo_scopes.is_some()
            || self.has_custom_user_vars()
            || self.runtime_placeholders().next().is_some()
    }

    /// Whether the URL is known only when a user's or a request's values are filled in.
    #[must_use]
    pub fn has_url_placeholders(&self) -> bool {
        let url = self.url.as_deref().unwrap_or_default();
        placeholders(url).next().is_some()
    }

    /// Whether a user made the config. Its placeholders are then that user's variables and nothing else.
    #[must_use]
    pub fn is_user_sourced(&self) -> bool {
        match self.source.as_deref() {
            Some(source) => source == "user",
            // Configs cached before `source` existed.
            None => self.db_id.is_some(),
        }
    }

    /// Whether a plugin brought the config. Nothing in it is filled in.
    #[must_use]
    pub(super) fn is_plugin_sourced(&self) -> bool {
        self.source.as_deref() == Some("plugin")
    }

    /// What may be filled in for a call.
    pub(super) fn expander<'a>(&'a self, context: &Context<'a>, depth: Depth) -> Expander<'a> {
        let trust = if self.is_plugin_sourced() {
            Trust::Plugin
        } else if self.is_user_sourced() {
            Trust::User
        } else {
            Trust::Operator
        };
        let declared = Variables::Declared(&self.custom_user_vars);
        Expander::new(context, trust, declared, depth)
    }

    /// Whether its texts are taken as they are, but for variables of users.
    fn is_literal(&self) -> bool {
        self.is_user_sourced() || self.is_plugin_sourced()
    }

    /// Whether tool calls carry headers that nothing else does. A connection that all users share cannot serve such a
    /// server, as in the reference.
    #[must_use]
    pub fn has_request_headers(&self) -> bool {
        !self.request_headers.is_empty()
    }

    /// Whether the server is one that all users may share a connection to.
    #[must_use]
    pub fn can_use_app_connection(&self) -> bool {
        self.startup
            && !self.is_user_sourced()
            && !self.requires_user_scoped_connection()
            && !self.has_request_headers()
    }

    /// Whether there is a connection that all users share.
    #[must_use]
    pub fn allows_app_connection(&self) -> bool {
        !self.inspection_failed && self.can_use_app_connection()
    }

    /// Whether nothing but placeholders of users or requests makes it a server of each user.
    #[must_use]
    pub fn is_shared_but_for_placeholders(&self) -> bool {
        let is_personal = self.requires_oauth == Some(true)
            || self.obo_scopes.is_some()
            || self.has_custom_user_vars();
        self.startup
            && !self.inspection_failed
            && !self.is_user_sourced()
            && !is_personal
            && self.runtime_placeholders().next().is_some()
    }

    /// Fields of the chat request that the config names, and a request does not have: blank ones count as missing.
    #[must_use]
    pub fn missing_body_fields(
        &self,
        body: Option<&IndexMap<String, String>>,
    ) -> Vec<&'static str> {
        let mut fields = self.body_placeholders();
        fields.retain(|field| {
            let value = body.and_then(|body| body.get(*field));
            value.is_none_or(|value| js_trim(value).is_empty())
        });
        fields
    }

    /// Declared variables that the user has not set, in the order of declaration. A blank value counts as not set.
    #[must_use]
    pub fn missing_custom_user_vars(
        &self,
        provided: Option<&IndexMap<String, String>>,
    ) -> Vec<String> {
        self.custom_user_vars
            .iter()
            .filter(|name| {
                provided
                    .and_then(|variables| variables.get(*name))
                    .is_none_or(|value| js_trim(value).is_empty())
            })
            .cloned()
            .collect()
    }

    /// Fields of the chat request that a connection needs. Headers of tool calls are not sent when tools are listed, so
    /// what they name is not missed.
    #[must_use]
    pub fn body_placeholders(&self) -> Vec<&'static str> {
        let named: Vec<_> = self
            .connection_placeholders()
            .filter_map(|name| name.strip_prefix(BODY_PREFIX))
            .filter_map(|upper| field_of(&BODY_FIELDS, upper))
            .collect();
        BODY_FIELDS
            .into_iter()
            .filter(|field| named.contains(&field))
            .collect()
    }

    /// Whether the config names fields of the chat request anywhere.
    #[must_use]
    pub fn is_request_scoped(&self) -> bool {
        self.runtime_placeholders()
            .any(|name| name.starts_with(BODY_PREFIX))
    }

    /// Whether what a connection is made from depends on fields of the chat request. Headers do not count: each call
    /// has its own.
    #[must_use]
    pub fn is_bound_to_request(&self) -> bool {
        let templates = self.url.iter().chain(&self.args).chain(self.env.values());
        !self.is_literal()
            && templates
                .flat_map(|template| placeholders(template))
                .filter_map(|name| name.strip_prefix(BODY_PREFIX))
                .any(|upper| field_of(&BODY_FIELDS, upper).is_some())
    }

    /// Whether its headers may be others for each call of a user, because a token or the chat request is part of them. A
    /// variable of the environment may name these, too.
    #[must_use]
    pub fn has_headers_of_calls(&self, environment: &Environment) -> bool {
        let is_of_call = |name: &str| {
            let prefixes = [BODY_PREFIX, OPENID_PREFIX, GRAPH_PREFIX];
            prefixes.iter().any(|prefix| name.starts_with(prefix))
        };
        let context = Context::of_environment(environment);
        let expander = self.expander(&context, Depth::Lasting);
        !self.is_literal()
            && (self.headers.values())
                .any(|template| placeholders(&expander.with_environment(template)).any(is_of_call))
    }

    /// Whether the URL, a header or the environment of the config wants a token for Microsoft Graph.
    #[must_use]
    pub fn uses_graph_token(&self) -> bool {
        let templates =
            (self.url.iter().chain(self.headers.values())).chain(self.request_headers.values());
        !self.is_literal()
            && templates
                .chain(self.env.values())
                .flat_map(|template| placeholders(template))
                .any(|name| name == GRAPH_TOKEN)
    }

    /// Placeholders of the user, their login or the chat request. In a user's own config they are plain text, as are
    /// names of the chat request that nothing fills in.
    fn runtime_placeholders(&self) -> impl Iterator<Item = &str> {
        let of_calls = self.request_headers.values().map(String::as_str);
        self.connection_placeholders()
            .chain(self.runtime_placeholders_in(of_calls))
    }

    /// Those of them that a connection needs.
    fn connection_placeholders(&self) -> impl Iterator<Item = &str> {
        let oauth = self.oauth.iter().flat_map(Map::values);
        let templates = (self.url.iter().chain(&self.args))
            .chain(self.headers.values())
            .chain(self.oauth_headers.values())
            .chain(self.env.values())
            .map(String::as_str)
            .chain(oauth.flat_map(texts_within));
        self.runtime_placeholders_in(templates)
    }

    fn runtime_placeholders_in<'t>(
        &self,
        templates: impl Iterator<Item = &'t str>,
    ) -> impl Iterator<Item = &'t str> {
        let is_runtime = |name: &&str| match name.strip_prefix(BODY_PREFIX) {
            Some(upper) => field_of(&BODY_FIELDS, upper).is_some(),
            None => [USER_PREFIX, OPENID_PREFIX, GRAPH_PREFIX]
                .into_iter()
                .any(|prefix| {
                    name.strip_prefix(prefix)
                        .is_some_and(|rest| !rest.is_empty())
                }),
        };
        let expanded = !self.is_literal();
        templates
            .filter(move |_| expanded)
            .flat_map(placeholders)
            .filter(is_runtime)
    }
}

/// All texts of a value, however deep.
fn texts_within(value: &Value) -> Box<dyn Iterator<Item = &str> + '_> {
    match value {
        Value::String(text) => Box::new(std::iter::once(text.as_str())),
        Value::Array(items) => Box::new(items.iter().flat_map(texts_within)),
        Value::Object(members) => Box::new(members.values().flat_map(texts_within)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Box::new(std::iter::empty()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::references::is_user_sourced;
    use super::super::testing::{config, members, texts};
    use crate::host::Environment;

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
}
