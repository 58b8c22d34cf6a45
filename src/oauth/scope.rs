//! Which scopes to ask for (MCP 2025-11-25, chapter "Authorization", section "Scope Selection Strategy").

use super::documents::{ResourceMetadata, ServerMetadata};

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
    fn sets_of_scopes() {
        assert_eq!(joined(Some("a b"), Some("b c")).as_deref(), Some("a b c"));
        assert_eq!(joined(Some(" "), None), None);
        assert!(covers("a b c", "c a") && covers("a", "") && !covers("a b", "a c"));
    }
}
