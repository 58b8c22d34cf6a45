//! The exchanges of one runtime.

use std::time::Duration;

use tokio::time::Instant;

use super::entry::Entry;
use super::exchange::{OnBehalfExchange, not_available, on_behalf_of};
use super::key::{CacheKey, Subject};
use super::tokens::{ExchangedTokens, Wanted};
use crate::error::{Code, Error, OboDetail, OboFailure, OboReason, Result};
use crate::foreign_text::SentSecrets;
use crate::host::{Host, tenant_of};
use crate::network::HttpClient;
use crate::secret::Secret;
use crate::user::User;

/// How long an exchange may take where the caller names no time.
pub const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(15);

/// The exchanges on behalf of users of one runtime. Cheap to clone.
#[derive(Clone)]
pub struct Obo {
    http: HttpClient,
    tokens: ExchangedTokens,
}

/// What is to be exchanged.
#[derive(Clone, Copy)]
pub struct Exchange<'a> {
    pub host: &'a Host,
    /// Must have an `openidId`, unless the host names the subject of the login.
    pub user: &'a User,
    /// The server that the token is for, for the trace.
    pub server_name: Option<&'a str>,
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
    #[must_use]
    pub const fn new(http: HttpClient, tokens: ExchangedTokens) -> Self {
        Self { http, tokens }
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
        let tracer = self.http.tracer();
        let user_id = request.user.id.as_deref();
        let source = tracer.source(request.server_name, user_id, SentSecrets::default);
        let wanted = Wanted {
            source: &source,
            host: request.host,
            key,
            service: "[OboTokenService]",
            name: "OBO",
            user,
            user_id,
            scopes: request.scopes,
            from_cache: request.from_cache,
            rejected: request.rejected,
        };
        let exchange = OnBehalfExchange {
            source: source.clone(),
            http: self.http.clone(),
            host: request.host.clone(),
            client,
            user: user.to_owned(),
            assertion: request.access_token.clone(),
            scopes: request.scopes.to_owned(),
        };
        self.tokens.get(&wanted, exchange).await
    }
}

fn argument(message: &str) -> Error {
    Error::new(Code::InvalidArgument, message)
}

/// Every failure of an exchange says that it is one. A fault of the network or of a host callback becomes the cause.
#[must_use]
pub fn exchange_failed(error: Error) -> Error {
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
