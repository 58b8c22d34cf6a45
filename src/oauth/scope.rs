//! Which scopes to ask for (MCP 2025-11-25, chapter "Authorization", section "Scope Selection Strategy").

use super::documents::{ResourceMetadata, ServerMetadata};
use super::options::OAuthOptions;

/// What refresh tokens are asked for with (OpenID Connect Core, section 11).
pub const OFFLINE_ACCESS: &str = "offline_access";

/// The operator's choice, else the server's challenge, else what the resource lists, else the authorization server.
#[must_use]
pub fn select(
    configured: Option<&str>,
    challenged: Option<&str>,
    resource: Option<&ResourceMetadata>,
    server: &ServerMetadata,
) -> Option<String> {
    let chosen = configured.or(challenged).map(str::to_owned);
    chosen
        .or_else(|| resource.and_then(ResourceMetadata::scopes))
        .or_else(|| Some(server.texts("scopes_supported")?.join(" ")))
        .filter(|scope| !scope.is_empty())
}

/// The scopes, and the one that refresh tokens take at servers that list it (MCP 2026-07-28, chapter "Authorization",
/// section "Refresh Tokens"); the operator's own choice stays as it is.
#[must_use]
pub fn lasting(
    scopes: Option<&str>,
    options: &OAuthOptions,
    server: &ServerMetadata,
) -> Option<String> {
    let listed = server.texts("scopes_supported").unwrap_or_default();
    let wanted = options.scope.is_none() && server.refreshes() && listed.contains(&OFFLINE_ACCESS);
    joined(scopes, wanted.then_some(OFFLINE_ACCESS))
}

/// Both lists of scopes, each scope once.
#[must_use]
pub fn joined(scopes: Option<&str>, more: Option<&str>) -> Option<String> {
    let mut all: Vec<&str> = Vec::new();
    for scope in [scopes, more]
        .into_iter()
        .flatten()
        .flat_map(str::split_whitespace)
    {
        if !all.contains(&scope) {
            all.push(scope);
        }
    }
    (!all.is_empty()).then(|| all.join(" "))
}

/// Whether `scopes` has all of `wanted`.
#[must_use]
pub fn covers(scopes: &str, wanted: &str) -> bool {
    wanted
        .split_whitespace()
        .all(|scope| scopes.split_whitespace().any(|known| known == scope))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_most_specific_source_wins() {
        let resource = json!({ "scopes_supported": ["r1", "r2"] });
        let resource = ResourceMetadata(resource.as_object().unwrap().clone());
        let empty = json!({ "scopes_supported": [] });
        let empty = ResourceMetadata(empty.as_object().unwrap().clone());
        let server = json!({ "scopes_supported": ["s"] });
        let server = ServerMetadata(server.as_object().unwrap().clone());
        for (configured, challenged, resource, expected) in [
            (Some("c"), Some("w"), Some(&resource), Some("c")),
            (None, Some("w"), Some(&resource), Some("w")),
            (None, None, Some(&resource), Some("r1 r2")),
            (None, None, None, Some("s")),
            (None, None, Some(&empty), None),
        ] {
            let chosen = select(configured, challenged, resource, &server);
            assert_eq!(chosen.as_deref(), expected);
        }
    }

    #[test]
    fn refresh_tokens_are_asked_for_where_that_takes_a_scope() {
        let server = |scopes: &[&str], grants: &[&str]| {
            let members = json!({ "scopes_supported": scopes, "grant_types_supported": grants });
            ServerMetadata(members.as_object().unwrap().clone())
        };
        let both = ["authorization_code", "refresh_token"];
        let offline = server(&["a", OFFLINE_ACCESS], &both);
        let usual = OAuthOptions::default();
        let configured = OAuthOptions {
            scope: Some("a".to_owned()),
            ..OAuthOptions::default()
        };
        for (options, server, expected) in [
            (&usual, &offline, "a offline_access"),
            (&configured, &offline, "a"),
            (&usual, &server(&["a"], &both), "a"),
            (&usual, &server(&["a", OFFLINE_ACCESS], &both[..1]), "a"),
        ] {
            let scope = lasting(Some("a"), options, server);
            assert_eq!(scope.as_deref(), Some(expected));
        }
        let unsaid = json!({ "scopes_supported": [OFFLINE_ACCESS] });
        let unsaid = ServerMetadata(unsaid.as_object().unwrap().clone());
        let scope = lasting(Some("a"), &usual, &unsaid);
        assert_eq!(scope.as_deref(), Some("a offline_access"));
    }

    #[test]
    fn sets_of_scopes() {
        assert_eq!(joined(Some("a b"), Some("b c")).as_deref(), Some("a b c"));
        assert_eq!(joined(Some(" "), None), None);
        assert!(covers("a b c", "c a") && covers("a", "") && !covers("a b", "a c"));
    }
}
