//! What a connection is bound to.

use std::borrow::Cow;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use indexmap::IndexMap;

use super::model::ServerConfig;
use super::placeholders::{Context, Depth, Place};
use super::process::expand_texts;
use super::rules::ToolRules;
use super::tls::filled_in;
use crate::network::NetworkRules;

/// Two equal fingerprints mean the same server, reached the same way with the same settings of the same user. It covers
/// secrets, and leaves the process in digests with a key only. Not stable between versions.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// An opaque text.
    #[must_use]
    pub fn to_text(self) -> String {
        format!("{:016x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Fingerprint(..)")
    }
}

/// Identifies what a connection is bound to: type, URL, command, arguments, environment, directory, proxy and
/// headers, whose config it is, what it authorizes with, its own TLS (the names of files, not what they hold), what the
/// server is told of us, which tools there are by the operator's rules, and for what is remote the network rules. The server's
/// environment, the user's fields and variables are part of it; tokens and the chat request are not, since they change
/// from call to call.
#[must_use]
pub fn fingerprint(
    config: &ServerConfig,
    context: &Context<'_>,
    rules: &NetworkRules,
    defaults: Option<&ToolRules>,
) -> Fingerprint {
    let expander = config.expander(context, Depth::Lasting);
    let mut hasher = DefaultHasher::new();
    let texts = |entries: &IndexMap<String, String>, place, hasher: &mut DefaultHasher| {
        entries.len().hash(hasher);
        for (name, template) in entries {
            (name, expander.text(template, place)).hash(hasher);
        }
    };
    config.declared_type.hash(&mut hasher);
    let url = config.url.as_ref();
    url.map(|url| expander.text(url, Place::UrlOrEnv))
        .hash(&mut hasher);
    config.command.hash(&mut hasher);
    config.args.len().hash(&mut hasher);
    for arg in &config.args {
        expander.text(arg, Place::Other).hash(&mut hasher);
    }
    texts(&config.env, Place::UrlOrEnv, &mut hasher);
    config.cwd.hash(&mut hasher);
    let proxy = config.proxy.as_deref();
    proxy
        .map(|proxy| expander.admin_text(proxy))
        .hash(&mut hasher);
    texts(&config.headers, Place::Header, &mut hasher);
    config.is_user_sourced().hash(&mut hasher);
    config.is_plugin_sourced().hash(&mut hasher);
    // A text may be a placeholder of each call, or look like one.
    config
        .has_headers_of_calls(context.environment)
        .hash(&mut hasher);
    config.obo_scopes.hash(&mut hasher);
    config.elicitation.hash(&mut hasher);
    let extensions = config.extensions.as_ref().map(serde_json::to_string);
    extensions.transpose().ok().hash(&mut hasher);
    let tls = config.tls.as_ref();
    tls.map(|tls| filled_in(tls, &expander)).hash(&mut hasher);
    let mut oauth = config.oauth.as_ref().map(Cow::Borrowed);
    if let (Some(oauth), true) = (&mut oauth, config.grant().is_some()) {
        // Who the server's tokens are for hangs on variables here, and not on a user's login.
        expand_texts(oauth.to_mut(), &expander);
    }
    let oauth = oauth.as_deref().map(serde_json::to_string);
    oauth.transpose().ok().hash(&mut hasher);
    ToolRules::listing(config.rules.as_deref(), defaults).hash(&mut hasher);
    if config.command.is_none() {
        rules.hash(&mut hasher);
    }
    Fingerprint(hasher.finish())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{config, members, texts, user};
    use super::*;
    use crate::environment::Environment;
    use crate::secret::Secret;
    use crate::user::OpenIdTokens;

    fn sample() -> ServerConfig {
        config(json!({
            "type": "http",
            "url": "https://x/{{LIBRECHAT_USER_ID}}",
            "customUserVars": { "KEY": {} },
            "headers": {
                "A": "${VAR}",
                "B": "{{KEY}}",
                "C": "{{LIBRECHAT_OPENID_ACCESS_TOKEN}}",
                "D": "{{LIBRECHAT_BODY_MESSAGEID}}",
                "E": "{{LIBRECHAT_GRAPH_ACCESS_TOKEN}}",
            },
        }))
    }

    #[test]
    fn a_login_or_a_message_changes_nothing() {
        let environment = Environment::from([("VAR", "v")]);
        let config = sample();
        let of = |token: &str, message: &str, graph: &str| {
            let mut user = user("u1", [("provider", "openid")]);
            user.federated_tokens = Some(OpenIdTokens {
                access_token: Some(Secret::from(token)),
                ..OpenIdTokens::default()
            });
            let body = texts([("messageId", message)]);
            let graph = Secret::from(graph);
            fingerprint(
                &config,
                &Context {
                    user: Some(&user),
                    custom_user_vars: None,
                    body: Some(&body),
                    graph_token: Some(&graph),
                    openid_token: None,
                    environment: &environment,
                },
                &NetworkRules::default(),
                None,
            )
        };
        assert_eq!(of("t1", "m1", "g1"), of("t2", "m2", "g2"));
    }

    #[test]
    fn variables_and_users_count() {
        let config = sample();
        let of = |variable: &str, key: &str, user_id: &str| {
            let environment = Environment::from([("VAR", variable)]);
            let user = user(user_id, []);
            let variables = texts([("KEY", key)]);
            fingerprint(
                &config,
                &Context {
                    user: Some(&user),
                    custom_user_vars: Some(&variables),
                    ..Context::of_environment(&environment)
                },
                &NetworkRules::default(),
                None,
            )
        };
        assert_eq!(of("v", "k", "u"), of("v", "k", "u"));
        for other in [of("w", "k", "u"), of("v", "l", "u"), of("v", "k", "w")] {
            assert_ne!(of("v", "k", "u"), other);
        }
    }

    #[test]
    fn every_part_counts() {
        let environment = Environment::default();
        let of = |members| {
            fingerprint(
                &config(members),
                &Context::of_environment(&environment),
                &NetworkRules::default(),
                None,
            )
        };
        let fingerprints = [
            json!({}),
            json!({ "type": "sse" }),
            json!({ "url": "a" }),
            json!({ "command": "a" }),
            json!({ "args": ["a"] }),
            json!({ "elicitation": false }),
            json!({ "extensions": { "io.x/y": {} } }),
            json!({ "args": ["", "a"] }),
            json!({ "env": { "a": "b" } }),
            json!({ "env": { "a": "", "b": "" } }),
            json!({ "cwd": "a" }),
            json!({ "proxy": "a" }),
            json!({ "headers": { "a": "b" } }),
            json!({ "headers": { "ab": "" } }),
            json!({ "apiKey": { "source": "admin", "key": "a" } }),
            json!({ "tls": {} }),
            json!({ "tls": { "ca": "a.pem" } }),
            json!({ "tls": { "cert": "a.pem", "key": "a.pem" } }),
            json!({ "tls": { "cert": "a.pem", "key": "b.pem" } }),
            json!({ "tls": { "serverName": "a" } }),
            json!({ "tools": { "allow": ["a"] } }),
            json!({ "tools": { "allow": [], "deny": ["a"] } }),
            json!({ "tools": { "deny": ["a"] } }),
            json!({ "pinTools": "warn" }),
            json!({ "pinTools": "block" }),
        ]
        .map(of);
        let distinct: std::collections::HashSet<_> = fingerprints.iter().collect();
        assert_eq!(distinct.len(), fingerprints.len());
        assert_eq!(of(json!({ "timeout": 1, "iconPath": "a" })), of(json!({})));
    }

    #[test]
    fn so_do_the_rules_of_all_servers_where_a_server_has_none() {
        let environment = Environment::default();
        let of = |own, all| {
            let all = ToolRules::of_settings(&members(all)).unwrap();
            fingerprint(
                &config(own),
                &Context::of_environment(&environment),
                &NetworkRules::default(),
                all.as_deref(),
            )
        };
        let deny = |glob: &str| json!({ "tools": { "deny": [glob] } });
        assert_eq!(of(json!({}), deny("a")), of(deny("a"), json!({})));
        assert_ne!(of(json!({}), deny("a")), of(json!({}), json!({})));
        assert_ne!(of(json!({}), deny("a")), of(json!({}), deny("b")));
        assert_eq!(of(deny("a"), deny("b")), of(deny("a"), json!({})));
        // These are asked for with each call.
        let each = json!({ "limits": { "queue": 1 }, "maxResultBytes": 2048, "overflow": "cut" });
        assert_eq!(of(each.clone(), json!({})), of(json!({}), json!({})));
        assert_eq!(of(json!({}), each), of(json!({}), json!({})));
    }

    #[test]
    fn what_looks_like_a_placeholder_is_none() {
        let environment = Environment::default();
        let placeholder = "{{LIBRECHAT_OPENID_ID_TOKEN}}";
        let variables = texts([("KEY", placeholder)]);
        let of = |value: &str| {
            let config = config(json!({
                "url": "https://x/", "customUserVars": { "KEY": {} }, "headers": { "A": value },
            }));
            let context = Context {
                custom_user_vars: Some(&variables),
                ..Context::of_environment(&environment)
            };
            fingerprint(&config, &context, &NetworkRules::default(), None)
        };
        assert_ne!(of(placeholder), of("{{KEY}}"));
    }

    #[test]
    fn never_printed() {
        let environment = Environment::default();
        let printed = fingerprint(
            &sample(),
            &Context::of_environment(&environment),
            &NetworkRules::default(),
            None,
        );
        assert_eq!(format!("{printed:?}"), "Fingerprint(..)");
    }

    #[test]
    fn what_is_remote_is_bound_to_the_rules_it_was_opened_under() {
        let environment = Environment::default();
        let context = Context::of_environment(&environment);
        let of = |members, domain: &str| {
            let rules = NetworkRules {
                allowed_domains: vec![domain.to_owned()],
                ..NetworkRules::default()
            };
            fingerprint(&config(members), &context, &rules, None)
        };
        let remote = json!({ "url": "https://x/" });
        assert_ne!(of(remote.clone(), "x"), of(remote, "*.x"));
        let process = json!({ "command": "node" });
        assert_eq!(of(process.clone(), "x"), of(process, "*.x"));
    }

    #[test]
    fn another_authorization_is_another_server() {
        let environment = Environment::default();
        let of = |more: &str, value| {
            let mut members = members(json!({ "url": "https://x/" }));
            members.insert(more.to_owned(), value);
            fingerprint(
                &ServerConfig::from_members(members).unwrap(),
                &Context::of_environment(&environment),
                &NetworkRules::default(),
                None,
            )
        };
        let machine = |key: &str| {
            let key = json!({ "key": key });
            json!({
                "grant": "client_credentials", "client_id": "a", "issuer": "https://as/", "private_key_jwt": key
            })
        };
        let all = [
            of("iconPath", json!("/a.png")),
            of("oauth", json!({ "client_id": "a" })),
            of("oauth", json!({ "client_id": "b" })),
            of("oauth", machine("k")),
            of("oauth", machine("l")),
            of("obo", json!({ "scopes": "s" })),
            of("source", json!("user")),
            of("source", json!("plugin")),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[..index].contains(one), "{index}");
        }
    }
}
