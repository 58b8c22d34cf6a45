//! Writing tokens: all rows of an authorization, or none. A row is replaced only while it is the one that was read.

use serde_json::{Map, Value, json};

use super::commit::{Change, Witness};
use super::records::{Grant, REJECTED_SET_ID};
use super::rows::{Kind, is_same};
use super::store::Storage;
use crate::clock::now_ms;
use crate::error::Result;
use crate::host::{CREDENTIAL_SET_ID, TokenRow, TokenUpdate};
use crate::oauth::documents::{ClientInfo, Tokens, text};
use crate::oauth::dpop::{FLOW_KEY, THUMBPRINT, is_bound};
use crate::oauth::lifetime::{YEAR, lifetime};

/// The rows before the first write.
struct Read {
    access: Option<TokenRow>,
    refresh: Option<TokenRow>,
    client: Option<TokenRow>,
}

impl Storage {
    /// Stores the tokens of a login, with their client. What is returned has `credential_set_id`, `obtained_at` and
    /// `expires_at`; the first is made here where the tokens have none.
    ///
    /// Fails with [`Code::ReauthenticationRequired`] where somebody else writes at the same moment, or has left rows that
    /// do not belong together.
    pub async fn store(
        &self,
        tokens: &Tokens,
        client: Option<(&ClientInfo, Option<&Map<String, Value>>)>,
        witness: &dyn Witness,
    ) -> Result<Tokens> {
        let set = tokens
            .credential_set_id()
            .map_or_else(new_set, str::to_owned);
        let mut read = self.read_all().await?;
        if read.access.is_none() && (read.refresh.is_some() || read.client.is_some()) {
            // Another process may have stored a set between this read and the others, and a second row would be created.
            read.access = self.row(Kind::Access).await?;
        }
        if let (Some(access), Some(client)) = (&read.access, &read.client)
            && !self.is_of(access, Some(client))
        {
            return Err(self.unbound());
        }
        let old_refresh = read.refresh.clone();
        let key = self.key_change(tokens, client.and_then(|(_, metadata)| metadata));
        let key = key.await?;
        let client =
            client.map(|(client, metadata)| (client, metadata.cloned().unwrap_or_default()));
        let mut changes = self.changes(tokens, client, read, Some(&set), false)?;
        changes.extend(key);
        let stored = stored(tokens, Some(&set));
        let stored = self.commit(changes, stored, witness).await?;
        if tokens.refresh_token().is_none()
            && let Some(old) = old_refresh
            && old.credential_set_id() != Some(set.as_str())
        {
            self.delete_stale_refresh(&old).await;
        }
        Ok(stored)
    }

    /// Writes the refresh token's row as it is. What fails here would fail with what a refresh brings as well, when the
    /// authorization server has rotated already.
    pub async fn try_writing(&self) -> Result<()> {
        let row = self.row(Kind::Refresh).await?;
        let Some(row) = row.filter(|_| self.store.methods().update) else {
            return Ok(());
        };
        let update = TokenUpdate {
            token: Some(row.token.clone()),
            ..TokenUpdate::default()
        };
        let query = self.exactly(Kind::Refresh, &row.token, row.credential_set_id());
        self.store.update(&query, &update).await.map(drop)
    }

    /// Stores the tokens that a refresh brought, as a new credential set.
    ///
    /// Fails with [`Code::ReauthenticationRequired`] where the rows are not those any more that were refreshed.
    pub async fn store_refreshed(
        &self,
        tokens: &Tokens,
        grant: &Grant,
        witness: &dyn Witness,
    ) -> Result<Tokens> {
        let read = self.read_surely().await?;
        let unchanged = |now: Option<&TokenRow>, before: Option<&TokenRow>| match (now, before) {
            (Some(now), Some(before)) => is_same(now, before),
            (now, before) => now.is_none() && before.is_none(),
        };
        let fits = unchanged(read.refresh.as_ref(), Some(&grant.refresh_row))
            && unchanged(read.client.as_ref(), grant.client_row.as_ref())
            && read.access.as_ref().is_none_or(|access| {
                access.credential_set_id() == grant.credential_set_id()
                    || (!self.strict && access.credential_set_id().is_none())
            });
        if !fits {
            return Err(self.unbound());
        }
        let client = grant.client.as_ref();
        // Where no row says whose the refresh token is, there is nothing that a set would tie it to.
        let set = client.map(|_| new_set());
        if let (Some(before), Some(after)) = (grant.credential_set_id(), &set) {
            witness.renews(before, after);
        }
        let client = client.map(|stored| (&stored.client, stored.metadata.clone()));
        self.renew(tokens, client, read, set, witness).await
    }

