//! What an endpoint of an authorization server answered, of which nothing but explanations can reach an error or a log.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use url::Url;

use super::documents::text;
use super::failure::NO_OBJECT;
use crate::clock::clock_note;
use crate::dpop;
use crate::error::{Code, Error, Result};
use crate::foreign_text::{SentSecrets, Speaker, foreign_text, foreign_words, said};
use crate::network::{Failed, sanitize_url};

/// Clocks, in milliseconds: a token or an assertion lives for minutes.
const MOST_APART: i64 = 60_000;

/// An endpoint's answer. Its body may hold tokens, so it has no `Debug`.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub(super) url: Url,
    pub(super) body: Bytes,
    pub(super) sent: SentSecrets,
}

impl Answer {
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// What the endpoint may repeat and nobody may read.
    #[must_use]
    pub const fn sent(&self) -> &SentSecrets {
        &self.sent
    }

    /// The body as a JSON object, which may begin with a byte order mark (RFC 8259, section 8.1).
    pub fn object(&self) -> Option<Map<String, Value>> {
        let text = self.body.strip_prefix(b"\xef\xbb\xbf");
        serde_json::from_slice(text.unwrap_or(&self.body)).ok()
    }

    /// The object of a successful answer.
    ///
    /// Fails with `code`: "`what` failed: `status` `reason` - `error`: `error_description`", or what else the answer says.
    pub fn success(&self, code: Code, what: &str) -> Result<Map<String, Value>> {
        if !self.status.is_success() {
            return Err(self.refusal(code, what));
        }
        // Some providers report an error with status 200.
        match self.object() {
            Some(members) if text(&members, "error").is_some() => Err(self.refusal(code, what)),
            Some(members) => Ok(members),
            None => Err(self.no_object(code, what)),
        }
    }

    /// A success that is none.
    fn no_object(&self, code: Code, what: &str) -> Error {
        let url = foreign_text(&sanitize_url(&self.url), &self.sent);
        let kind = self.headers.get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let mut message = format!("{what} failed: {url}{NO_OBJECT}");
        // A form has tokens in it.
        let words = said(&self.body, kind, "", Speaker::AuthorizationServer);
        if let Some(words) = words.filter(|_| kind.starts_with("text/html")) {
            message.push_str(": ");
            message.push_str(&foreign_words(&words, &self.sent));
        }
        Error::new(code, message).with_status(self.status.as_u16())
    }

    /// What the answer says beside its status: see [`Failed::explanation`].
    #[must_use]
    pub fn explanation(&self) -> String {
        let failed = Failed {
            status: self.status,
            headers: &self.headers,
            url: &self.url,
            body: &self.body,
        };
        failed.explanation(&self.sent, Speaker::AuthorizationServer)
    }

    fn refusal(&self, code: Code, what: &str) -> Error {
        let reason = self.status.canonical_reason().unwrap_or_default();
        let mut message = format!("{what} failed: {} {reason}", self.status.as_u16());
        let told = self.explanation();
        match told.strip_prefix(": ") {
            Some(told) => {
                message.push_str(" - ");
                message.push_str(told);
            }
            None => message.push_str(&told),
        }
        if let Some(members) = self.object() {
            let note = match text(&members, "error") {
                Some(dpop::INVALID_PROOF) => dpop::clock_note(&self.headers),
                Some("invalid_client" | "invalid_grant") => {
                    clock_note(&self.headers, MOST_APART, "assertions")
                }
                _ => None,
            };
            message += &note.unwrap_or_default();
        }
        Error::new(code, message)
            .with_status(self.status.as_u16())
            .with_retryable(
                self.status.is_server_error() || self.status == StatusCode::TOO_MANY_REQUESTS,
            )
    }

    /// Whether the endpoint asks for the same request again, with a nonce in its proof (RFC 9449, section 8), which the prover
    /// has by now. An assertion in it has to be another one.
    #[must_use]
    pub fn wants_nonce(&self) -> bool {
        let members = self.object().unwrap_or_default();
        let error = text(&members, "error").filter(|_| self.status.is_client_error());
        error.is_some_and(|error| dpop::wants_nonce(error, &self.headers))
    }

    /// Whether the endpoint takes no `scope` with a refresh: `invalid_scope` (RFC 6749, section 5.2), or Salesforce's
    /// "scope parameter not supported".
    pub fn rejects_scope(&self) -> bool {
        if !self.status.is_client_error() {
            return false;
        }
        let body = String::from_utf8_lossy(&self.body).to_lowercase();
        body.contains("scope")
            && [
                "invalid_scope",
                "not supported",
                "unsupported",
                "not allowed",
            ]
            .into_iter()
            .any(|phrase| body.contains(phrase))
    }
}
