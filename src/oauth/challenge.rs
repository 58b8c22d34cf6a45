//! `WWW-Authenticate` (RFC 9110, section 11.6.1) as OAuth resources use it (RFC 6750, section 3; RFC 9728, section
//! 5.1).

use url::Url;

/// What the `Bearer` challenge of a refused request says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BearerChallenge {
    pub resource_metadata: Option<Url>,
    /// Scopes that the refused request needs, separated by spaces.
    pub scope: Option<String>,
    /// `invalid_token`, `insufficient_scope`, …
    pub error: Option<String>,
}

impl BearerChallenge {
    /// The first `Bearer` challenge among all in the header. Several header lines are joined with commas beforehand.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let (_, parameters) = challenges(header)
            .into_iter()
            .find(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))?;
        let value = |name: &str| {
            let found = parameters
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name));
            found
                .map(|(_, value)| value.clone())
                .filter(|value| !value.is_empty())
        };
        Some(Self {
            resource_metadata: value("resource_metadata").and_then(|url| Url::parse(&url).ok()),
            scope: value("scope"),
            error: value("error"),
        })
    }

    /// Scopes that a token lacked, where that is why the request was refused.
    #[must_use]
    pub fn missing_scope(&self) -> Option<&str> {
        let insufficient = self.error.as_deref() == Some("insufficient_scope");
        self.scope.as_deref().filter(|_| insufficient)
    }
}

type Challenge = (String, Vec<(String, String)>);

/// All challenges with their parameters. A credential in `token68` form (`Negotiate YWJj=`) is read as a parameter
/// or a scheme without meaning; no known scheme uses both forms.
fn challenges(header: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',' || c == '=');
        let end = rest.find(|c: char| !is_token(c)).unwrap_or(rest.len());
        if end == 0 {
            let Some(unexpected) = rest.chars().next() else {
                return found;
            };
            rest = &rest[unexpected.len_utf8()..];
            continue;
        }
        let (token, after) = rest.split_at(end);
        match after.trim_start().strip_prefix('=') {
            Some(value) if !found.is_empty() => {
                let (value, after) = parameter(value.trim_start());
                if let Some((_, parameters)) = found.last_mut() {
                    parameters.push((token.to_owned(), value));
                }
                rest = after;
            }
            _ => {
                found.push((token.to_owned(), Vec::new()));
                rest = after;
            }
        }
    }
}

/// A parameter's value, quoted or not, and what follows it.
fn parameter(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text
            .find(|c: char| c == ',' || c.is_ascii_whitespace())
            .unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[index + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(character),
        }
    }
    (value, "")
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
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
