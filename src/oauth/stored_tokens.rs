//! Reading stored tokens, and refreshing them where they are worn out (`MCPTokenStorage.getTokens`).

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, json};

use super::documents::Tokens;
use super::storage::{Storage, StoredClient};
use crate::connection::now_ms;
use crate::error::{Code, Error, Result};
use crate::host::{CREDENTIAL_SET_ID, Level, LogMeta, Logger};
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

/// The stored tokens in `LibreChat`'s form, refreshed when the access token is missing or expired. `None` where a
/// refresh failed.
///
/// Fails with [`Code::ReauthenticationRequired`] where there is nothing to refresh with.
pub async fn get_tokens(
    storage: &Storage,
    refresher: Option<&dyn GrantRefresher>,
    logger: &Logger,
) -> Result<Option<Tokens>> {
    match read_or_refresh(storage, refresher, logger).await {
        Err(error) if error.code == Code::ReauthenticationRequired => Err(error),
        Err(error) => {
            let message = format!("{} Failed to retrieve tokens", storage.log_prefix());
            logger.with(Level::Error, message, LogMeta::Error(error));
            Ok(None)
        }
        outcome => outcome,
    }
}

async fn read_or_refresh(
    storage: &Storage,
    refresher: Option<&dyn GrantRefresher>,
    logger: &Logger,
) -> Result<Option<Tokens>> {
    let prefix = storage.log_prefix();
    let access = storage.bound_access().await?;
    if let Some(access) = access
        .as_ref()
        .filter(|access| !access.expires_within(Duration::ZERO))
    {
        let mut members = Map::new();
        members.insert("access_token".to_owned(), json!(access.token.expose()));
        members.insert("token_type".to_owned(), json!("Bearer"));
        let obtained_at = access.created_at.unwrap_or_else(now_ms);
        members.insert("obtained_at".to_owned(), json!(obtained_at));
        if let Some(expires_at) = access.expires_at {
            members.insert("expires_at".to_owned(), json!(expires_at));
        }
        if let Some(set) = &access.credential_set_id {
            members.insert(CREDENTIAL_SET_ID.to_owned(), json!(set));
        }
        if let Some(refresh) = storage.refresh_token_of(access).await? {
            members.insert("refresh_token".to_owned(), json!(refresh.expose()));
        }
        logger.debug(format!(
            "{prefix} Loaded existing OAuth tokens from storage"
        ));
        return Ok(Some(Tokens(members)));
    }
    let state = if access.is_some() {
        "expired"
    } else {
        "missing"
    };
    logger.info(format!("{prefix} Access token {state}"));
    if !storage.has_refresh_token().await? {
        return Err(reauthenticate(
            storage.server_name(),
            &format!("access token {state} and no refresh token available"),
        ));
    }
    let Some(refresher) = refresher else {
        logger.warn(format!(
            "{prefix} Access token {state}, refresh token available but no `refreshTokens` provided"
        ));
        return Ok(None);
    };
    refresh(storage, refresher, logger).await
}

fn reauthenticate(server_name: &str, detail: &str) -> Error {
    Error::new(
        Code::ReauthenticationRequired,
        format!("Re-authentication required for \"{server_name}\": {detail}"),
    )
}
