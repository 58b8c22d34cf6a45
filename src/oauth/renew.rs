//! Renewing a user's tokens, one process at a time.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::announcement::Announcement;
use super::authorizer::{Authorizer, EARLY, LOOK_AGAIN};
use super::fence::Fence;
use super::host_lock::{LOCK_TTL, PATIENCE};
use super::leases::{FLIGHT_POLL, Leases, refresh_unavailable, storage_unavailable};
use super::locked_refresher::LockedRefresher;
use super::refresh_lock::{LockedBy, POLL, RefreshLock};
use super::storage::{StoredAccess, Witness};
use super::stored_tokens::{self, Writing};
use crate::cancel::until_closed;
use crate::error::{Code, Error, Result};
use crate::secret::Secret;
use crate::telemetry::{Kind, Started};
use crate::trace::Details;

/// Bound on the wait for other processes: longer than the lock of one that died lasts.
const WAIT: Duration = LOCK_TTL.saturating_add(Duration::from_secs(5));

/// Why a stored token is not good enough.
pub(super) enum Reason {
    /// It is missing, expired, or about to expire.
    Due,
    /// The server refused this one.
    Refused(Secret),
}

impl Reason {
    pub fn applies_to(&self, stored: &StoredAccess) -> bool {
        match self {
            Self::Due => stored.expires_within(EARLY),
            Self::Refused(refused) => {
                stored.token == *refused || stored.expires_within(Duration::ZERO)
            }
        }
    }
}

/// Whether another try may work, so that the user is not to be asked for this.
pub(super) fn may_pass(error: &Error) -> bool {
    error.retryable || error.code == Code::HostError
}

impl Authorizer {
    /// The owned part: read, lock, read again, refresh, store, let go.
    pub(super) async fn renew(&self, reason: &Reason) -> Result<Option<StoredAccess>> {
        let renewed = match self.renew_where_due(reason).await {
            Err(error) if may_pass(&error) => self.found_since(reason).await.map(Some).ok_or(error),
            renewed => renewed,
        };
        match renewed {
            Err(error) if may_pass(&error) => Err(match self.leases().await {
                Ok(Some(leases)) => leases.refresh_unavailable(error),
                _ if matches!(error.code, Code::HostError | Code::HostTimeout) => {
                    storage_unavailable(&self.0.relation.server_name, error)
                }
                _ => error,
            }),
            renewed => renewed,
        }
    }

    /// What others have stored while a process was held up that has heard no answer in time.
    async fn found_since(&self, reason: &Reason) -> Option<StoredAccess> {
        let looking = timeout(LOOK_AGAIN, self.stored_for(reason));
        let elsewhere = looking.await.ok()?.ok()??;
        let leases = self.leases().await.ok()?;
        let flight = leases.filter(|leases| leases.coordinate());
        let announcement = Announcement::new(&self.0);
        let adopting = self.adopt(reason, elsewhere, flight, &announcement);
        adopting.await.ok()
    }

    async fn renew_where_due(&self, reason: &Reason) -> Result<Option<StoredAccess>> {
        if let Some(elsewhere) = self.stored_for(reason).await? {
            return Ok(Some(elsewhere));
        }
        let leases = self.leases().await?;
        if let (Some(leases), Reason::Refused(refused)) = (leases, reason) {
            self.note_refusal(refused, leases).await;
        }
        // Without anything to refresh with, nobody has to wait for anybody.
        if !self.0.storage.has_refresh_token().await? {
            return Ok(None);
        }
        self.lock_and_renew(reason, leases).await
    }

