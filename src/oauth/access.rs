//! Tokens that are had without asking the user, refreshed in a task of their own.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::time::timeout;

use super::authorizer::{Authorizer, EARLY, Relation};
use super::leases::{refresh_unavailable, storage_unavailable};
use super::refresh_lock::POLL;
use super::renew::{Reason, may_pass};
use crate::clock::now_ms;
use crate::connection::{Access, AccessTokens};
use crate::error::{Code, Error, Result};
use crate::log::{Level, LogMeta};
use crate::secret::Secret;
use crate::trace::Details;

impl Authorizer {
    /// Refreshes, or shares the refresh that is under way. It runs in a task of its own, so that no caller's end can
    /// lose a token that the server has rotated already.
    async fn refresh(&self, reason: Reason) -> Result<Option<Access>> {
        let oauth = &self.0.oauth;
        let key = self.refresh_key().await?;
        let refresh = match oauth.refreshes.get(&key) {
            Some(refresh) => refresh,
            None if oauth.closing.is_cancelled() => return Err(Error::closed()),
            None => {
                let authorizer = self.clone();
                oauth.refreshes.join_lasting(&key, async move {
                    let outcome = authorizer.renew(&reason).await;
                    authorizer.log_failure(&outcome);
                    outcome
                })
            }
        };
        let refreshed = refresh.await?;
        Ok(refreshed.map(|stored| self.hand_out(stored)))
    }

    /// The same for who has a token that is still good, and waits for no lock that does not answer. The refresh goes on by
    /// itself.
    async fn refresh_soon(&self) -> Result<Option<Access>> {
        let mut refreshing = pin!(self.refresh(Reason::Due));
        loop {
            if let Ok(refreshed) = timeout(POLL, &mut refreshing).await {
                return refreshed;
            }
            if self.0.oauth.lock_answers.is_away() {
                let unanswered = Error::timeout("The host's `lock` does not answer");
                return Err(refresh_unavailable(
                    &self.0.relation.server_name,
                    unanswered,
                ));
            }
        }
    }

    /// Who shares a refresh: not another tenant's user, nor a server of this name that is another one.
    async fn refresh_key(&self) -> Result<String> {
        let Relation {
            server_url,
            options,
            ..
        } = &self.0.relation;
        let (client, token_url) = (&options.client_id, &options.token_url);
        let (tenant, key) = (self.tenant_id().await?, &self.0.key);
        Ok(json!([tenant, key, server_url.as_str(), client, token_url]).to_string())
    }

    fn log_failure<T>(&self, outcome: &Result<Option<T>>) {
        let (prefix, logger) = (&self.0.prefix, &self.0.host.logger);
        match outcome {
            Err(error) if error.code == Code::ReauthenticationRequired => {
                logger.info(format!("{prefix} {error}, will trigger OAuth flow"));
            }
            Err(error) if is_deferred(error) => {
                let message =
                    format!("{prefix} OAuth token loading failed; deferring connection recovery");
                logger.with(Level::Warn, message, LogMeta::Error(error.clone()));
            }
            Err(error) if !is_end(error) => {
                let message = format!("{prefix} Failed to refresh tokens");
                logger.with(Level::Error, message, LogMeta::Error(error.clone()));
            }
            _ => {}
        }
    }
}

/// Whether nothing failed, and the call or the runtime has ended.
fn is_end(error: &Error) -> bool {
    matches!(error.code, Code::Aborted | Code::Closed)
}

/// Whether the tokens may be good, and could not be had now. Asking the user would not help.
fn is_deferred(error: &Error) -> bool {
    matches!(
        error.code,
        Code::TokenRefreshUnavailable | Code::TokenStorageUnavailable
    )
}

/// A refresh that failed leaves only the user; why has been logged, and is told to nobody else.
fn without_refresh(outcome: Result<Option<Access>>) -> Result<Option<Access>> {
    match outcome {
        Err(error) if !is_end(&error) && !is_deferred(&error) => Ok(None),
        outcome => outcome,
    }
}

#[async_trait]
impl AccessTokens for Authorizer {
    async fn current(&self) -> Result<Option<Access>> {
        let inner = &self.0;
        let (prefix, logger) = (&inner.prefix, &inner.host.logger);
        let stored = match self.stored().await {
            Ok(stored) => stored,
            Err(error) if error.code == Code::ReauthenticationRequired => {
                self.log_failure::<Access>(&Err(error));
                return Ok(None);
            }
            Err(error) if is_end(&error) || inner.storage.is_unusable(&error) => return Err(error),
            Err(error) if may_pass(&error) => {
                let name = &inner.relation.server_name;
                let error = storage_unavailable(name, error);
                self.log_failure::<Access>(&Err(error.clone()));
                return Err(error);
            }
            Err(error) => {
                let message = format!("{prefix} Failed to retrieve tokens");
                logger.with(Level::Error, message, LogMeta::Error(error));
                return Ok(None);
            }
        };
        if let Some(stored) = &stored
            && !stored.expires_within(EARLY)
        {
            logger.info(format!("{prefix} Loaded OAuth tokens"));
            inner.endpoints.source().step("tokens-found", Details::new);
            return Ok(Some(self.hand_out(stored.clone())));
        }
        let usable = stored.filter(|stored| !stored.expires_within(Duration::ZERO));
        let refreshed = match &usable {
            Some(_) => self.refresh_soon().await,
            None => self.refresh(Reason::Due).await,
        };
        match (usable, refreshed) {
            (_, Ok(Some(access))) => Ok(Some(access)),
            (Some(usable), _) => Ok(Some(self.hand_out(usable))),
            (None, refreshed) => without_refresh(refreshed),
        }
    }

    fn is_due(&self) -> bool {
        self.0.due_at.load(Ordering::Relaxed) <= now_ms()
    }

    fn take_published(&self) -> Option<String> {
        self.0.published.lock().take()
    }

    async fn replace(&self, refused: &Secret) -> Result<Option<Access>> {
        let (prefix, logger) = (&self.0.prefix, &self.0.host.logger);
        logger.info(format!(
            "{prefix} The server refused the access token, attempting to refresh it"
        ));
        let refreshed = self.refresh(Reason::Refused(refused.clone())).await;
        let replaced = without_refresh(refreshed)?;
        Ok(replaced.filter(|access| access.token != *refused))
    }
}
