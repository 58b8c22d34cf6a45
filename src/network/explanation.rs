//! Why an HTTP answer is no success, as far as it says so itself.

use http::header::{ALLOW, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, StatusCode};
use url::Url;

use super::allowlist::is_supported_scheme;
use super::failure::sanitize_url;
use crate::challenges::{challenges, parameter};
use crate::clock::retry_after;
use crate::foreign_text::{SentSecrets, Speaker, foreign_words, said};

/// How much of a failure's body is read.
pub const EXPLANATION_BYTES: usize = 64 * 1024;

/// A failed answer, for [`Self::explanation`].
pub struct Failed<'a> {
    pub status: StatusCode,
    pub headers: &'a HeaderMap,
    /// Where it came from.
    pub url: &'a Url,
    pub body: &'a [u8],
}

impl Failed<'_> {
    /// What follows the status in a message: what the answer says, in the challenge too, where else to go, when to come
    /// again. Empty where it says nothing. Nothing in it repeats what was `sent`.
    #[must_use]
    pub fn explanation(&self, sent: &SentSecrets, speaker: Speaker) -> String {
        let mut told = String::new();
        let words = self.words(sent, speaker);
        if !words.is_empty() {
            told = format!(": {words}");
        }
        let mut add = |what: &str, text: &str| {
            told.push_str(what);
            told.push_str(&foreign_words(text, sent));
        };
        if let Some(scope) = self.challenged("scope") {
            add("; it asks for the scope ", &scope);
        }
        if let Some(target) = self.target() {
            let is_permanent = matches!(self.status.as_u16(), 301 | 308);
            add(
                if is_permanent {
                    "; the server moved to "
                } else {
                    "; the server redirects to "
                },
                &sanitize_url(&target),
            );
            if target.origin() != self.url.origin() {
                add(", which is another origin", "");
            }
        }
        let is_wrong_method = self.status == StatusCode::METHOD_NOT_ALLOWED;
        if let Some(methods) = self.header(ALLOW).filter(|_| is_wrong_method) {
            add("; it takes ", methods);
        }
        if let Some(pause) = retry_after(self.headers).filter(|pause| pause.as_secs() > 0) {
            add(&format!("; it asks to wait {} s", pause.as_secs()), "");
        }
        told
    }

    /// The words of the challenge and those of the body, each once.
    fn words(&self, sent: &SentSecrets, speaker: Speaker) -> String {
        let reason = self.status.canonical_reason().unwrap_or_default();
        let content_type = self.header(CONTENT_TYPE).unwrap_or_default();
        let body = said(self.body, content_type, reason, speaker).unwrap_or_default();
        let mut words = String::new();
        for name in ["error", "error_description"] {
            let part = self
                .challenged(name)
                .filter(|it| !body.contains(it.as_str()));
            join(&mut words, &part.unwrap_or_default());
        }
        join(&mut words, &body);
        foreign_words(&words, sent)
    }

    /// A parameter of the first challenge that has it.
    fn challenged(&self, name: &str) -> Option<String> {
        if !matches!(self.status.as_u16(), 401 | 403) {
            return None;
        }
        let headers = self.headers.get_all(http::header::WWW_AUTHENTICATE);
        headers.iter().find_map(|header| {
            let challenges = challenges(header.to_str().ok()?);
            let mut told = challenges.iter().filter_map(|it| parameter(it, name));
            told.next().map(str::to_owned)
        })
    }

    /// Where a redirect leads that was not followed.
    fn target(&self) -> Option<Url> {
        let location = self.header(LOCATION)?;
        let target = self.url.join(location).ok()?;
        (self.status.is_redirection() && is_supported_scheme(&target)).then_some(target)
    }

    fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

fn join(words: &mut String, part: &str) {
    if !words.is_empty() && !part.is_empty() {
        words.push_str(": ");
    }
    words.push_str(part);
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn explained(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> String {
        let headers = headers.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        let failed = Failed {
            status: StatusCode::from_u16(status).unwrap(),
            headers: &headers.collect(),
            url: &Url::parse("https://mcp.test/mcp").unwrap(),
            body: body.as_bytes(),
        };
        let sent = SentSecrets::from(vec!["s3cret-of-the-operator".into()]);
        failed.explanation(&sent, Speaker::Server)
    }

    #[test]
    fn answers_explain_themselves() {
        let www = "www-authenticate";
        for (status, headers, body, expected) in [
            (500, &[][..], "", ""),
            (403, &[], "not you", ": not you"),
            (403, &[], "key s3cret-of-the-operator", ": key ***"),
            (403, &[], "key czNjcmV0LW9mLXRoZS1vcGVyYXRvcg", ": key ***"),
            (403, &[], "a\u{202e}b\nc", ": a\\u{202e}b\\nc"),
            (
                401,
                &[(
                    www,
                    r#"Bearer error="invalid_token", error_description="It expired", scope="a b""#,
                )],
                "",
                ": invalid_token: It expired; it asks for the scope a b",
            ),
            (
                401,
                &[(
                    www,
                    r#"Bearer error="invalid_token", error_description="It expired""#,
                )],
                r#"{"error":"invalid_token","error_description":"It expired"}"#,
                ": invalid_token: It expired",
            ),
            (400, &[(www, r#"Bearer error="x""#)], "", ""),
            (
                301,
                &[("location", "/v2/mcp?key=1")],
                "",
                "; the server moved to https://mcp.test/v2/mcp",
            ),
            (
                302,
                &[("location", "https://u:p@login.test/in?x=1")],
                "",
                "; the server redirects to https://login.test/in, which is another origin",
            ),
            (308, &[("location", "javascript:alert(1)")], "", ""),
            (
                301,
                &[("location", "/s3cret-of-the-operator")],
                "",
                "; the server moved to https://mcp.test/***",
            ),
            (200, &[("location", "/a")], "", ""),
            (405, &[("allow", "GET, HEAD")], "", "; it takes GET, HEAD"),
            (
                429,
                &[("retry-after", "30")],
                "slow down",
                ": slow down; it asks to wait 30 s",
            ),
            (503, &[("retry-after", "0")], "", ""),
            (
                503,
                &[("retry-after", "Mon, 30 Nov 2020 11:44:32 GMT")],
                "",
                "",
            ),
            (503, &[("retry-after", "soon")], "", ""),
        ] {
            assert_eq!(
                explained(status, headers, body),
                expected,
                "{status} {body}"
            );
        }
        let dated = explained(503, &[("retry-after", "Fri, 30 Nov 2125 11:44:32 GMT")], "");
        assert!(dated.starts_with("; it asks to wait "), "{dated}");
    }

    #[test]
    fn words_have_an_end() {
        let words = explained(500, &[], &"é ".repeat(4000));
        assert!(
            words.chars().count() <= 302 && words.ends_with('…'),
            "{words}"
        );
        // The cut does not leave half of a secret.
        for before in 270..300 {
            let words = explained(
                500,
                &[],
                &format!("{} s3cret-of-the-operator", "x".repeat(before)),
            );
            assert!(!words.contains("s3c"), "{words}");
        }
    }
}
