//! Names that leave the process: to models, and to logs.

use url::Url;

const OAUTH_PREFIX: &str = "oauth_mcp_";

/// A server name as part of a tool name, which model APIs limit to `[a-zA-Z0-9_.-]`.
#[must_use]
pub fn normalize_server_name(name: &str) -> String {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if !name.is_empty() && name.chars().all(is_allowed) {
        return name.to_owned();
    }

    // The reference counts UTF-16 units: a character outside the basic plane becomes two underscores.
    let replaced: String = name
        .chars()
        .flat_map(|c| {
            let (c, times) = if is_allowed(c) {
                (c, 1)
            } else {
                ('_', c.len_utf16())
            };
            std::iter::repeat_n(c, times)
        })
        .collect();
    let trimmed = replaced.trim_matches('_');
    if !trimmed.is_empty() {
        return trimmed.to_owned();
    }
    let hash = name.encode_utf16().fold(0_i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    format!("server_{}", hash.unsigned_abs())
}

/// The tool call that `LibreChat` shows while a user authorizes. A name that is wrapped already is not wrapped again.
#[must_use]
pub fn build_oauth_tool_call_name(server_name: &str) -> String {
    let normalized = normalize_server_name(server_name);
    if server_name.starts_with(OAUTH_PREFIX) {
        normalized
    } else {
        format!("{OAUTH_PREFIX}{normalized}")
    }
}

/// Scheme, host and path: what of a URL may be logged.
#[must_use]
pub fn sanitize_url_for_logging(url: &str) -> String {
    Url::parse(url).map_or_else(|_| "[invalid URL]".to_owned(), |url| sanitize(&url))
}

pub(super) fn sanitize(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}"));
    format!(
        "{}://{}{}{}",
        url.scheme(),
        url.host_str().unwrap_or_default(),
        port.unwrap_or_default(),
        url.path()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values come from running the reference.
    #[test]
    fn normalized_names() {
        for (name, expected) in [
            ("github", "github"),
            ("my.server-1_x", "my.server-1_x"),
            ("my server", "my_server"),
            ("_a b_", "a_b"),
            ("_ok_", "_ok_"),
            ("é🎉x", "x"),
            ("x🎉y", "x__y"),
            ("日本", "server_835047"),
            ("服务器", "server_26030004"),
            ("ключсервер", "server_1416263317"),
            ("", "server_0"),
            ("   ", "server_31776"),
        ] {
            assert_eq!(normalize_server_name(name), expected, "{name:?}");
        }
    }

    #[test]
    fn oauth_tool_call_names() {
        assert_eq!(
            build_oauth_tool_call_name("my server"),
            "oauth_mcp_my_server"
        );
        assert_eq!(
            build_oauth_tool_call_name("oauth_mcp_my server"),
            "oauth_mcp_my_server"
        );
    }

    #[test]
    fn sanitized_urls() {
        for (url, expected) in [
            (
                "https://u:p@example.com:8443/a/b?token=1#x",
                "https://example.com:8443/a/b",
            ),
            ("https://example.com:443", "https://example.com/"),
            ("http://[::1]:80/mcp", "http://[::1]/mcp"),
            ("not a url", "[invalid URL]"),
        ] {
            assert_eq!(sanitize_url_for_logging(url), expected);
        }
    }
}
