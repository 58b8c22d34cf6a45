//! `WWW-Authenticate` (RFC 9110, section 11.6.1) as OAuth resources use it (RFC 6750, section 3; RFC 9728, section
//! 5.1).

use url::Url;

use crate::challenges::{challenges, of_scheme, parameter};
use crate::dpop;

/// What the `Bearer` challenge of a refused request says, or the `DPoP` one of a server that takes no other tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BearerChallenge {
    pub resource_metadata: Option<Url>,
    /// Scopes that the refused request needs, separated by spaces.
    pub scope: Option<String>,
    /// `invalid_token`, `insufficient_scope`, …
    pub error: Option<String>,
    /// Of a server that takes tokens of no other kind (RFC 9449): the algorithms that it takes proofs with, separated by
    /// spaces, where it says them.
    pub only_dpop: Option<String>,
}

impl BearerChallenge {
    /// The first `Bearer` challenge among all in the header, else the first `DPoP` one. Several header lines are joined with
    /// commas beforehand.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let challenges = challenges(header);
        let bearer = of_scheme(&challenges, "bearer");
        let challenge = bearer.or_else(|| of_scheme(&challenges, dpop::SCHEME))?;
        let value = |name: &str| parameter(challenge, name).map(str::to_owned);
        Some(Self {
            resource_metadata: value("resource_metadata").and_then(|url| Url::parse(&url).ok()),
            scope: value("scope"),
            error: value("error"),
            only_dpop: bearer.is_none().then(|| value("algs").unwrap_or_default()),
        })
    }

    /// Scopes that a token lacked, where that is why the request was refused.
    #[must_use]
    pub fn missing_scope(&self) -> Option<&str> {
        let insufficient = self.error.as_deref() == Some("insufficient_scope");
        self.scope.as_deref().filter(|_| insufficient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(header: &str) -> Option<(Option<String>, Option<String>, Option<String>)> {
        let challenge = BearerChallenge::parse(header)?;
        let url = challenge.resource_metadata.map(String::from);
        Some((url, challenge.scope, challenge.error))
    }

    #[test]
    fn challenges_of_real_servers() {
        let url = || Some("https://h.test/.well-known/oauth-protected-resource/mcp".to_owned());
        let metadata =
            r#"resource_metadata="https://h.test/.well-known/oauth-protected-resource/mcp""#;
        let text = |text: &str| Some(text.to_owned());
        for (header, expected) in [
            ("Bearer".to_owned(), Some((None, None, None))),
            (format!("Bearer {metadata}"), Some((url(), None, None))),
            (
                format!(r#"Basic realm="a, b", bearer  {metadata} , scope="x y""#),
                Some((url(), text("x y"), None)),
            ),
            (
                "Bearer error=insufficient_scope, scope=\"a:b c\"".to_owned(),
                Some((None, text("a:b c"), text("insufficient_scope"))),
            ),
            (
                r#"Bearer realm="say \"hi\"", error="invalid_token""#.to_owned(),
                Some((None, None, text("invalid_token"))),
            ),
            (
                format!("Negotiate YWJjZA==, Bearer {metadata}"),
                Some((url(), None, None)),
            ),
            (
                "Bearer resource_metadata=\"not a url\"".to_owned(),
                Some((None, None, None)),
            ),
            (
                "Bearer scope=\"unclosed".to_owned(),
                Some((None, text("unclosed"), None)),
            ),
            ("Basic realm=\"Bearer\"".to_owned(), None),
            ("=, ,\u{fc}\u{fc}".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(parsed(&header), expected, "{header}");
        }
    }

    #[test]
    fn missing_scope_only_where_scope_is_why() {
        for (header, expected) in [
            (
                r#"Bearer error="insufficient_scope", scope="a b""#,
                Some("a b"),
            ),
            (r#"Bearer error="insufficient_scope""#, None),
            (r#"Bearer scope="a b""#, None),
        ] {
            let challenge = BearerChallenge::parse(header).unwrap();
            assert_eq!(challenge.missing_scope(), expected);
        }
    }
}
