//! Servers that get the user's own `OpenID` access token: `Authorization: Bearer {{LIBRECHAT_OPENID_ACCESS_TOKEN}}`
//! (the reference's `isDirectOpenIDBearerRecoveryEnabled`).

use super::header::is_authorization;
use super::model::ServerConfig;
use super::placeholders::{Context, Depth, Place, is_access_token, placeholders};

/// What stands before and after the token in the `Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub prefix: String,
    pub suffix: String,
}

impl ServerConfig {
    /// Whether the config of an operator hands on the user's token. OAuth, on-behalf-of and an administrator's key have
    /// `Authorization` to themselves.
    #[must_use]
    pub fn forwards_token(&self) -> bool {
        let templates = self.authorization(true).into_iter();
        self.may_forward() && templates.flat_map(placeholders).any(is_access_token)
    }

    /// How a connection, or a tool call with its headers, hands on the user's token, with everything else filled in.
    #[must_use]
    pub fn forwarding(&self, context: &Context<'_>, of_tool_call: bool) -> Option<Frame> {
        if !self.may_forward() {
            return None;
        }
        let expander = self.expander(context, Depth::Call);
        let (prefix, suffix) = expander.around(
            self.authorization(of_tool_call)?,
            Place::Header,
            is_access_token,
        )?;
        Some(Frame { prefix, suffix })
    }

    /// Whether a header would carry the user's token although something else has `Authorization` to itself. It is left
    /// out, so that the token does not go where nobody asked for it.
    pub(super) fn shadows(&self, name: &str, template: &str) -> bool {
        is_authorization(name)
            && (self.exchanges_tokens() || self.has_active_oauth())
            && placeholders(template).any(is_access_token)
    }

    fn has_active_oauth(&self) -> bool {
        self.oauth.is_some() && self.requires_oauth != Some(false)
    }

    fn may_forward(&self) -> bool {
        self.is_operators()
            && !self.is_plugin_sourced()
            && !self.exchanges_tokens()
            && !self.has_active_oauth()
    }

    /// The template of the header, which counts as its last spelling does.
    fn authorization(&self, of_tool_call: bool) -> Option<&str> {
        let of_calls = self.request_headers.iter().filter(|_| of_tool_call);
        let headers = self.headers.iter().chain(of_calls);
        let mut named = headers.filter(|(name, _)| is_authorization(name));
        named.next_back().map(|(_, template)| template.as_str())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::config;
    use super::*;
    use crate::environment::Environment;

    const TEMPLATE: &str = "Bearer {{LIBRECHAT_OPENID_ACCESS_TOKEN}}";

    fn forwards(members: Value) -> bool {
        config(members).forwards_token()
    }

    #[test]
    fn whose_config_forwards() {
        let headers = json!({ "authorization": TEMPLATE });
        for (expected, mut members) in [
            (true, json!({})),
            (true, json!({ "source": "yaml" })),
            (true, json!({ "source": "config" })),
            (true, json!({ "oauth": {}, "requiresOAuth": false })),
            (true, json!({ "requiresOAuth": true })),
            (false, json!({ "source": "user" })),
            (false, json!({ "source": "plugin" })),
            (false, json!({ "source": "yaml", "dbId": "1" })),
            (false, json!({ "obo": { "scopes": "s" } })),
            (false, json!({ "oauth": {} })),
            (
                false,
                json!({ "apiKey": { "source": "admin", "authorization_type": "bearer", "key": "k" } }),
            ),
            (
                true,
                json!({ "apiKey": { "source": "admin", "authorization_type": "custom", "key": "k" } }),
            ),
            (
                false,
                json!({ "requestHeaders": { "Authorization": "Basic x" } }),
            ),
        ] {
            members["url"] = json!("http://x");
            members["headers"] = headers.clone();
            assert_eq!(forwards(members.clone()), expected, "{members}");
        }
        for template in ["Bearer {{LIBRECHAT_OPENID_ID_TOKEN}}", "Bearer k", "{{X}}"] {
            assert!(!forwards(
                json!({ "headers": { "Authorization": template } })
            ));
        }
        assert!(!forwards(json!({ "headers": { "X-Token": TEMPLATE } })));
    }

    #[test]
    fn left_out_where_something_else_authorizes() {
        let environment = Environment::default();
        let context = Context::of_environment(&environment);
        for (expected, mut members) in [
            (false, json!({ "obo": { "scopes": "s" } })),
            (false, json!({ "oauth": {} })),
            (true, json!({ "oauth": {}, "requiresOAuth": false })),
            (true, json!({})),
        ] {
            members["headers"] = json!({ "Authorization": TEMPLATE, "X": "y" });
            let headers = super::super::headers_for_call(&config(members), &context).unwrap();
            assert_eq!(headers.contains_key("authorization"), expected);
            assert!(headers.contains_key("x"));
        }
    }

    #[test]
    fn what_stands_around_the_token() {
        let environment = Environment::from([("TEMPLATE", TEMPLATE), ("SCHEME", "Token")]);
        let context = Context::of_environment(&environment);
        for (template, prefix, suffix) in [
            (TEMPLATE, "Bearer ", ""),
            ("${TEMPLATE}", "Bearer ", ""),
            ("${SCHEME} {{LIBRECHAT_OPENID_TOKEN}}!", "Token ", "!"),
        ] {
            let config = config(json!({ "headers": { "Authorization": template } }));
            let frame = config.forwarding(&context, false).unwrap();
            assert_eq!(
                (frame.prefix.as_str(), frame.suffix.as_str()),
                (prefix, suffix)
            );
        }
        let of_calls = config(json!({ "requestHeaders": { "Authorization": TEMPLATE } }));
        assert!(of_calls.forwarding(&context, false).is_none());
        assert!(of_calls.forwarding(&context, true).is_some());
    }
}
