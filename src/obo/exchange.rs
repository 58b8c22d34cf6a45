//! One exchange: the request, and once more where that may help.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use url::Url;
use url::form_urlencoded::Serializer;

use super::answer::{self, Failure, Grant, Retry};
use super::credentials::credentials;
use super::tokens::Exchanging;
use crate::error::{Code, Error, OboDetail, OboFailure, OboReason, Result};
use crate::foreign_text::SentSecrets;
use crate::host::{Host, OnBehalfOf, OpenIdClient};
use crate::log::{Level, LogMeta, Logger};
use crate::network::{HttpClient, Policy, Redirects, Request};
use crate::secret::Secret;
use crate::trace::{Purpose, Source};

/// RFC 7523, section 2.1.
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Far more than any token answer.
const ANSWER_BYTES: usize = 256 * 1024;
/// The reference's wait before the one retry; half of it on top, at random.
const RETRY_DELAY: Duration = Duration::from_millis(300);

/// An exchange on behalf of one user.
pub(super) struct OnBehalfExchange {
    pub http: HttpClient,
    pub source: Source,
    pub host: Host,
    pub client: OpenIdClient,
    pub user: String,
    pub assertion: Secret,
    pub scopes: String,
}

#[async_trait]
impl Exchanging for OnBehalfExchange {
    async fn exchange(&self) -> Result<Grant> {
        let message = format!(
            "[OboTokenService] Transient OBO exchange failure for user: {}, retrying once",
            self.user
        );
        once_more(&self.host.logger, message, || self.request()).await
    }
}

/// Asks once more where that may help. `message` is what the log says before.
pub async fn once_more<T, F>(
    logger: &Logger,
    message: String,
    request: impl Fn() -> F + Send,
) -> Result<T>
where
    F: Future<Output = Result<T, Failure>> + Send,
{
    let Failure { error, retry } = match request().await {
        Ok(answered) => return Ok(answered),
        Err(failure) => failure,
    };
    let jitter = |delay: Duration| delay + delay.mul_f64(rand::random::<f64>() / 2.0);
    let wait = match retry {
        Retry::Never => return Err(*error),
        Retry::Soon => jitter(RETRY_DELAY),
        // Everybody who was turned away was told the same moment.
        Retry::After(wait) => wait + jitter(RETRY_DELAY) / 4,
    };
    logger.with(Level::Warn, message, LogMeta::Error(*error));
    tokio::time::sleep(wait).await;
    request().await.map_err(|failure| *failure.error)
}

impl OnBehalfExchange {
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

        request.trace = self.source.tag(Purpose::Obo);
        let mut response = self.http.send(&policy, request).await?;
        let (status, headers) = (response.status, std::mem::take(&mut response.headers));
        let body = response.bytes(ANSWER_BYTES).await?;
        let mut sent = SentSecrets::from(credentials.secrets);
        sent.add(self.assertion.clone());
        let members = answer::read(status, &headers, &body, &sent)?;
        answer::granted(status, &members)
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

pub fn on_behalf_of(host: &Host) -> Result<&dyn OnBehalfOf> {
    host.on_behalf_of.as_deref().ok_or_else(not_available)
}

#[must_use]
pub fn not_available() -> Error {
    configuration("OpenID configuration not available")
}

fn configuration(message: &str) -> Error {
    Error::new(Code::OboExchangeFailed, message).with_obo(OboFailure {
        detail: Some(OboDetail::Configuration),
        ..OboFailure::new(OboReason::ExchangeFailed)
    })
}
