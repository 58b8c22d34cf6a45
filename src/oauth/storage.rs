//! One user's rows for one server in `LibreChat`'s token collection, byte-compatible with
//! `packages/api/src/mcp/oauth/tokens.ts` in both directions.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::cipher::Cipher;
use super::documents::{ClientInfo, Tokens, text};
use super::issuer::same_url;
use super::lifetime::{YEAR, lifetime};
use crate::connection::{log_prefix, now_ms};
use crate::error::{Code, Error, Result};
use crate::host::{Host, Logger, TokenData, TokenQuery, TokenRow, TokenStore};
use crate::secret::Secret;

const ACCESS: (&str, &str) = ("mcp_oauth", "");
const REFRESH: (&str, &str) = ("mcp_oauth_refresh", ":refresh");
const CLIENT: (&str, &str) = ("mcp_oauth_client", ":client");

/// A refresh token that was rotated is lost for good when it is not stored, so storing is tried this often.
const WRITES: u32 = 3;
const WRITE_PAUSE: Duration = Duration::from_millis(200);

/// An access token as it was stored.
#[derive(Debug, Clone)]
pub struct StoredAccess {
    pub token: Secret,
    /// Milliseconds since the epoch.
    pub expires_at: Option<i64>,
    /// Milliseconds since the epoch.
    pub created_at: Option<i64>,
}

