//! Requests to authorization servers: bounded in bytes and time, with answers of which nothing but the standard's
//! error members can reach an error or a log.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use indexmap::IndexMap;
use serde_json::{Map, Value};
use url::{Origin, Url, form_urlencoded};

use super::documents::text;
use super::issuer::origin_of;
use super::probe::Asking;
use crate::clock::clock_note;
use crate::dpop::{self, Prover};
use crate::environment::Environment;
use crate::error::{Code, Error, Result};
use crate::foreign_text::{SentSecrets, Speaker, foreign_error, foreign_text, foreign_words, said};
use crate::network::{
    EXPLANATION_BYTES, Failed, HttpClient, NetworkRules, Policy, Redirects, Request, sanitize_url,
};
use crate::secret::Secret;
use crate::server_config::{Setter, is_sent};

const MAX_BODY: usize = 1024 * 1024;
/// Bound on one request of discovery, registration or a token endpoint.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Clocks, in milliseconds: a token or an assertion lives for minutes.
const MOST_APART: i64 = 60_000;
/// Members of forms that anybody may read; whatever else a form has is a secret.
const PUBLIC: [&str; 14] = [
    "audience",
    "client_assertion_type",
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "grant_type",
    "prompt",
    "redirect_uri",
    "requested_token_type",
    "resource",
    "response_type",
    "scope",
    "subject_token_type",
    "token_type_hint",
];

/// A form body. Names are unique, as OAuth requires (RFC 6749, section 3.2).
#[derive(Clone, Default)]
pub struct Form(IndexMap<String, String>);

impl Form {
    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    pub fn remove(&mut self, name: &str) -> bool {
        self.0.shift_remove(name).is_some()
    }

    fn secrets(&self) -> SentSecrets {
        let members = self.0.iter();
        let secrets = members.filter(|(name, _)| !PUBLIC.contains(&name.as_str()));
        let secrets: Vec<_> = secrets
            .map(|(_, value)| Secret::new(value.clone()))
            .collect();
        secrets.into()
    }

    #[must_use]
    pub fn encode(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.0)
            .finish()
    }
}

/// To whom a request of discovery goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// The MCP server, or whoever it names for a document of its own.
    McpServer,
    AuthorizationServer,
}

/// The way to the endpoints of one server's authorization.
#[derive(Clone)]
pub struct Endpoints {
    http: HttpClient,
    policy: Policy,
    /// `oauth_headers` of the config, which may be secrets of the authorization server: no MCP server gets them.
    headers: HeaderMap,
    /// Where the config says that the authorization server is; where it does not, it is the one that the flow is bound
    /// to.
    configured: Option<Vec<Origin>>,
    prover: Option<Prover>,
    pub(super) asking: Asking,
}

impl Endpoints {
    /// Fails with [`Code::InvalidConfig`] for a header that HTTP cannot carry, or an unusable proxy.
    pub fn new(
        http: HttpClient,
        rules: &NetworkRules,
        environment: &Environment,
        proxy: Option<&str>,
        oauth_headers: &IndexMap<String, String>,
    ) -> Result<Self> {
        let headers = oauth_headers
            .iter()
            .map(|(name, value)| {
                let wrong = || {
                    Error::invalid_config(format!(
                        "Invalid MCP server config: `oauth_headers.{name}` is not a valid header"
                    ))
                };
                let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
                value.set_sensitive(true);
                let name = HeaderName::try_from(name).map_err(|_| wrong())?;
                // Whoever made the config: no authorization server wants another `Host` than its own.
                Ok(is_sent(&name, Setter::User)?.then_some((name, value)))
            })
            .filter_map(Result::transpose)
            .collect::<Result<_>>()?;
        Ok(Self {
            http,
            policy: Policy::oauth(rules, environment, proxy)?,
            headers,
            configured: None,
            prover: None,
            asking: Asking::default(),
        })
    }

    /// The way to the operator's own identity provider, which gets no `oauth_headers`: they are the server's.
    pub fn trusted(http: HttpClient, environment: &Environment) -> Result<Self> {
        Ok(Self {
            http,
            policy: Policy::trusted(environment)?,
            headers: HeaderMap::new(),
            configured: None,
            prover: None,
            asking: Asking::default(),
        })
    }

    /// Has forms prove that whoever sends them has this key (RFC 9449): what is given for them is bound to it.
    #[must_use]
    pub fn proving(self, prover: Prover) -> Self {
        Self {
            prover: Some(prover),
            ..self
        }
    }

    /// Has the MCP server be asked in this way.
    #[must_use]
    pub fn asking(self, asking: Asking) -> Self {
        Self { asking, ..self }
    }

    /// Keeps `oauth_headers` to the origins of the endpoints that the config names, where it names some.
    #[must_use]
    pub fn configured_at(mut self, urls: &[&str]) -> Self {
        let origins = || urls.iter().filter_map(|url| origin_of(url)).collect();
        self.configured = (!urls.is_empty()).then(origins);
        self
    }

