//! One user's rows for one server in `LibreChat`'s token collection, byte-compatible with
//! `packages/api/src/mcp/oauth/tokens.ts` in both directions.
//!
//! Access token, refresh token and client are three rows. Which of them belong together says the credential set in
//! their metadata: every login and every refresh makes a new one. Rows of older `LibreChat`s have none.

mod attempts;
mod commit;
mod read;
mod rejection;
mod rows;
mod seen;
mod write;

pub(super) use self::attempts::PAUSE;
pub use self::commit::{Unwitnessed, Witness};
pub use self::seen::{Seen, SeenAccess};

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use self::rows::Kind;
use super::cipher::Cipher;
use super::documents::{ClientInfo, Tokens, text};
use crate::clock::now_ms;
use crate::error::{Code, Error, Result};
use crate::host::{CREDENTIAL_SET_ID, Host, TokenRow, TokenStore};
use crate::log::{Logger, log_prefix};
use crate::secret::Secret;

/// The member of a client's metadata that says which credential set a server has refused.
pub(super) const REJECTED_SET_ID: &str = "rejected_credential_set_id";

/// An access token as it was stored.
#[derive(Debug, Clone)]
pub struct StoredAccess {
    pub token: Secret,
    /// Milliseconds since the epoch.
    pub expires_at: Option<i64>,
    /// Milliseconds since the epoch.
    pub created_at: Option<i64>,
    pub credential_set_id: Option<String>,
}

impl StoredAccess {
    /// As tokens: `LibreChat`'s `MCPOAuthTokens`, without the refresh token.
    #[must_use]
    pub fn to_tokens(&self) -> Tokens {
        let mut members = Map::new();
        let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
        set("access_token", json!(self.token.expose()));
        set("token_type", json!("Bearer"));
        set("obtained_at", json!(self.created_at.unwrap_or_else(now_ms)));
        if let Some(expires_at) = self.expires_at {
            set("expires_at", json!(expires_at));
        }
        if let Some(id) = &self.credential_set_id {
            set(CREDENTIAL_SET_ID, json!(id));
        }
        Tokens(members)
    }

    /// Whether the token will have expired `margin` from now.
    #[must_use]
    pub fn expires_within(&self, margin: Duration) -> bool {
        let margin = i64::try_from(margin.as_millis()).unwrap_or(i64::MAX);
        self.expires_at
            .is_some_and(|end| end <= now_ms().saturating_add(margin))
    }
}

/// A client registration as it was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredClient {
    pub client: ClientInfo,
    /// Metadata of the authorization server it is for.
    pub metadata: Map<String, Value>,
}

impl StoredClient {
    #[must_use]
    pub fn credential_set_id(&self) -> Option<&str> {
        text(&self.metadata, CREDENTIAL_SET_ID)
    }
}

/// A refresh token, whose it is, and the rows that say so.
pub struct Grant {
    pub refresh_token: Secret,
    /// `None` where no row says it.
    pub client: Option<StoredClient>,
    refresh_row: TokenRow,
    client_row: Option<TokenRow>,
}

impl Grant {
    /// The credential set that is refreshed; `None` for rows of older `LibreChat`s.
    #[must_use]
    pub fn credential_set_id(&self) -> Option<&str> {
        self.refresh_row.credential_set_id()
    }
}

/// The rows of one user and server.
#[derive(Clone)]
pub struct Storage {
    store: Arc<dyn TokenStore>,
    key: Option<Secret>,
    user_id: String,
    server_name: String,
    logger: Logger,
    /// Whether rows are as `LibreChat` of August 2026 writes them, or without any credential set. Else one row without
    /// may stand beside others that have one: an older `LibreChat` that replaces a client's metadata drops it there,
    /// keeps it where it updates tokens, and writes none where it creates a row.
    strict: bool,
}

