//! Reading stored tokens, and refreshing them where they are worn out (`MCPTokenStorage.getTokens`).

use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::documents::Tokens;
use super::fence::Fence;
use super::leases::is_final_refusal;
use super::storage::{Seen, SeenAccess, Storage, StoredAccess, StoredClient, Witness};
use crate::error::{Code, Error, Result};
use crate::log::Logger;
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

/// How what a refresh brings is stored.
pub struct Writing<'a> {
    /// Where the host has leases.
    pub fence: Option<Fence<'a>>,
    pub witness: &'a dyn Witness,
}

/// Refreshes and stores; a rotated token is stored before anybody gets to use what came with it. `None` without a
/// refresh token; with leases also where the grant is of no more use, or was torn down meanwhile.
///
/// Fails with [`Code::ReauthenticationRequired`] when the server no longer knows the client, whose rows are then gone,
/// and with what the request or the store failed with.
pub async fn refresh(
    storage: &Storage,
    refresher: &dyn GrantRefresher,
    writing: &Writing<'_>,
    logger: &Logger,
) -> Result<Option<Tokens>> {
    let prefix = storage.log_prefix();
    let is_fenced = writing.fence.is_some();
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
            return if is_fenced { Ok(None) } else { Err(error) };
        }
        Err(error) if is_fenced && is_final_refusal(&error) => {
            logger.info(format!(
                "{prefix} Refresh grant is no longer valid. New authentication required."
            ));
            return Ok(None);
        }
        Err(error) if is_invalid_client_message(&error.message) && !storage.deletes() => {
            logger.warn(format!(
                "{prefix} Client registration rejected during token refresh but deleteTokens not available — stale \
                 registration cannot be cleared"
            ));
            return if is_fenced { Ok(None) } else { Err(error) };
        }
        Err(error) if is_invalid_client_message(&error.message) => {
            logger.info(format!(
                "{prefix} Client registration rejected during token refresh, attempting to clear stale registration and \
                 refresh token"
            ));
            writing.witness.preparing().await?;
            storage.forget_client(grant.credential_set_id()).await;
            writing.witness.cleared().await?;
            return Err(reauthenticate(
                storage.server_name(),
                "stored client registration is no longer valid",
            )
            .caused_by(error));
        }
        Err(error) => return Err(error),
    };
    let stored = storage.store_refreshed(&tokens, &grant, writing.witness);
    let tokens = match &writing.fence {
        Some(fence) => {
            let Some(admitted) = fence.admit().await? else {
                logger.debug(format!(
                    "{prefix} Discarding refresh response superseded by OAuth teardown"
                ));
                return Ok(None);
            };
            let outcome = stored.await;
            admitted.release().await;
            outcome?
        }
        None => stored.await?,
    };
    logger.info(format!(
        "{prefix} Successfully refreshed and stored OAuth tokens"
    ));
    Ok(Some(tokens))
}

/// What is stored.
pub enum Stored {
    /// In `LibreChat`'s form, with the refresh token.
    Valid(Tokens),
    /// There is something to refresh with.
    Refreshable(Seen),
}

/// The stored tokens.
///
/// Fails with [`Code::ReauthenticationRequired`] where they are worn out and there is nothing to refresh them with, and
/// with what the store failed with.
pub async fn stored_tokens(storage: &Storage, logger: &Logger) -> Result<Stored> {
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
    if let Some(refresh) = storage.refresh_row().await? {
        let access = access.map_or(SeenAccess::Missing, |access: StoredAccess| {
            SeenAccess::OfSet(access.credential_set_id)
        });
        return Ok(Stored::Refreshable(Seen {
            access: Some(access),
            refresh: Some(refresh),
            refused: None,
        }));
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
