//! What the runtime itself does with the tokens of a login.

use std::time::Duration;

use tokio::time::Instant;

use super::announcement::{Announcement, tell_of_flow};
use super::authorizer::Authorizer;
use super::documents::Tokens;
use super::leases::{ADMISSIONS, Leases};
use super::pending::Pending;
use super::refresh_lock;
use crate::error::{Code, Error, Result};
use crate::trace::Details;

/// `LibreChat`'s callback completes the flow first and stores the tokens then; so long it is left to do so.
const STORE_GRACE: Duration = Duration::from_millis(500);
const STORE_POLL: Duration = Duration::from_millis(50);

impl Authorizer {
    /// Keeps them, and tells the caller under which generation somebody else has published them.
    pub(super) async fn keep_and_tell(&self, tokens: &Tokens, pending: &Pending) -> Result<()> {
        self.keep(tokens, pending).await?;
        tell_of_flow(&self.0, tokens).await
    }

    /// Stores the tokens of a completed flow unless whoever completed it does so. Under the lock of the flow.
    pub(super) async fn keep(&self, tokens: &Tokens, pending: &Pending) -> Result<()> {
        let storage = &self.0.storage;
        let until = Instant::now() + STORE_GRACE;
        let access = tokens.access_token();
        loop {
            let stored = storage.access().await.ok().flatten();
            if stored.is_some_and(|stored| stored.token == access) {
                return Ok(());
            }
            if Instant::now() >= until {
                break;
            }
            tokio::time::sleep(STORE_POLL).await;
        }
        self.store_login(tokens, pending).await?;
        let (prefix, logger) = (&self.0.prefix, &self.0.host.logger);
        logger.info(format!("{prefix} OAuth tokens saved to storage"));
        Ok(())
    }

    /// Stores them, and tells who waits for tokens.
    pub(super) async fn store_login(&self, tokens: &Tokens, pending: &Pending) -> Result<Tokens> {
        let inner = &self.0;
        let announcement = Announcement::new(inner);
        let client = pending.client.as_ref();
        let client = client.map(|client| (client, pending.server.as_ref()));
        let store = inner.storage.store(tokens, client, &announcement);
        let stored = match &pending.fence {
            // An uninstall may have overtaken the flow; nobody would look for tokens that are stored after it.
            Some((leases, generation)) => leases.fenced_in(*generation, store).await?,
            None => store.await?,
        };
        inner.endpoints.source().step("tokens-stored", Details::new);
        if let Some(epoch) = &inner.relation.epoch {
            // What processes have is of the login before.
            epoch.begin_epoch().await;
        }
        let told = async {
            let flow_id = self.flow_id().await?;
            let tokens = announcement.published(stored.clone());
            refresh_lock::tell(&*inner.flows, flow_id, tokens).await
        };
        if let Err(error) = told.await {
            let (prefix, logger) = (&inner.prefix, &inner.host.logger);
            logger.warn(format!(
                "{prefix} Who waits for the tokens of before could not be told of new ones: {error}"
            ));
        }
        Ok(stored)
    }

    /// The generation that a flow is begun or joined in, where the host has leases.
    ///
    /// Fails with [`Code::OAuthFlowFailed`] during a teardown.
    pub(super) async fn fence_of_flow(&self) -> Result<Option<(Leases, i64)>> {
        let Some(leases) = self.leases().await? else {
            return Ok(None);
        };
        let generation = leases.generation().await?;
        let generation = generation
            .ok_or_else(|| Error::new(Code::OAuthFlowFailed, "OAuth teardown in progress"))?;
        Ok(Some((leases.clone(), generation)))
    }
}

/// Begins a flow in the generation that it is for.
pub(super) async fn begin_under(
    fence: Option<&(Leases, i64)>,
    work: impl Future<Output = Result<()>>,
) -> Result<()> {
    let Some((leases, generation)) = fence else {
        return work.await;
    };
    let admitted = leases
        .until_closing(leases.admit(*generation, ADMISSIONS))
        .await?;
    let Some(admitted) = admitted else {
        let problem = "OAuth initiation superseded by teardown";
        return Err(Error::new(Code::OAuthFlowFailed, problem));
    };
    let outcome = work.await;
    leases.release(admitted).await;
    outcome
}
