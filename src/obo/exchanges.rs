//! The exchanges of one runtime.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::cache::LocalCache;
use super::entry::Entry;
use super::exchange::{Job, not_available, on_behalf_of};
use super::key::{CacheKey, Subject};
use crate::cancel::until_closed;
use crate::error::{Code, Error, OboDetail, OboFailure, OboReason, Result};
use crate::flights::Flights;
use crate::host::{Host, Standing, tenant_of};
use crate::network::HttpClient;
use crate::secret::Secret;
use crate::telemetry::Metrics;
use crate::user::User;

/// How long an exchange may take where the caller names no time.
pub const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(15);

/// The exchanges and exchanged tokens of one runtime. Cheap to clone.
#[derive(Clone)]
pub struct Obo(Arc<Inner>);

struct Inner {
    http: HttpClient,
    local: LocalCache,
    standing: Arc<Standing>,
    flights: Flights<CacheKey, Entry>,
    closing: CancellationToken,
    metrics: Arc<Metrics>,
}

/// What is to be exchanged.
#[derive(Clone, Copy)]
pub struct Exchange<'a> {
    pub host: &'a Host,
    /// Must have an `openidId`, unless the host names the subject of the login.
    pub user: &'a User,
    /// The user's federated access token.
    pub access_token: &'a Secret,
    /// Separated by spaces.
    pub scopes: &'a str,
    /// `false` asks the provider whatever the caches hold, and puts its answer there.
    pub from_cache: bool,
    /// A token that the server did not take: it is dropped from the caches, and another one found.
    pub rejected: Option<&'a Secret>,
    pub deadline: Instant,
}

/// A token for one server.
#[derive(Debug, Clone)]
pub struct ExchangedToken {
    pub access_token: Secret,
    /// Seconds that the token is still valid.
    pub expires_in: u64,
}

impl Obo {
    /// Exchanges run in `tasks` and end with `closing`.
    #[must_use]
    pub fn new(
        http: HttpClient,
        tasks: TaskTracker,
        closing: CancellationToken,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self(Arc::new(Inner {
            http,
            local: LocalCache::default(),
            standing: Arc::new(Standing::new("exchangedTokens")),
            flights: Flights::new(tasks, "Internal error during the token exchange"),
            closing,
            metrics,
        }))
    }

    /// The reference's `exchangeOboToken`. Dropping the future leaves exchanges that others wait for alone.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`] for what the caller did not pass. Else [`Code::OboExchangeFailed`] or
    /// [`Code::OboClaimsChallenge`], with `retryable` and what is known in [`Error::obo`]; [`Code::Closed`].
    pub async fn exchange(&self, request: &Exchange<'_>) -> Result<ExchangedToken> {
        let subject = request.host.identity.as_ref();
        let subject = subject.and_then(|identity| identity.openid_subject.as_deref());
        let Some(user) = subject.or(request.user.openid_id()) else {
            return Err(argument(
                "User must be authenticated via OpenID to perform OBO token exchange",
            ));
        };
        if request.access_token.expose().is_empty() {
            return Err(argument("Access token is required for OBO exchange"));
        }
        if request.scopes.is_empty() {
            return Err(argument("Scopes are required for OBO exchange"));
        }
        let outcome = tokio::time::timeout_at(request.deadline, self.entry(request, user)).await;
        let entry =
            outcome.unwrap_or_else(|_| Err(Error::timeout("The OBO token exchange timed out")));
        entry.map_err(exchange_failed).map(|entry| ExchangedToken {
            expires_in: entry.expires_in(),
            access_token: entry.token,
        })
    }

    async fn entry(&self, request: &Exchange<'_>, user: &str) -> Result<Entry> {
        let host = on_behalf_of(request.host)?;
        let client = host.openid_client().await?.ok_or_else(not_available)?;
        let tenant = tenant_of(request.host.tenancy.as_deref()).await?;
        let key = CacheKey::new(&Subject {
            client: &client,
            tenant: tenant.as_deref(),
            user,
            scopes: request.scopes,
            assertion: request.access_token,
            identity: request.host.identity.as_ref(),
        });
        let logger = &request.host.logger;
        let is_rejected = |entry: &Entry| request.rejected == Some(&entry.token);
        if let (true, Some(entry)) = (request.from_cache, self.0.local.get(&key)) {
            if !is_rejected(&entry) {
                self.0.metrics.looked_up("hit");
                logger.debug(format!(
                    "[OboTokenService] Using cached token for user: {user}"
                ));
                return Ok(entry);
            }
            self.0.local.remove(&key);
        }
        let exchange = |from_cache| {
            let job = Job {
                http: self.0.http.clone(),
                local: self.0.local.clone(),
                standing: Arc::clone(&self.0.standing),
                metrics: Arc::clone(&self.0.metrics),
                host: request.host.clone(),
                client: client.clone(),
                key,
                user: user.to_owned(),
                user_id: request.user.id.clone(),
                assertion: request.access_token.clone(),
                scopes: request.scopes.to_owned(),
                from_cache,
                rejected: request.rejected.cloned(),
            };
            let closing = self.0.closing.clone();
            async move { until_closed(&closing, job.run()).await? }
        };
        if request.from_cache {
            let joined = self.0.flights.get(&key);
            if joined.is_some() {
                logger.debug(format!(
                    "[OboTokenService] Joining in-flight OBO exchange for user: {user}"
                ));
            }
            let begin = || self.0.flights.join(&key, exchange(true));
            let entry = joined.unwrap_or_else(begin).await?;
            // A flight that others started may have found the very token that will not do.
            if !is_rejected(&entry) {
                return Ok(entry);
            }
        }
        self.0.flights.start(exchange(false)).await
    }
}

fn argument(message: &str) -> Error {
    Error::new(Code::InvalidArgument, message)
}

/// Every failure of an exchange says that it is one. A fault of the network or of a host callback becomes the cause.
pub(super) fn exchange_failed(error: Error) -> Error {
    if error.obo.is_some() || matches!(error.code, Code::Aborted | Code::Closed) {
        return error;
    }
    let detail = match error.code {
        Code::HostError | Code::InvalidConfig => OboDetail::Configuration,
        Code::ResponseTooLarge => OboDetail::InvalidResponse,
        _ => OboDetail::Unavailable,
    };
    Error::new(Code::OboExchangeFailed, error.message.clone())
        .with_retryable(error.retryable)
        .with_obo(OboFailure {
            detail: Some(detail),
            ..OboFailure::new(OboReason::ExchangeFailed)
        })
        .caused_by(error)
}
