//! Reading stored tokens, and refreshing them where they are worn out (`MCPTokenStorage.getTokens`).

use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::documents::Tokens;
use super::storage::{Storage, StoredClient};
use crate::error::{Code, Error, Result};
use crate::host::{Level, LogMeta, Logger};
use crate::secret::Secret;
use crate::server_config::is_invalid_client_message;

/// Sends a refresh request.
#[async_trait]
pub trait GrantRefresher: Send + Sync {
    async fn refresh(
        &self,
        refresh_token: &Secret,
        client: Option<&StoredClient>,
    ) -> Result<Tokens>;
}

/// Refreshes and stores; a rotated token is stored before anybody gets to use what came with it. `None` without a
/// refresh token.
///
/// Fails with [`Code::ReauthenticationRequired`] when the server no longer knows the client, whose rows are then gone,
/// and with what the request or the store failed with.
pub async fn refresh(
    storage: &Storage,
    refresher: &dyn GrantRefresher,
    logger: &Logger,
) -> Result<Option<Tokens>> {
    let prefix = storage.log_prefix();
    // The client says whose the refresh token is. Where it cannot be read, the token is sent nowhere.
    let Some(grant) = storage.grant().await? else {
        return Ok(None);
    };
    logger.info(format!("{prefix} Attempting to refresh token"));
    let client = grant.client.as_ref();
    let tokens = match refresher.refresh(&grant.refresh_token, client).await {
        Ok(tokens) => tokens,
        // The registration stays: it is only this grant that it may not use.
        Err(error) if error.message.to_lowercase().contains("unauthorized_client") => {
            logger.info(format!(
                "{prefix} Server does not support refresh tokens for this client. New authentication required."
            ));
            return Err(error);
        }
        Err(error) if is_invalid_client_message(&error.message) && !storage.deletes() => {
            logger.warn(format!(
                "{prefix} Client registration rejected during token refresh but deleteTokens not available — stale \
                 registration cannot be cleared"
            ));
            return Err(error);
        }
        Err(error) if is_invalid_client_message(&error.message) => {
            logger.info(format!(
                "{prefix} Client registration rejected during token refresh, attempting to clear stale registration and \
                 refresh token"
            ));
            storage.forget_client(grant.credential_set_id()).await;
            return Err(reauthenticate(
                storage.server_name(),
                "stored client registration is no longer valid",
            )
            .caused_by(error));
        }
        Err(error) => return Err(error),
    };
    let tokens = storage.store_refreshed(&tokens, &grant).await?;
    logger.info(format!(
        "{prefix} Successfully refreshed and stored OAuth tokens"
    ));
    Ok(Some(tokens))
}

/// The same as a function of `MCPTokenStorage`: `None` where the refresh failed, which is logged.
///
/// Fails with [`Code::ReauthenticationRequired`].
pub async fn redeem(
    storage: &Storage,
    refresher: &dyn GrantRefresher,
    logger: &Logger,
) -> Result<Option<Tokens>> {
    or_logged(
        refresh(storage, refresher, logger).await,
        storage,
        logger,
        "Failed to refresh tokens",
    )
}

/// What is stored.
pub enum Stored {
    /// In `LibreChat`'s form, with the refresh token.
    Valid(Tokens),
    /// There is something to refresh with.
    Refreshable,
    /// It cannot be read.
    Unknown,
}

/// The stored tokens.
///
/// Fails with [`Code::ReauthenticationRequired`] where they are worn out and there is nothing to refresh them with.
pub async fn stored_tokens(storage: &Storage, logger: &Logger) -> Result<Stored> {
    let read = read(storage, logger).await.map(Some);
    let read = or_logged(read, storage, logger, "Failed to retrieve tokens")?;
    Ok(read.unwrap_or(Stored::Unknown))
}

fn or_logged<T>(
    outcome: Result<Option<T>>,
    storage: &Storage,
    logger: &Logger,
    failure: &str,
) -> Result<Option<T>> {
    match outcome {
        Err(error) if error.code == Code::ReauthenticationRequired => Err(error),
        Err(error) => {
            let message = format!("{} {failure}", storage.log_prefix());
            logger.with(Level::Error, message, LogMeta::Error(error));
            Ok(None)
        }
        outcome => outcome,
    }
}

async fn read(storage: &Storage, logger: &Logger) -> Result<Stored> {
    let prefix = storage.log_prefix();
    let access = storage.bound_access().await?;
    if let Some(access) = access
        .as_ref()
        .filter(|access| !access.expires_within(Duration::ZERO))
    {
        let mut tokens = access.to_tokens();
        if let Some(refresh) = storage.refresh_token_of(access).await? {
            let refresh = json!(refresh.expose());
            tokens.0.insert("refresh_token".to_owned(), refresh);
        }
        logger.debug(format!(
            "{prefix} Loaded existing OAuth tokens from storage"
        ));
        return Ok(Stored::Valid(tokens));
    }
    let state = if access.is_some() {
        "expired"
    } else {
        "missing"
    };
    logger.info(format!("{prefix} Access token {state}"));
    if storage.has_refresh_token().await? {
        return Ok(Stored::Refreshable);
    }
    Err(reauthenticate(
        storage.server_name(),
        &format!("access token {state} and no refresh token available"),
    ))
}

fn reauthenticate(server_name: &str, detail: &str) -> Error {
    Error::new(
        Code::ReauthenticationRequired,
        format!("Re-authentication required for \"{server_name}\": {detail}"),
    )
}
