//! A refresh that a caller of `MCPTokenStorage`'s functions asks for.

use tokio::time::Instant;

use super::documents::Tokens;
use super::fence::Fence;
use super::leases::{FENCE_UNAVAILABLE, FLIGHT_POLL, Leases};
use super::storage::{Seen, Storage, Witness};
use super::stored_tokens::{self, GrantRefresher, Stored, Writing};
use crate::error::{Code, Result};
use crate::log::{Level, LogMeta, Logger};

/// What it is made with.
pub struct Redemption<'a> {
    pub storage: &'a Storage,
    pub refresher: &'a dyn GrantRefresher,
    /// Of a caller that gives its flow manager.
    pub leases: Option<&'a Leases>,
    pub seen: Seen,
    pub witness: &'a dyn Witness,
    pub logger: &'a Logger,
}

impl Redemption<'_> {
    /// `None` where only the user can help, which is logged.
    ///
    /// Fails with [`Code::ReauthenticationRequired`]; with leases also with [`Code::TokenRefreshUnavailable`] and
    /// [`Code::TokenStorageUnavailable`], where without them whatever else fails is logged, and `None`.
    pub async fn redeem(mut self) -> Result<Option<Tokens>> {
        let outcome = match self.leases {
            Some(leases) => self.leased(leases).await,
            None => self.refresh(None).await,
        };
        match outcome {
            Err(error) if error.code == Code::ReauthenticationRequired => Err(error),
            Err(error) => {
                let message = format!("{} Failed to refresh tokens", self.storage.log_prefix());
                let meta = LogMeta::Error(error.clone());
                self.logger.with(Level::Error, message, meta);
                match self.leases {
                    Some(leases) => Err(leases.refresh_unavailable(error)),
                    None => Ok(None),
                }
            }
            outcome => outcome,
        }
    }

    async fn refresh(&self, fence: Option<Fence<'_>>) -> Result<Option<Tokens>> {
        let writing = Writing {
            fence,
            witness: self.witness,
        };
        stored_tokens::refresh(self.storage, self.refresher, &writing, self.logger).await
    }

    async fn leased(&mut self, leases: &Leases) -> Result<Option<Tokens>> {
        let prefix = self.storage.log_prefix();
        let Some(generation) = leases.generation().await? else {
            self.logger.debug(format!(
                "{prefix} Skipping token refresh while OAuth teardown owns the lease"
            ));
            return Ok(None);
        };
        if let Some(Some(refused)) = &self.seen.refused {
            mark_rejected(self.storage, Some(leases), refused, self.logger).await;
        }
        let fence = Some(Fence::exact(leases, generation));
        if !leases.coordinate() {
            return self.unless_changed(fence).await;
        }
        if self.seen.refresh.is_none() {
            // Without it, what another process stores meanwhile is not recognized, and refreshed once more.
            self.seen.refresh = self.storage.refresh_row().await.unwrap_or_default();
        }
        let until = Instant::now() + leases.refresh_wait();
        let mut is_announced = false;
        let flight = loop {
            if let Some(flight) = leases.flight().await? {
                break flight;
            }
            if Instant::now() >= until {
                return Err(leases.another_refreshes());
            }
            if !std::mem::replace(&mut is_announced, true) {
                self.logger.debug(format!(
                    "{prefix} Waiting for a token refresh held by another replica"
                ));
            }
            tokio::time::sleep(FLIGHT_POLL).await;
        };
        let outcome = match self.storage.is_rotated(&self.seen).await {
            Ok(true) => self.adopt(leases).await.map(Some),
            Ok(false) => self.unless_changed(fence).await,
            Err(error) => Err(error),
        };
        leases.release(flight).await;
        outcome
    }

    async fn unless_changed(&self, fence: Option<Fence<'_>>) -> Result<Option<Tokens>> {
        if self.storage.has_changed_since(&self.seen).await? {
            return Err(crate::error::Error::timeout(
                "OAuth credential changed before redemption",
            ));
        }
        self.refresh(fence).await
    }

    /// What another process has refreshed is used, and not refreshed again.
    async fn adopt(&self, leases: &Leases) -> Result<Tokens> {
        let superseded = || leases.storage_unavailable("Adopted credential was superseded");
        let adopted = async {
            let stored = stored_tokens::stored_tokens(self.storage, self.logger).await?;
            let Stored::Valid(tokens) = stored else {
                return Err(superseded());
            };
            let prefix = self.storage.log_prefix();
            self.logger.info(format!(
                "{prefix} Adopted tokens rotated by another replica"
            ));
            self.witness.adopted(&tokens).await?;
            Ok(tokens)
        };
        leases
            .fenced("OAuth adoption fence unavailable", adopted)
            .await
    }
}

/// Notes that a server refused a set. Where that fails, nothing else does.
pub async fn mark_rejected(
    storage: &Storage,
    leases: Option<&Leases>,
    credential_set_id: &str,
    logger: &Logger,
) {
    let mark = storage.mark_rejected(credential_set_id);
    let marked = match leases {
        Some(leases) => leases.fenced(FENCE_UNAVAILABLE, mark).await,
        None => mark.await,
    };
    if let Err(error) = marked {
        let message = format!(
            "{} Failed to record upstream OAuth rejection",
            storage.log_prefix()
        );
        logger.with(Level::Warn, message, LogMeta::Error(error));
    }
}
