//! Reading tokens: only together with what they belong to.

use std::time::Duration;

use super::records::{Grant, StoredAccess, StoredClient};
use super::rejection::is_rejected;
use super::rows::{Kind, is_same};
use super::store::Storage;
use crate::clock::now_ms;
use crate::dpop::Prover;
use crate::error::{Code, Error, Result};
use crate::host::TokenRow;
use crate::oauth::documents::{ClientInfo, text};
use crate::oauth::dpop::bound_to;
use crate::oauth::{OAuthOptions, check_client_row};
use crate::secret::Secret;

/// Rows are written one after the other: whoever reads between two of the writes looks again this often.
const LOOKS: u32 = 10;
const LOOK_PAUSE: Duration = Duration::from_millis(100);

impl Storage {
    /// The access token, whatever it belongs to.
    pub async fn access(&self) -> Result<Option<StoredAccess>> {
        match self.row(Kind::Access).await? {
            Some(row) => self.stored_access(&row).map(Some),
            None => Ok(None),
        }
    }

    /// The access token to use. One that has expired comes as it is.
    ///
    /// Fails with [`Code::ReauthenticationRequired`] where the stored client is of another authorization, or gone.
    pub async fn bound_access(&self) -> Result<Option<StoredAccess>> {
        let Some((access, row)) = self.access_and_client().await? else {
            return Ok(None);
        };
        self.bound(access, row.as_ref(), None, None).await.map(Some)
    }

    /// The same for a server as it is configured now: whoever changes its URL or client gets nobody's token. `known` is a key
    /// that need not be read again.
    ///
    /// Fails as [`check_client_row`] does, too; rows of June 2026 say neither server nor source.
    pub async fn access_for(
        &self,
        server_url: &str,
        options: &OAuthOptions,
        known: Option<Prover>,
    ) -> Result<Option<StoredAccess>> {
        let Some((access, row)) = self.access_and_client().await? else {
            return Ok(None);
        };
        let says_whose = |row: &&TokenRow| says(row, "server_url") || says(row, "client_source");
        if let Some(row) = row.as_ref().filter(says_whose) {
            let stored = self.stored_client(row).ok();
            let client = stored.as_ref().map(|stored| &stored.client);
            let (name, metadata) = (&self.server_name, row.metadata.as_ref());
            check_client_row(name, Some(server_url), client, metadata, options)?;
        }
        let bound = self.bound(access, row.as_ref(), options.dpop, known);
        bound.await.map(Some)
    }

    /// With the key that the client's row names. One that has expired needs none.
    async fn bound(
        &self,
        access: StoredAccess,
        client: Option<&TokenRow>,
        option: Option<bool>,
        known: Option<Prover>,
    ) -> Result<StoredAccess> {
        if access.expires_within(Duration::ZERO) {
            return Ok(access);
        }
        let row = client.and_then(|row| row.metadata.as_ref());
        let prover = match bound_to(row, option, &self.server_name)? {
            Some(thumbprint) => Some(self.prover(thumbprint, known).await?),
            None => None,
        };
        Ok(StoredAccess { prover, ..access })
    }