    /// The same for a caller that knows only the id of what it has refreshed.
    pub async fn store_renewed(
        &self,
        tokens: &Tokens,
        client: Option<(&ClientInfo, Option<&Map<String, Value>>)>,
        expected: &str,
        witness: &dyn Witness,
    ) -> Result<Tokens> {
        let of_caller = client.and_then(|(_, metadata)| text(metadata?, CREDENTIAL_SET_ID));
        let read = self.read_surely().await?;
        let rows = [&read.access, &read.refresh, &read.client];
        let known = rows.into_iter().flatten().map(TokenRow::credential_set_id);
        let given = [tokens.credential_set_id(), of_caller]
            .into_iter()
            .flatten()
            .map(Some);
        let is_whole = read.refresh.is_some() && read.client.is_some();
        if !is_whole || known.chain(given).any(|id| id != Some(expected)) {
            return Err(self.unbound());
        }
        let client =
            client.map(|(client, metadata)| (client, metadata.cloned().unwrap_or_default()));
        let set = new_set();
        witness.renews(expected, &set);
        let set = Some(set);
        self.renew(tokens, client, read, set, witness).await
    }

    async fn renew(
        &self,
        tokens: &Tokens,
        client: Option<(&ClientInfo, Map<String, Value>)>,
        read: Read,
        set: Option<String>,
        witness: &dyn Witness,
    ) -> Result<Tokens> {
        let changes = self.changes(tokens, client, read, set.as_deref(), true)?;
        let stored = stored(tokens, set.as_deref());
        self.commit(changes, stored, witness).await
    }

    async fn read_all(&self) -> Result<Read> {
        if !self.store.methods().update {
            return Ok(Read {
                access: None,
                refresh: None,
                client: None,
            });
        }
        let (access, refresh, client) = tokio::try_join!(
            self.row(Kind::Access),
            self.row(Kind::Refresh),
            self.row(Kind::Client)
        )?;
        Ok(Read {
            access,
            refresh,
            client,
        })
    }

    /// The same after a refresh token was used up.
    async fn read_surely(&self) -> Result<Read> {
        let mut attempt = 1;
        loop {
            match self.read_all().await {
                Err(error) if self.tries_again(attempt, &error).await => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    /// `renews`: a refresh token that is not replaced is of the new set, too.
    fn changes(
        &self,
        tokens: &Tokens,
        client: Option<(&ClientInfo, Map<String, Value>)>,
        read: Read,
        set: Option<&str>,
        renews: bool,
    ) -> Result<Vec<Change>> {
        let cipher = self.cipher()?;
        let of_set = |mut members: Map<String, Value>| {
            set.map(|set| {
                members.insert(CREDENTIAL_SET_ID.to_owned(), json!(set));
                members
            })
        };
        let mut changes = vec![Change {
            kind: Kind::Access,
            read: read.access,
            token: Some(cipher.encrypt(tokens.access_token().expose())),
            expires_in: Some(lifetime(tokens, now_ms())),
            metadata: of_set(Map::new()),
        }];
        if let Some(refresh) = tokens.refresh_token() {
            let lifetime = tokens.number("refresh_token_expires_in");
            changes.push(Change {
                kind: Kind::Refresh,
                read: read.refresh,
                token: Some(cipher.encrypt(refresh.expose())),
                expires_in: Some(lifetime.filter(|seconds| *seconds > 0).unwrap_or(YEAR)),
                metadata: of_set(Map::new()),
            });
        } else if renews && set.is_some() {
            changes.push(Change {
                kind: Kind::Refresh,
                read: read.refresh,
                token: None,
                expires_in: None,
                metadata: of_set(Map::new()),
            });
        }
        if let Some((client, mut metadata)) = client {
            // Which set was refused says nothing of a new one.
            metadata.remove(REJECTED_SET_ID);
            if !is_bound(tokens) {
                metadata.remove(THUMBPRINT);
            }
            let plain = Value::Object(client.0.clone()).to_string();
            changes.push(Change {
                kind: Kind::Client,
                read: read.client,
                token: Some(cipher.encrypt(&plain)),
                expires_in: Some(YEAR),
                metadata: of_set(metadata),
            });
        }
        Ok(changes)
    }

    /// What a login without a refresh token leaves must not be taken for its own. A row that stays is of another set.
    async fn delete_stale_refresh(&self, old: &TokenRow) {
        if !self.deletes() {
            return;
        }
        if let Err(error) = self.delete_exactly(Kind::Refresh, old).await {
            let prefix = self.log_prefix();
            self.logger.warn(format!(
                "{prefix} Failed to remove stale refresh token after OAuth callback: {error}"
            ));
        }
    }
}

/// What was stored as that set, as callers are told it.
fn stored(tokens: &Tokens, set: Option<&str>) -> Tokens {
    let now = now_ms();
    let mut members = tokens.0.clone();
    members.remove(CREDENTIAL_SET_ID);
    members.remove(FLOW_KEY);
    if let Some(set) = set {
        members.insert(CREDENTIAL_SET_ID.to_owned(), json!(set));
    }
    let obtained_at = tokens.number("obtained_at").unwrap_or(now);
    members.insert("obtained_at".to_owned(), json!(obtained_at));
    let expires_at = tokens.expires_at().filter(|end| *end > now);
    let expires_at = expires_at
        .unwrap_or_else(|| now.saturating_add(lifetime(tokens, now).saturating_mul(1000)));
    members.insert("expires_at".to_owned(), json!(expires_at));
    Tokens(members)
}

/// A UUID of version 4 (RFC 9562).
fn new_set() -> String {
    let mut bytes: [u8; 16] = rand::random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = crate::hex::encode(&bytes);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
    parts.map(|part| &digits[part]).join("-")
}
