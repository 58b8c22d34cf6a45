//! One exchange: the request, and once more where that may help.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use url::Url;
use url::form_urlencoded::Serializer;

use super::answer::{self, Failure, Grant, Retry};
use super::cache::{LocalCache, Shared};
use super::credentials::credentials;
use super::entry::Entry;
use super::key::CacheKey;
use crate::error::{Code, Error, OboDetail, OboFailure, OboReason, Result};
use crate::foreign_text::SentSecrets;
use crate::host::{Host, OnBehalfOf, OpenIdClient, Standing};
use crate::log::{Level, LogMeta};
use crate::network::{HttpClient, Policy, Redirects, Request};
use crate::secret::Secret;
use crate::telemetry::{Kind, Metrics, Started};

/// RFC 7523, section 2.1.
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Far more than any token answer.
const ANSWER_BYTES: usize = 256 * 1024;
/// The reference's wait before the one retry; half of it on top, at random.
const RETRY_DELAY: Duration = Duration::from_millis(300);

/// Everything one exchange needs, so that it can run in a task of its own.
pub(super) struct Job {
    pub http: HttpClient,
    pub local: LocalCache,
    /// Of the host's cache.
    pub standing: Arc<Standing>,
    pub metrics: Arc<Metrics>,
    pub host: Host,
    pub client: OpenIdClient,
    pub key: CacheKey,
    pub user: String,
    pub user_id: Option<String>,
    pub assertion: Secret,
    pub scopes: String,
    /// Whether a token in one of the caches will do.
    pub from_cache: bool,
    /// A token that will not do.
    pub rejected: Option<Secret>,
}

impl Job {
    pub async fn run(self) -> Result<Entry> {
        // Another flight may have ended after the caller has looked.
        if let (true, Some(entry)) = (self.from_cache, self.local.get(&self.key))
            && self.rejected.as_ref() != Some(&entry.token)
        {
            self.metrics.looked_up("hit");
            self.debug("Using cached token");
            return Ok(entry);
        }
        let shared = Shared::of(&self.host, &self.standing);
        if let (true, Some(shared)) = (self.from_cache, &shared)
            && let Some(entry) = shared.get(&self.key).await
        {
            if self.rejected.as_ref() != Some(&entry.token) {
                self.metrics.looked_up("shared_hit");
                self.debug("Using cached token");
                self.local.insert(self.key, entry.clone());
                return Ok(entry);
            }
            shared.remove(&self.key).await;
        }
        self.host.logger.debug(format!(
            "[OboTokenService] Requesting new OBO token for user: {}, scopes: {}",
            self.user, self.scopes
        ));
        self.metrics.looked_up("miss");
        let started = Started::now(Kind::TokenExchange, "", self.user_id.as_deref());
        let outcome = self.grant().await;
        let operation = started.ended_with(outcome.as_ref());
        self.metrics.record(operation, &self.host.logger);
        let grant = outcome?;
        let entry = Entry::new(grant.token, grant.lifetime);
        if grant.may_be_cached {
            self.local.insert(self.key, entry.clone());
            if let Some(shared) = shared {
                shared.set(&self.key, &entry).await;
            }
        }
        self.debug("Successfully obtained OBO token");
        Ok(entry)
    }

    fn debug(&self, what: &str) {
        self.host
            .logger
            .debug(format!("[OboTokenService] {what} for user: {}", self.user));
    }

    async fn grant(&self) -> Result<Grant> {
        let Failure { error, retry } = match self.request().await {
            Ok(grant) => return Ok(grant),
            Err(failure) => failure,
        };
        let jitter = |delay: Duration| delay + delay.mul_f64(rand::random::<f64>() / 2.0);
        let wait = match retry {
            Retry::Never => return Err(*error),
            Retry::Soon => jitter(RETRY_DELAY),
            // Everybody who was turned away was told the same moment.
            Retry::After(wait) => wait + jitter(RETRY_DELAY) / 4,
        };
        let message = format!(
            "[OboTokenService] Transient OBO exchange failure for user: {}, retrying once",
            self.user
        );
        self.host
            .logger
            .with(Level::Warn, message, LogMeta::Error(*error));
        tokio::time::sleep(wait).await;
        self.request().await.map_err(|failure| *failure.error)
    }

    async fn request(&self) -> Result<Grant, Failure> {
        let host = on_behalf_of(&self.host)?;
        let credentials = credentials(&self.client, host).await?;
        let policy = Policy::trusted(&self.host.environment)?;
        let url = Url::parse(&self.client.token_endpoint)
            .map_err(|_| configuration("The OpenID token endpoint is no valid URL"))?;

        let mut request = Request::new(Method::POST, url);
        request.redirects = Redirects::Refuse;
        request.body = Bytes::from(self.form(&credentials.form));
        request.headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        request
            .headers
            .insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(authorization) = credentials.authorization {
            request.headers.insert(AUTHORIZATION, authorization);
        }

        let mut response = self.http.send(&policy, request).await?;
        let (status, headers) = (response.status, std::mem::take(&mut response.headers));
        let body = response.bytes(ANSWER_BYTES).await?;
        let mut sent = SentSecrets::from(credentials.secrets);
        sent.add(self.assertion.clone());
        answer::read(status, &headers, &body, &sent)
    }

    fn form(&self, credentials: &[(&'static str, String)]) -> String {
        Serializer::new(String::new())
            .append_pair("grant_type", GRANT_TYPE)
            .append_pair("assertion", self.assertion.expose())
            .append_pair("scope", &self.scopes)
            .append_pair("requested_token_use", "on_behalf_of")
            .append_pair("client_id", &self.client.client_id)
            .extend_pairs(credentials)
            .finish()
    }
}

pub(super) fn on_behalf_of(host: &Host) -> Result<&dyn OnBehalfOf> {
    host.on_behalf_of.as_deref().ok_or_else(not_available)
}

pub(super) fn not_available() -> Error {
    configuration("OpenID configuration not available")
}

fn configuration(message: &str) -> Error {
    Error::new(Code::OboExchangeFailed, message).with_obo(OboFailure {
        detail: Some(OboDetail::Configuration),
        ..OboFailure::new(OboReason::ExchangeFailed)
    })
}
