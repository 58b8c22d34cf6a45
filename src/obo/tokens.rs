//! Tokens that are exchanged for users: what the caches hold, else one exchange for all who want the same.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::Grant;
use super::cache::{LocalCache, Shared};
use super::entry::Entry;
use super::key::CacheKey;
use crate::cancel::until_closed;
use crate::error::Result;
use crate::flights::Flights;
use crate::host::{Host, Standing};
use crate::secret::Secret;
use crate::telemetry::{Kind, Metrics, Started};
use crate::trace::{Details, Source};

/// How one token is got that no cache holds.
#[async_trait]
pub trait Exchanging: Send + Sync {
    async fn exchange(&self) -> Result<Grant>;
}

/// Which token, and what is known of it.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub host: &'a Host,
    pub source: &'a Source,
    pub key: CacheKey,
    /// Who speaks in the log, and what the token is called there.
    pub service: &'static str,
    pub name: &'static str,
    /// Whom it is for, as the log calls them.
    pub user: &'a str,
    pub user_id: Option<&'a str>,
    pub scopes: &'a str,
    /// Whether a token in one of the caches will do.
    pub from_cache: bool,
    /// A token that will not do.
    pub rejected: Option<&'a Secret>,
}

/// The exchanged tokens of one runtime. Cheap to clone.
#[derive(Clone)]
pub struct ExchangedTokens(Arc<Inner>);

struct Inner {
    local: LocalCache,
    /// Of the host's cache.
    standing: Standing,
    flights: Flights<CacheKey, Entry>,
    closing: CancellationToken,
    metrics: Arc<Metrics>,
}

impl ExchangedTokens {
    /// Exchanges run in `tasks` and end with `closing`.
    #[must_use]
    pub fn new(tasks: TaskTracker, closing: CancellationToken, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Inner {
            local: LocalCache::default(),
            standing: Standing::new("exchangedTokens"),
            flights: Flights::new(tasks, "Internal error during the token exchange"),
            closing,
            metrics,
        }))
    }

    /// The token. Dropping the future leaves exchanges that others wait for alone.
    pub async fn get(
        &self,
        wanted: &Wanted<'_>,
        exchanging: impl Exchanging + 'static,
    ) -> Result<Entry> {
        let (key, rejected) = (wanted.key, wanted.rejected);
        let is_rejected = |entry: &Entry| rejected == Some(&entry.token);
        if let (true, Some(entry)) = (wanted.from_cache, self.0.local.get(&key)) {
            if !is_rejected(&entry) {
                self.0.metrics.looked_up("hit");
                wanted.debug("Using cached token");
                wanted.source.step("obo-cache-hit", Details::new);
                return Ok(entry);
            }
            self.0.local.remove(&key);
        }
        let exchanging: Arc<dyn Exchanging> = Arc::new(exchanging);
        let exchange = |from_cache| {
            let job = Job {
                tokens: Arc::clone(&self.0),
                host: wanted.host.clone(),
                source: wanted.source.clone(),
                key,
                service: wanted.service,
                name: wanted.name,
                user: wanted.user.to_owned(),
                user_id: wanted.user_id.map(str::to_owned),
                scopes: wanted.scopes.to_owned(),
                from_cache,
                rejected: rejected.cloned(),
                exchanging: Arc::clone(&exchanging),
            };
            async move {
                let closing = job.tokens.closing.clone();
                until_closed(&closing, job.run()).await?
            }
        };
        if wanted.from_cache {
            let joined = self.0.flights.get(&key);
            if joined.is_some() {
                wanted.debug(&format!("Joining in-flight {} exchange", wanted.name));
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

impl Wanted<'_> {
    fn debug(&self, what: &str) {
        self.host
            .logger
            .debug(format!("{} {what} for user: {}", self.service, self.user));
    }
}

/// Everything one exchange needs, so that it can run in a task of its own.
struct Job {
    tokens: Arc<Inner>,
    host: Host,
    source: Source,
    key: CacheKey,
    service: &'static str,
    name: &'static str,
    user: String,
    user_id: Option<String>,
    scopes: String,
    from_cache: bool,
    rejected: Option<Secret>,
    exchanging: Arc<dyn Exchanging>,
}

impl Job {
    async fn run(self) -> Result<Entry> {
        let (local, metrics) = (&self.tokens.local, &self.tokens.metrics);
        // Another flight may have ended after the caller has looked.
        if let (true, Some(entry)) = (self.from_cache, local.get(&self.key))
            && self.rejected.as_ref() != Some(&entry.token)
        {
            metrics.looked_up("hit");
            self.debug("Using cached token");
            self.source.step("obo-cache-hit", Details::new);
            return Ok(entry);
        }
        let shared = Shared::of(&self.host, &self.tokens.standing);
        if let (true, Some(shared)) = (self.from_cache, &shared)
            && let Some(entry) = shared.get(&self.key).await
        {
            if self.rejected.as_ref() != Some(&entry.token) {
                metrics.looked_up("shared_hit");
                self.debug("Using cached token");
                self.source.step("obo-cache-hit", Details::new);
                local.insert(self.key, entry.clone());
                return Ok(entry);
            }
            shared.remove(&self.key).await;
        }
        self.host.logger.debug(format!(
            "{} Requesting new {} token for user: {}, scopes: {}",
            self.service, self.name, self.user, self.scopes
        ));
        metrics.looked_up("miss");
        let started = Started::now(Kind::TokenExchange, "", self.user_id.as_deref());
        let outcome = self.exchanging.exchange().await;
        let operation = started.ended_with(outcome.as_ref());
        metrics.record(operation, &self.host.logger);
        let grant = outcome?;
        let entry = Entry::new(grant.token, grant.lifetime);
        if grant.may_be_cached {
            local.insert(self.key, entry.clone());
            if let Some(shared) = shared {
                shared.set(&self.key, &entry).await;
            }
        }
        self.debug(&format!("Successfully obtained {} token", self.name));
        Ok(entry)
    }

    fn debug(&self, what: &str) {
        self.host
            .logger
            .debug(format!("{} {what} for user: {}", self.service, self.user));
    }
}
