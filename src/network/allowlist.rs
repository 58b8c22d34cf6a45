//! LibreChat's `allowedDomains`.

use std::sync::Arc;

use url::{Host, Url};

use super::exemption::Exemptions;
use super::rule::AddressRule;
use super::{NetworkRules, resolver};
use crate::error::Code;

const SCHEMES: [&str; 4] = ["http", "https", "ws", "wss"];

/// Whether an MCP server may be reached over a URL of this scheme.
pub(super) fn is_supported_scheme(url: &Url) -> bool {
    SCHEMES.contains(&url.scheme())
}

/// The patterns of `allowedDomains`, with the reference's meaning: `example.com` (any scheme and port, `www.` aside),
/// `*.example.com` (the domain and everything below), `https://example.com` (that scheme),
/// `https://example.com:8443` (that port, which the URL must name as well).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowlist {
    configured: bool,
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    scheme: Option<String>,
    host: String,
    below: bool,
    port: Option<u16>,
}

impl Allowlist {
    /// Patterns that cannot be understood match nothing.
    #[must_use]
    pub fn new(patterns: &[String]) -> Self {
        Self {
            configured: !patterns.is_empty(),
            patterns: patterns
                .iter()
                .filter_map(|pattern| Pattern::parse(pattern))
                .collect(),
        }
    }

    /// Whether there is a list at all; without one it restricts nothing.
    #[must_use]
    pub const fn is_configured(&self) -> bool {
        self.configured
    }

    /// Whether a pattern names the URL's scheme, host and port.
    #[must_use]
    pub fn permits(&self, url: &Url) -> bool {
        is_supported_scheme(url)
            && url.host_str().is_some_and(|host| {
                self.patterns
                    .iter()
                    .any(|pattern| pattern.matches(url, host))
            })
    }
}

impl Pattern {
    fn parse(pattern: &str) -> Option<Self> {
        let pattern = pattern.trim().to_lowercase();
        let has_scheme = SCHEMES.iter().any(|scheme| has_scheme(&pattern, scheme));
        let parsed = if has_scheme {
            Url::parse(&pattern)
        } else {
            Url::parse(&format!("https://{pattern}"))
        };
        let url = parsed.ok()?;
        let host = url.host_str().filter(|host| !SCHEMES.contains(host))?;
        let host = without_www(host);
        Some(Self {
            scheme: has_scheme.then(|| url.scheme().to_owned()),
            below: pattern.starts_with("*."),
            host: host.strip_prefix("*.").unwrap_or(host).to_owned(),
            port: explicit_port(&pattern),
        })
    }

    fn matches(&self, url: &Url, host: &str) -> bool {
        let host = without_www(host);
        let host_matches = host == self.host
            || self.below
                && host
                    .strip_suffix(self.host.as_str())
                    .is_some_and(|rest| rest.ends_with('.'));
        host_matches
            && self
                .scheme
                .as_ref()
                .is_none_or(|scheme| scheme == url.scheme())
            && (self.port.is_none() || self.port == url.port())
    }
}

fn has_scheme(pattern: &str, scheme: &str) -> bool {
    pattern
        .strip_prefix(scheme)
        .is_some_and(|rest| rest.starts_with("://"))
}

fn without_www(host: &str) -> &str {
    host.strip_prefix("www.").unwrap_or(host)
}

/// The port as written: `Url` drops a scheme's default port.
fn explicit_port(pattern: &str) -> Option<u16> {
    pattern.match_indices(':').find_map(|(at, _)| {
        let rest = &pattern[at + 1..];
        let end = rest
            .find(|character: char| !character.is_ascii_digit())
            .unwrap_or(rest.len());
        let ends_here = matches!(rest[end..].chars().next(), None | Some('/' | '?'));
        ends_here.then(|| rest[..end].parse().ok()).flatten()
    })
}