impl StoredAccess {
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
    /// Whether refresh tokens that were issued to this client are those of the other one, too.
    fn is_same_grant(&self, other: &Self) -> bool {
        let endpoint = |stored: &Self| text(&stored.metadata, "token_endpoint").map(str::to_owned);
        self.client.id() == other.client.id()
            && endpoint(self)
                .zip(endpoint(other))
                .is_some_and(|(one, other)| same_url(&one, &other))
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
        Ok(Self::new(
            store,
            key,
            user_id,
            server_name,
            host.logger.clone(),
        ))
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

    pub async fn access(&self) -> Result<Option<StoredAccess>> {
        let Some(row) = self.row(ACCESS).await? else {
            return Ok(None);
        };
        Ok(Some(StoredAccess {
            token: self.cipher()?.decrypt(&row.token)?,
            expires_at: row.expires_at,
            created_at: row.created_at,
        }))
    }

    /// When the access token expires, without its value; `None` without a row.
    pub async fn access_expiry(&self) -> Result<Option<Option<i64>>> {
        Ok(self.row(ACCESS).await?.map(|row| row.expires_at))
    }

    /// Also where it cannot be read.
    pub async fn has_refresh_token(&self) -> Result<bool> {
        match self.refresh_token().await {
            Err(error) if error.code == Code::TokenStore => Ok(true),
            token => Ok(token?.is_some()),
        }
    }

    pub async fn refresh_token(&self) -> Result<Option<Secret>> {
        let Some(row) = self.row(REFRESH).await? else {
            return Ok(None);
        };
        let token = self.cipher()?.decrypt(&row.token)?;
        Ok(Some(token).filter(|token| !token.expose().is_empty()))
    }

    /// The refresh token and the client that it was issued to. A login that replaces both meanwhile must not have one of
    /// them taken for the other's.
    pub async fn grant(&self) -> Result<Option<(Secret, Option<StoredClient>)>> {
        let mut client = self.client().await?;
        for _ in 0..WRITES {
            let Some(token) = self.refresh_token().await? else {
                return Ok(None);
            };
            let now = self.client().await?;
            if now == client {
                return Ok(Some((token, client)));
            }
            client = now;
        }
        Err(Error::timeout("Stored tokens change all the time"))
    }

    pub async fn client(&self) -> Result<Option<StoredClient>> {
        let Some(row) = self.row(CLIENT).await? else {
            return Ok(None);
        };
        let plain = self.cipher()?.decrypt(&row.token)?;
        let client = serde_json::from_str(plain.expose())
            .ok()
            .and_then(ClientInfo::new)
            .ok_or_else(|| {
                Error::new(
                    Code::TokenStore,
                    "The stored client registration cannot be read",
                )
            })?;
        Ok(Some(StoredClient {
            client,
            metadata: row.metadata.unwrap_or_default(),
        }))
    }

    /// The registration, or none where it cannot be read: another one can be made.
    pub async fn client_or_warn(&self) -> Option<StoredClient> {
        self.client().await.unwrap_or_else(|error| {
            let prefix = self.log_prefix();
            self.logger.warn(format!(
                "{prefix} Failed to look up existing client registration, falling back to new registration: {error}"
            ));
            None
        })
    }

    /// Stores tokens; those of a login with their client. The client's row says whose the refresh token is, so it comes
    /// first then, and the refresh token of another grant goes before it: the login may have brought none. Of a refresh
    /// the refresh token comes first: of all rows it is the one that cannot be had again.
    pub async fn store(
        &self,
        tokens: &Tokens,
        client: Option<(&ClientInfo, Option<&Map<String, Value>>)>,
    ) -> Result<()> {
        let cipher = self.cipher()?;
        if let Some((client, metadata)) = client {
            let login = StoredClient {
                client: client.clone(),
                // None would leave that of the row before in its place.
                metadata: metadata.cloned().unwrap_or_default(),
            };
            let before = self.client().await;
            if !before.is_ok_and(|before| before.is_some_and(|it| it.is_same_grant(&login))) {
                self.forget_refresh_token().await?;
            }
            let plain = Value::Object(login.client.0).to_string();
            let data = TokenData {
                token: cipher.encrypt(&plain),
                expires_in: YEAR,
                metadata: Some(login.metadata),
            };
            self.write(CLIENT, &data).await?;
        }
        if let Some(refresh) = tokens.refresh_token() {
            let lifetime = tokens
                .number("refresh_token_expires_in")
                .filter(|seconds| *seconds > 0);
            let data = TokenData {
                token: cipher.encrypt(refresh.expose()),
                expires_in: lifetime.unwrap_or(YEAR),
                metadata: None,
            };
            self.write(REFRESH, &data).await?;
        }
        let data = TokenData {
            token: cipher.encrypt(tokens.access_token().expose()),
            expires_in: lifetime(tokens, now_ms()),
            metadata: None,
        };
        self.write(ACCESS, &data).await?;
        let prefix = self.log_prefix();
        self.logger.debug(format!("{prefix} Stored OAuth tokens"));
        Ok(())
    }

    async fn forget_refresh_token(&self) -> Result<()> {
        let query = self.query(REFRESH);
        if self.store.find(&query).await?.is_none() || self.store.delete(&query).await.is_ok() {
            return Ok(());
        }
        // Callers of `storeTokens` need not bring `deleteTokens`.
        let nothing = TokenData {
            token: self.cipher()?.encrypt(""),
            expires_in: 0,
            metadata: None,
        };
        self.store.update(&query, &nothing).await.map(drop)
    }

    pub async fn delete_client(&self) -> Result<()> {
        self.store.delete(&self.query(CLIENT)).await?;
        let prefix = self.log_prefix();
        self.logger
            .debug(format!("{prefix} Cleared stored client registration"));
        Ok(())
    }

    /// After the server said that it does not know the client: its tokens are worth nothing either. A row that cannot
    /// be deleted is left for the next time.
    pub async fn forget_client(&self) {
        for outcome in [
            self.delete_client().await,
            self.store.delete(&self.query(REFRESH)).await,
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
        for row in [CLIENT, ACCESS, REFRESH] {
            self.store.delete(&self.query(row)).await?;
        }
        Ok(())
    }

    fn cipher(&self) -> Result<Cipher> {
        Cipher::new(self.key.as_ref())
    }

    async fn row(&self, row: (&str, &str)) -> Result<Option<TokenRow>> {
        self.store.find(&self.query(row)).await
    }

    async fn write(&self, row: (&str, &str), data: &TokenData) -> Result<()> {
        let query = self.query(row);
        let mut attempt = 1;
        loop {
            match self.put(&query, data).await {
                Err(error) if attempt < WRITES && error.code != Code::Closed => {
                    let prefix = self.log_prefix();
                    self.logger.warn(format!(
                        "{prefix} Failed to store tokens, trying again: {error}"
                    ));
                    tokio::time::sleep(WRITE_PAUSE * attempt).await;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn put(&self, query: &TokenQuery, data: &TokenData) -> Result<()> {
        // Expired rows vanish by themselves, between looking and updating too.
        if self.store.find(query).await?.is_some() && self.store.update(query, data).await? {
            return Ok(());
        }
        self.store.create(query, data).await
    }

    fn query(&self, (kind, suffix): (&str, &str)) -> TokenQuery {
        TokenQuery {
            user_id: self.user_id.clone(),
            kind: kind.to_owned(),
            identifier: format!("mcp:{}{suffix}", self.server_name),
        }
    }
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
        };
        let margin = Duration::from_secs(30);
        assert!(!row(None).expires_within(margin));
        assert!(!row(Some(now_ms() + 40_000)).expires_within(margin));
        assert!(row(Some(now_ms() + 20_000)).expires_within(margin));
        assert!(row(Some(now_ms() - 1)).expires_within(Duration::ZERO));
    }
}
