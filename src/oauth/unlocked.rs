//! Refreshes while the host's lock is away. Without them nobody's token would be renewed until its store is back; with
//! them a user may have to sign in again whose token two processes renew at the same moment, at a server that revokes then.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::authorizer::Authorizer;
use super::host_lock::{HostLock, LOCK_TTL, is_away};
use super::leases::{refresh_unavailable, storage_unavailable};
use super::refresh_lock::{POLL, RefreshLock};
use super::renew::Reason;
use super::storage::StoredAccess;
use crate::cancel::until_closed;
use crate::error::{Code, Error, Result};

/// How long another process may take to store what it was given for the refresh token: as long as readers look.
const STORING: Duration = Duration::from_secs(1);

impl Authorizer {
    /// What becomes of a refresh whose lock has failed. `None` while another process that had the lock, which was seen
    /// last at `held_at`, may still refresh.
    ///
    /// Fails with [`Code::TokenRefreshUnavailable`] for a token that is still good, and with
    /// [`Code::TokenStorageUnavailable`] where the new tokens could not be stored.
    pub(super) async fn without_lock(
        &self,
        reason: &Reason,
        lock: HostLock<'_>,
        held_at: Option<Instant>,
        error: Error,
    ) -> Result<Option<RefreshLock>> {
        let inner = &self.0;
        let name = &inner.relation.server_name;
        if !is_away(&error) || self.is_still_good(reason).await? {
            return Err(refresh_unavailable(name, error));
        }
        if held_at.is_some_and(|at| at.elapsed() < LOCK_TTL) {
            return Ok(None);
        }
        let trial = inner.storage.try_writing().await;
        trial.map_err(|error| storage_unavailable(name, error))?;
        lock.do_without(&error);
        Ok(Some(RefreshLock::alone()))
    }

    pub(super) async fn is_still_good(&self, reason: &Reason) -> Result<bool> {
        match (reason, self.stored().await) {
            (Reason::Refused(_), _) => Ok(false),
            (Reason::Due, Err(error)) if error.code == Code::TokenStore => Ok(false),
            (Reason::Due, stored) => {
                let stored = stored?;
                Ok(stored.is_some_and(|stored| !stored.expires_within(Duration::ZERO)))
            }
        }
    }

    /// What another process stores that has used the same refresh token first.
    pub(super) async fn stored_soon(&self, reason: &Reason) -> Result<Option<StoredAccess>> {
        let until = Instant::now() + STORING;
        loop {
            let stored = self.stored_for(reason).await?;
            if stored.is_some() || Instant::now() >= until {
                return Ok(stored);
            }
            until_closed(&self.0.oauth.closing, sleep(POLL)).await?;
        }
    }
}