/// LibreChat's `isMCPDomainAllowed` for a config's `url`: against the allowlist where there is one, else against the
/// address rules, for which a name is resolved. An absent URL (stdio) is allowed. What cannot be parsed or resolved yet,
/// such as a template, is left to the connection, which refuses it, unless there is an allowlist.
pub async fn is_domain_allowed(url: &str, rules: &NetworkRules) -> bool {
    if url.trim().is_empty() {
        return true;
    }
    let allowlist = Allowlist::new(&rules.allowed_domains);
    let Ok(url) = Url::parse(url) else {
        return !allowlist.is_configured();
    };
    if allowlist.is_configured() {
        return allowlist.permits(&url);
    }
    let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
        return false;
    };
    let rule = AddressRule::Judged(Arc::new(Exemptions::new(&rules.allowed_addresses)));
    if !is_supported_scheme(&url) || rule.check_host(&host, port).is_err() {
        return false;
    }
    match host {
        Host::Domain(name) if !rule.exempts(&host, port) => {
            let resolved = resolver::resolve(&rule, name, port).await;
            resolved.map_or_else(|error| error.code != Code::AddressNotAllowed, |_| true)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(domains: &[&str], addresses: &[&str]) -> NetworkRules {
        let owned = |list: &[&str]| list.iter().map(|&entry| entry.to_owned()).collect();
        NetworkRules {
            ssrf_protection: domains.is_empty(),
            allowed_domains: owned(domains),
            allowed_addresses: owned(addresses),
            tls: None,
        }
    }

    #[test]
    fn patterns() {
        for (pattern, url, expected) in [
            ("example.com", "https://example.com/sse", true),
            ("EXAMPLE.com ", "https://Example.COM/sse", true),
            ("example.com", "http://example.com:8080/", true),
            ("example.com", "wss://example.com/", true),
            ("example.com", "https://www.example.com/", true),
            ("www.example.com", "https://example.com/", true),
            ("example.com", "https://api.example.com/", false),
            ("example.com", "https://example.com.evil.test/", false),
            ("example.com", "https://evilexample.com/", false),
            ("example.com", "ftp://example.com/", false),
            ("*.example.com", "https://example.com/", true),
            ("*.example.com", "https://deep.api.example.com/", true),
            ("*.example.com", "https://evilexample.com/", false),
            ("*.example.com", "https://example.org/", false),
            ("*.example.com:8443", "https://a.example.com:8443/", true),
            ("*.example.com:8443", "https://a.example.com/", false),
            ("https://example.com", "https://example.com:8443/", true),
            ("https://example.com", "http://example.com/", false),
            ("https://example.com", "wss://example.com/", false),
            ("wss://example.com", "wss://example.com/", true),
            (
                "https://example.com:8443",
                "https://example.com:8443/",
                true,
            ),
            ("https://example.com:8443", "https://example.com/", false),
            (
                "https://example.com:443",
                "https://example.com:8443/",
                false,
            ),
            ("example.com:8443/path", "https://example.com:8443/", true),
            ("localhost", "ws://localhost:8080/mcp", true),
            ("127.0.0.1", "http://127.1:3000/", true),
            ("[::1]:3000", "http://[0::1]:3000/", true),
            ("https://", "https://https/", false),
            ("http", "http://http/", false),
            ("", "https://example.com/", false),
            ("*", "https://example.com/", false),
        ] {
            let allowlist = Allowlist::new(&[pattern.to_owned()]);
            assert!(allowlist.is_configured());
            let url = Url::parse(url).unwrap();
            assert_eq!(allowlist.permits(&url), expected, "{pattern} for {url}");
        }
    }

    #[tokio::test]
    async fn like_the_reference() {
        for (url, domains, addresses, expected) in [
            ("", &["example.com"][..], &[][..], true),
            ("   ", &["example.com"], &[], true),
            ("http://{{CUSTOM_HOST}}/mcp", &["example.com"], &[], false),
            ("http://{{CUSTOM_HOST}}/mcp", &[], &[], true),
            ("http://host.docker.internal:8044/mcp", &[], &[], false),
            (
                "http://host.docker.internal:8044/mcp",
                &["host.docker.internal"],
                &[],
                true,
            ),
            ("http://localhost:3000/mcp", &[], &[], false),
            ("http://localhost:3000/mcp", &[], &["localhost:3000"], true),
            ("http://localhost:3001/mcp", &[], &["localhost:3000"], false),
            ("ws://127.0.0.1:3000/mcp", &[], &["127.0.0.1:3000"], true),
            ("http://[::ffff:169.254.169.254]/mcp", &[], &[], false),
            ("http://[::ffff:8.8.8.8]/mcp", &[], &[], true),
            ("ws://[2002:a9fe:a9fe::]/mcp", &[], &[], false),
            ("http://0177.0.0.1/", &[], &[], false),
            ("http://0x7f.1/", &[], &[], false),
            ("http://2130706433/", &[], &[], false),
            ("http://127.1/", &[], &[], false),
            ("https://1.1.1.1/mcp", &[], &[], true),
            ("https://1.1.1.1/mcp", &["example.com"], &[], false),
            ("https://unresolvable.invalid/mcp", &[], &[], true),
            ("ftp://1.1.1.1/", &[], &[], false),
        ] {
            let allowed = is_domain_allowed(url, &rules(domains, addresses)).await;
            assert_eq!(
                allowed, expected,
                "{url} with {domains:?} and {addresses:?}"
            );
        }
    }
}