    async fn lock_and_renew(
        &self,
        reason: &Reason,
        leases: Option<&Leases>,
    ) -> Result<Option<StoredAccess>> {
        let inner = &self.0;
        let relation = &inner.relation;
        let announcement = Announcement::new(inner);
        let mut fence = None;
        if let Some(leases) = leases {
            let beside = self.beside(leases).await?;
            fence = Fence::begin(leases, beside).await?;
            if fence.is_none() {
                self.log_teardown();
                return Ok(None);
            }
        }
        let mut writing = Writing {
            fence,
            witness: &announcement,
        };
        let flight = leases.filter(|leases| leases.coordinate());
        let (by, wait, poll) = match (flight, self.host_lock()) {
            (Some(leases), _) => (LockedBy::Lease(leases), leases.refresh_wait(), FLIGHT_POLL),
            (None, Some(lock)) => (LockedBy::Lock(lock), WAIT, POLL),
            (None, None) => (LockedBy::Claim, WAIT, POLL),
        };
        let until = Instant::now() + wait;
        let flow_id = self.flow_id().await?;
        let mut held_at = None;
        let mut patience = Some(Instant::now() + PATIENCE);
        loop {
            let are_flows_away = writing.fence.as_ref().is_some_and(Fence::is_away);
            let attempting = RefreshLock::attempt(by, &inner.flows, flow_id, are_flows_away);
            let attempted = match by {
                // A call that waits any longer fails for its connection's time.
                LockedBy::Lock(_) => timeout_at(until, attempting).await.unwrap_or(Ok(None)),
                LockedBy::Lease(_) | LockedBy::Claim => attempting.await,
            };
            let attempted = match (attempted, by) {
                (Err(error), LockedBy::Lock(lock)) => {
                    self.without_lock(reason, lock, held_at, error).await?
                }
                (attempted, _) => {
                    held_at = Some(Instant::now());
                    attempted?
                }
            };
            if let Some(lock) = attempted {
                let outcome = self.renew_locked(reason, &lock, &mut writing, flight).await;
                let renewed = outcome.as_ref().ok().and_then(Option::as_ref);
                let tokens = renewed.map(|access| announcement.published(access.to_tokens()));
                let (is_over, is_alone) = (lock.is_over(), lock.is_alone());
                lock.end(tokens, &inner.host.logger).await;
                // Others may not have waited for whoever was held up, or is alone.
                let elsewhere = match &outcome {
                    Err(error) if is_alone && !may_pass(error) => self.stored_soon(reason).await?,
                    Err(_) if is_over => self.stored_for(reason).await?,
                    _ => None,
                };
                let Some(elsewhere) = elsewhere else {
                    return outcome;
                };
                let adopted = self.adopt(reason, elsewhere, flight, &announcement).await;
                return adopted.map(Some);
            }
            // Whoever has the lock may have died after storing what it got.
            if let Some(elsewhere) = self.stored_for(reason).await? {
                let adopted = self.adopt(reason, elsewhere, flight, &announcement).await;
                return adopted.map(Some);
            }
            if Instant::now() >= until {
                const STUCK: &str = "Another process refreshes the tokens and does not finish";
                return Err(match by {
                    LockedBy::Lease(leases) => leases.another_refreshes(),
                    LockedBy::Lock(lock) => {
                        refresh_unavailable(&relation.server_name, lock.is_kept())
                    }
                    // A claim of a process that died may last for as long as a login does.
                    LockedBy::Claim => Error::timeout(STUCK),
                });
            }
            if matches!(by, LockedBy::Lock(_))
                && patience.take_if(|end| Instant::now() >= *end).is_some()
                && self.is_still_good(reason).await?
            {
                let held = Error::timeout("Another process refreshes the tokens");
                return Err(refresh_unavailable(&relation.server_name, held));
            }
            until_closed(&inner.oauth.closing, tokio::time::sleep(poll)).await?;
        }
    }

    async fn renew_locked(
        &self,
        reason: &Reason,
        lock: &RefreshLock,
        writing: &mut Writing<'_>,
        flight: Option<&Leases>,
    ) -> Result<Option<StoredAccess>> {
        let inner = &self.0;
        if let Some(elsewhere) = self.stored_for(reason).await? {
            let adopted = self.adopt(reason, elsewhere, flight, writing.witness);
            return adopted.await.map(Some);
        }
        if let Some(fence) = &mut writing.fence
            && !fence.settle(lock.is_alone()).await?
        {
            self.log_teardown();
            return Ok(None);
        }
        let locked = LockedRefresher {
            inner,
            send_by: lock.send_by(),
            prover: OnceLock::new(),
        };
        let relation = &inner.relation;
        let started = Started::now(
            Kind::TokenRefresh,
            &relation.server_name,
            Some(&relation.user_id),
        );
        let (storage, logger) = (&inner.storage, &inner.host.logger);
        let outcome = stored_tokens::refresh(storage, &locked, writing, logger).await;
        let operation = started.ended_with(outcome.as_ref());
        inner.oauth.metrics.record(operation, logger);
        let refreshed = outcome?;
        if refreshed.is_some() {
            inner.endpoints.source().step("tokens-stored", Details::new);
        }
        let prover = locked.prover.into_inner();
        Ok(refreshed.map(|tokens| StoredAccess {
            prover,
            token: tokens.access_token(),
            expires_at: tokens.expires_at(),
            created_at: None,
            credential_set_id: tokens.credential_set_id().map(str::to_owned),
        }))
    }

    fn log_teardown(&self) {
        let (prefix, logger) = (&self.0.prefix, &self.0.host.logger);
        logger.debug(format!(
            "{prefix} Skipping token refresh while OAuth teardown owns the lease"
        ));
    }

    /// Uses what another process has stored, when whoever writes now is done and has not put it back.
    async fn adopt(
        &self,
        reason: &Reason,
        elsewhere: StoredAccess,
        flight: Option<&Leases>,
        witness: &dyn Witness,
    ) -> Result<StoredAccess> {
        let Some(leases) = flight else {
            return Ok(elsewhere);
        };
        let adopted = async {
            let superseded = || leases.storage_unavailable("Adopted credential was superseded");
            let now = self.stored_for(reason).await?.ok_or_else(superseded)?;
            witness.adopted(&now.to_tokens()).await?;
            Ok(now)
        };
        leases
            .fenced("OAuth adoption fence unavailable", adopted)
            .await
    }

    /// A stored token that the reason does not apply to: somebody else has refreshed meanwhile.
    pub(super) async fn stored_for(&self, reason: &Reason) -> Result<Option<StoredAccess>> {
        let inner = &self.0;
        // One that cannot be read is as good as none; refreshing replaces it.
        let stored = match self.stored().await {
            Err(error) if error.code == Code::TokenStore => None,
            stored => stored?,
        };
        let good = stored.filter(|stored| !reason.applies_to(stored));
        if good.is_some() {
            let (prefix, logger) = (&inner.prefix, &inner.host.logger);
            logger.debug(format!(
                "{prefix} Tokens were refreshed elsewhere meanwhile, using those"
            ));
        }
        Ok(good)
    }
}