impl Storage {
    #[must_use]
    pub fn new(
        store: Arc<dyn TokenStore>,
        key: Option<Secret>,
        user_id: &str,
        server_name: &str,
        logger: Logger,
    ) -> Self {
        Self {
            store,
            key,
            user_id: user_id.to_owned(),
            server_name: server_name.to_owned(),
            logger,
            strict: true,
        }
    }

    /// Fails with [`Code::TokenStore`] where the host cannot store tokens.
    pub fn of_host(host: &Host, user_id: &str, server_name: &str) -> Result<Self> {
        let store = host.tokens.clone().ok_or_else(|| {
            Error::new(
                Code::TokenStore,
                "OAuth tokens cannot be stored: the host has no tokenMethods",
            )
        })?;
        let key = host.credentials_key.key()?;
        Cipher::new(key.as_ref())?;
        let logger = host.logger.clone();
        Ok(Self {
            strict: false,
            ..Self::new(store, key, user_id, server_name, logger)
        })
    }

    /// Whether this failure to read means that nothing can be stored either.
    pub(super) fn is_unusable(&self, error: &Error) -> bool {
        error.code == Code::TokenStore && self.store.is_own()
    }

    #[must_use]
    pub fn log_prefix(&self) -> String {
        // LibreChat's name for connections without a user.
        let user = Some(self.user_id.as_str()).filter(|user| *user != "system");
        log_prefix(user, &self.server_name)
    }

    #[must_use]
    pub fn server_name(&self) -> &str {
        &self.server_name
    }

    /// Whether stale rows can be deleted.
    #[must_use]
    pub fn deletes(&self) -> bool {
        self.store.methods().delete
    }

    /// `credential_set_id`: only a registration of that set.
    pub async fn delete_client(&self, credential_set_id: Option<&str>) -> Result<()> {
        self.delete_of_set(Kind::Client, credential_set_id).await?;
        let prefix = self.log_prefix();
        self.logger
            .debug(format!("{prefix} Cleared stored client registration"));
        Ok(())
    }

    /// After the server said that it does not know the client: its tokens are worth nothing either. What another login
    /// has stored meanwhile stays, where `credential_set_id` says which set was tried. A row that cannot be deleted is left
    /// for the next time.
    pub async fn forget_client(&self, credential_set_id: Option<&str>) {
        for outcome in [
            self.delete_client(credential_set_id).await,
            self.delete_of_set(Kind::Refresh, credential_set_id).await,
        ] {
            if let Err(error) = outcome {
                let prefix = self.log_prefix();
                self.logger.warn(format!(
                    "{prefix} Failed to clear stale token data: {error}"
                ));
            }
        }
    }

    pub async fn delete_all(&self) -> Result<()> {
        for kind in [Kind::Client, Kind::Access, Kind::Refresh] {
            self.delete_of_set(kind, None).await?;
        }
        Ok(())
    }

    fn cipher(&self) -> Result<Cipher> {
        Cipher::new(self.key.as_ref())
    }

    /// What is stored is not of one authorization, or somebody else has replaced it.
    pub(super) fn unbound(&self) -> Error {
        unbound(&self.server_name)
    }
}

/// `ReauthenticationRequiredError` with the reason `binding`.
#[must_use]
pub fn unbound(server_name: &str) -> Error {
    Error::new(
        Code::ReauthenticationRequired,
        format!(
            "Re-authentication required for \"{server_name}\": stored OAuth binding metadata is missing or no longer valid"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_with_a_margin() {
        let row = |expires_at| StoredAccess {
            token: Secret::from("t"),
            expires_at,
            created_at: None,
            credential_set_id: None,
        };
        let margin = Duration::from_secs(30);
        assert!(!row(None).expires_within(margin));
        assert!(!row(Some(now_ms() + 40_000)).expires_within(margin));
        assert!(row(Some(now_ms() + 20_000)).expires_within(margin));
        assert!(row(Some(now_ms() - 1)).expires_within(Duration::ZERO));
    }
}