    /// Without the client where the token has expired.
    async fn access_and_client(&self) -> Result<Option<(StoredAccess, Option<TokenRow>)>> {
        let mut looks = 0;
        loop {
            let Some(row) = self.row(Kind::Access).await? else {
                return Ok(None);
            };
            let access = self.stored_access(&row)?;
            if access.expires_within(Duration::ZERO) {
                return Ok(Some((access, None)));
            }
            // After the token, so that a login between the two is seen.
            let client = self.row(Kind::Client).await?;
            if self.is_of(&row, client.as_ref()) {
                return Ok(Some((access, client)));
            }
            looks += 1;
            if self.strict {
                return Err(self.unbound());
            }
            if looks == LOOKS {
                self.discard(&row).await;
                return Err(self.unbound());
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// An access token that a writer which died has left beside the client of another authorization. Nobody may use it,
    /// and no login is stored over it.
    async fn discard(&self, row: &TokenRow) {
        if let Err(error) = self.delete_exactly(Kind::Access, row).await {
            let prefix = self.log_prefix();
            self.logger.warn(format!(
                "{prefix} Failed to clear stale token data: {error}"
            ));
        }
    }

    fn stored_access(&self, row: &TokenRow) -> Result<StoredAccess> {
        Ok(StoredAccess {
            token: self.cipher()?.decrypt(&row.token)?,
            expires_at: row.expires_at,
            created_at: row.created_at,
            credential_set_id: row.credential_set_id().map(str::to_owned),
            prover: None,
        })
    }

    /// When the access token expires, without its value; `None` without a row.
    pub async fn access_expiry(&self) -> Result<Option<Option<i64>>> {
        Ok(self.row(Kind::Access).await?.map(|row| row.expires_at))
    }

    /// Also where it cannot be read.
    pub async fn has_refresh_token(&self) -> Result<bool> {
        Ok(self.refresh_row().await?.is_some())
    }

    pub async fn refresh_token(&self) -> Result<Option<Secret>> {
        match self.row(Kind::Refresh).await? {
            Some(row) => self.stored_refresh(&row),
            None => Ok(None),
        }
    }

    /// The refresh token that came with an access token.
    pub async fn refresh_token_of(&self, access: &StoredAccess) -> Result<Option<Secret>> {
        let Some(row) = self.row(Kind::Refresh).await? else {
            return Ok(None);
        };
        let (id, of) = (row.credential_set_id(), access.credential_set_id.as_deref());
        if id == of || (!self.strict && of.is_none()) {
            return self.stored_refresh(&row);
        }
        let prefix = self.log_prefix();
        self.logger.warn(format!(
            "{prefix} Ignoring refresh token from a different OAuth credential set"
        ));
        Ok(None)
    }

    /// Whether this token is the one that is stored, and of that credential set.
    pub async fn is_current(&self, access_token: &Secret, credential_set_id: &str) -> Result<bool> {
        let access = self.access().await?;
        Ok(access.is_some_and(|access| {
            access.credential_set_id.as_deref() == Some(credential_set_id)
                && access.token == *access_token
                && !access.expires_within(Duration::ZERO)
        }))
    }

    /// The client, where it and tokens of its credential set make an authorization that is good without asking the user.
    pub async fn authorized_client(&self) -> Result<Option<StoredClient>> {
        let has_expired = |row: &TokenRow| row.expires_at.is_some_and(|end| end <= now_ms());
        let access = self.row(Kind::Access).await?;
        let client = self.row(Kind::Client).await?;
        let client =
            client.filter(|client| client.credential_set_id().is_some() && !is_rejected(client));
        let Some(client) = client else {
            return Ok(None);
        };
        let fits = |row: &TokenRow| row.credential_set_id() == client.credential_set_id();
        if access.as_ref().is_some_and(|access| !fits(access)) {
            return Ok(None);
        }
        let is_good = access.is_some_and(|access| !has_expired(&access)) || {
            let refresh = self.row(Kind::Refresh).await?;
            refresh.is_some_and(|refresh| fits(&refresh) && !has_expired(&refresh))
        };
        if is_good {
            self.stored_client(&client).map(Some)
        } else {
            Ok(None)
        }
    }

    pub(super) fn stored_refresh(&self, row: &TokenRow) -> Result<Option<Secret>> {
        let token = self.cipher()?.decrypt(&row.token)?;
        Ok(Some(token).filter(|token| !token.expose().is_empty()))
    }

    /// The refresh token and the client that it was issued to. A login that replaces both meanwhile must not have one of
    /// them taken for the other's.
    ///
    /// Fails with [`Code::ReauthenticationRequired`] where the two are not of the same authorization.
    pub async fn grant(&self) -> Result<Option<Grant>> {
        let mut client_row = self.row(Kind::Client).await?;
        for _ in 0..LOOKS {
            let Some(refresh_row) = self.row(Kind::Refresh).await? else {
                return Ok(None);
            };
            let Some(refresh_token) = self.stored_refresh(&refresh_row)? else {
                return Ok(None);
            };
            let now = self.row(Kind::Client).await?;
            let unchanged = match (&client_row, &now) {
                (Some(one), Some(other)) => is_same(one, other),
                (one, other) => one.is_none() && other.is_none(),
            };
            client_row = now;
            if unchanged && self.is_grant(&refresh_row, client_row.as_ref()) {
                let client = client_row.as_ref().map(|row| self.stored_client(row));
                let client = client.transpose();
                return Ok(Some(Grant {
                    refresh_token,
                    client: if self.strict {
                        client.map_err(|_| self.unbound())?
                    } else {
                        client?
                    },
                    refresh_row,
                    client_row,
                }));
            }
            if unchanged && self.strict {
                break;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        Err(self.unbound())
    }

    pub async fn client(&self) -> Result<Option<StoredClient>> {
        let row = self.row(Kind::Client).await?;
        row.map(|row| self.stored_client(&row)).transpose()
    }

    fn stored_client(&self, row: &TokenRow) -> Result<StoredClient> {
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
        Ok(StoredClient {
            client,
            metadata: row.metadata.clone().unwrap_or_default(),
        })
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

    /// Whether an access token is of the same authorization as the client.
    pub(super) fn is_of(&self, access: &TokenRow, client: Option<&TokenRow>) -> bool {
        let Some(client) = client else {
            return access.credential_set_id().is_none();
        };
        // An older `LibreChat` that refreshes after the access token's row has expired away makes one without a set.
        self.is_same_set(access, client) || (!self.strict && access.credential_set_id().is_none())
    }

    /// Whether a refresh token was issued to the client.
    fn is_grant(&self, refresh: &TokenRow, client: Option<&TokenRow>) -> bool {
        match client {
            Some(client) => {
                self.is_same_set(refresh, client) && (!self.strict || says_what_for(client))
            }
            None => refresh.credential_set_id().is_none(),
        }
    }

    fn is_same_set(&self, token: &TokenRow, client: &TokenRow) -> bool {
        let newer = |name| says(client, name);
        match (token.credential_set_id(), client.credential_set_id()) {
            (Some(_), None) if !self.strict => !newer("server_url") && !newer("client_source"),
            (one, other) => one == other,
        }
    }
}

fn says(client: &TokenRow, name: &str) -> bool {
    let metadata = client.metadata.as_ref();
    metadata.is_some_and(|metadata| text(metadata, name).is_some())
}

/// Whether a client that is of a credential set says what its grant is for. Older `LibreChat`s say neither server nor source.
fn says_what_for(client: &TokenRow) -> bool {
    client.credential_set_id().is_none()
        || (says(client, "token_endpoint")
            && says(client, "server_url") == says(client, "client_source"))
}