    /// Whether an endpoint of an authorization server gets `oauth_headers`.
    pub(super) fn takes_headers(&self, url: &Url) -> bool {
        let configured = self.configured.as_ref();
        configured.is_none_or(|origins| origins.contains(&url.origin()))
    }

    pub(super) fn http(&self) -> &HttpClient {
        &self.http
    }

    /// Judges a URL that a server or a config named, before anything is sent. `field` is how errors call it.
    pub fn check(&self, url: &str, field: &str) -> Result<Url> {
        let failed = |problem: String| Error::new(Code::OAuthDiscoveryFailed, problem);
        let url = Url::parse(url).map_err(|_| failed(format!("Invalid OAuth {field}")))?;
        match self.policy.check_url(&url) {
            Ok(()) => Ok(url),
            Err(refused) => Err(failed(match refused.code {
                Code::AddressNotAllowed => format!(
                    "OAuth {field} targets a blocked address: {}:{}. If it is meant, an operator adds it to {}",
                    url.host_str().unwrap_or_default(),
                    url.port_or_known_default().unwrap_or_default(),
                    self.policy.allowing_setting(),
                ),
                _ => format!("Invalid OAuth {field}: {}", sanitize_url(&url)),
            })
            .caused_by(refused)),
        }
    }

    /// A metadata document.
    pub async fn get(&self, url: &Url, party: Party) -> Result<Answer> {
        let mut request = self.request(Method::GET, url, party);
        request.redirects = Redirects::Mcp;
        self.send(request, SentSecrets::default()).await
    }

    /// Follows no redirect: it would hand a secret to whom the endpoint names. Sent once more if the connection is lost
    /// before anything is answered.
    pub async fn post_form(
        &self,
        url: &Url,
        form: &Form,
        authorization: Option<&Secret>,
    ) -> Result<Answer> {
        let mut request = self.request(Method::POST, url, Party::AuthorizationServer);
        request.headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        if let Some(mut value) = authorization
            .and_then(|authorization| HeaderValue::from_str(authorization.expose()).ok())
        {
            value.set_sensitive(true);
            request.headers.insert(AUTHORIZATION, value);
        }
        request.body = Bytes::from(form.encode());
        // Where nothing was answered, the server most likely closed a kept connection at this moment, and saw nothing. If it
        // did see a code or a refresh token, that is used up either way.
        request.is_repeatable = true;
        request.proof = self.prover.as_ref().map(|prover| prover.proof(None));
        self.send(request, form.secrets()).await
    }

    pub async fn post_json(&self, url: &Url, body: &Value) -> Result<Answer> {
        let mut request = self.request(Method::POST, url, Party::AuthorizationServer);
        request
            .headers
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.body = Bytes::from(body.to_string());
        self.send(request, SentSecrets::default()).await
    }

    /// Asks an MCP server without a user's token, for its status and challenges. The body is left: it may be a stream.
    pub async fn probe(&self, method: Method, url: &Url, limit: Duration) -> Result<Probe> {
        let mut request = self.request(method, url, Party::McpServer);
        request.timeout = Some(limit);
        request.redirects = Redirects::Mcp;
        self.asking.prepare(&mut request);
        let response = self.http.send(&self.policy, request).await?;
        Ok(Probe {
            status: response.status,
            challenges: response.challenges().unwrap_or_default(),
        })
    }

    fn request(&self, method: Method, url: &Url, party: Party) -> Request {
        let mut request = Request::new(method, url.clone());
        if party == Party::AuthorizationServer && self.takes_headers(url) {
            request.headers = self.headers.clone();
            request.secret_headers = self.headers.keys().cloned().collect();
        }
        request
            .headers
            .insert(ACCEPT, HeaderValue::from_static("application/json"));
        request.timeout = Some(TIMEOUT);
        request
    }

    /// `sent` are the secrets of the body.
    async fn send(&self, request: Request, mut sent: SentSecrets) -> Result<Answer> {
        sent.add_headers(&request.headers);
        let answer = async {
            let response = self.http.send(&self.policy, request).await?;
            let url = response.url.clone();
            let (status, headers) = (response.status, response.headers.clone());
            let body = if status.is_success() {
                response.bytes(MAX_BODY).await?
            } else {
                Box::pin(response.beginning(EXPLANATION_BYTES)).await.into()
            };
            Ok((status, headers, url, body))
        };
        match answer.await {
            Ok((status, headers, url, body)) => Ok(Answer {
                status,
                headers,
                url,
                body,
                sent,
            }),
            Err(error) => Err(foreign_error(error, &sent)),
        }
    }
}

/// What an MCP server answered to a request without a user's token.
#[derive(Debug)]
pub struct Probe {
    pub status: StatusCode,
    pub challenges: String,
}

/// An endpoint's answer. Its body may hold tokens, so it has no `Debug`.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    url: Url,
    body: Bytes,
    sent: SentSecrets,
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
        let mut message = format!("{what} failed: {url} answered without a JSON object");
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
