//! Requests to authorization servers: bounded in bytes and time.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use indexmap::IndexMap;
use serde_json::Value;
use url::{Origin, Url};

use super::answer::Answer;
use super::asking::Asking;
use super::form::Form;
use super::issuer::origin_of;
use crate::dpop::Prover;
use crate::environment::Environment;
use crate::error::{Code, Error, Result};
use crate::foreign_text::{SentSecrets, foreign_error};
use crate::log::{Logger, foreign_log};
use crate::network::{HttpClient, NetworkRules, Policy, Redirects, Request, sanitize_url};
use crate::secret::Secret;
use crate::server_config::{Setter, is_sent};
use crate::trace::{Purpose, Source};

const MAX_BODY: usize = 1024 * 1024;
/// Bound on one request of discovery, registration or a token endpoint.
const TIMEOUT: Duration = Duration::from_secs(10);
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
    source: Source,
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
            source: Source::default(),
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
            source: Source::default(),
        })
    }

    /// For this server and user, as far as they are known: what the trace says of the requests.
    #[must_use]
    pub fn told_of(self, server_name: Option<&str>, user_id: Option<&str>) -> Self {
        let tracer = self.http.tracer();
        Self {
            source: tracer.source(server_name, user_id, || self.asking.secrets.clone()),
            ..self
        }
    }

    /// Where steps of the authorization are told.
    #[must_use]
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// Has forms prove that whoever sends them has this key (RFC 9449): what is given for them is bound to it.
    #[must_use]
    pub fn proving(self, prover: Prover) -> Self {
        Self {
            prover: Some(prover),
            ..self
        }
    }

    /// What no text of whoever is asked tells.
    #[must_use]
    pub const fn secrets(&self) -> &SentSecrets {
        &self.asking.secrets
    }

    /// The logger without them.
    #[must_use]
    pub fn logger(&self, logger: &Logger) -> Logger {
        let secrets = self.secrets().clone();
        foreign_log(logger.clone(), move || secrets.clone())
    }

    /// Has the MCP server be asked in this way. Before [`Endpoints::told_of`].
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
        request.trace = self.source.tag(Purpose::Metadata);
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
        request.trace = self.source.tag(form.purpose());
        self.send(request, form.secrets()).await
    }

    pub async fn post_json(&self, url: &Url, body: &Value) -> Result<Answer> {
        let mut request = self.request(Method::POST, url, Party::AuthorizationServer);
        request
            .headers
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.body = Bytes::from(body.to_string());
        request.trace = self.source.tag(Purpose::Registration);
        self.send(request, SentSecrets::default()).await
    }

    /// Asks an MCP server without a user's token, for its status and challenges. The body is left: it may be a stream.
    pub async fn probe(&self, method: Method, url: &Url, limit: Duration) -> Result<Probe> {
        let mut request = self.request(method, url, Party::McpServer);
        request.timeout = Some(limit);
        request.trace = self.source.tag(Purpose::Detection);
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
        self.secrets().each(|secret| sent.add(secret));
        let answer = async {
            // Boxed, because each wait around it would carry its size once more.
            let response = Box::pin(self.http.send(&self.policy, request)).await?;
            let url = response.url.clone();
            let (status, headers) = (response.status, response.headers.clone());
            let body = if status.is_success() {
                response.bytes(MAX_BODY).await?
            } else {
                Box::pin(response.beginning(MAX_BODY)).await.into()
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
