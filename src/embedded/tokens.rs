//! Tokens on disk: one database file in the user's data directory, in which names are hashed and values encrypted.
//!
//! The file is opened for each operation and closed after it, so that any number of processes can use it; one that finds
//! it in use waits. Tokens are read when a server is connected, not for each request.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redb::{Database, ReadableTable, TableDefinition};
use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::database::{BUSY_LIMIT, failure, unusable, with_database};
use crate::blocking::blocking;
use crate::clock::now_ms;
use crate::error::{Code, Error, Result};
use crate::host::{
    CREDENTIAL_SET_ID, CredentialSet, CredentialsKey, Expiry, Lock, LockGuard, TokenData,
    TokenQuery, TokenRow, TokenStore, TokenUpdate,
};
use crate::seal::{Sealer, derive};
use crate::secret::Secret;

const FILE: &str = "tokens.redb";
const VALUES: &str = "librechat-mcp-native stored tokens v1";
const NAMES: &str = "librechat-mcp-native stored token names v1";

/// All tables have one type, because the addon has the code of a table once for each type.
type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;
const ROWS: Table = Table::new("rows");
/// Of [`Holder`]s.
const LOCKS: Table = Table::new("locks by name");
const CHECK: Table = Table::new("check by name");
/// Shows whether a key is the one that the file was made with.
const CHECK_NAME: &[u8] = b"key";

/// Cheap to clone.
#[derive(Clone)]
pub struct TokenFile {
    directory: Result<PathBuf>,
    key: Arc<dyn CredentialsKey>,
}

struct Holder {
    owner: u64,
    /// In milliseconds since the epoch.
    ends: i64,
}

impl Holder {
    fn to_bytes(&self) -> [u8; 16] {
        let both = u128::from(self.owner) << 64 | u128::from(self.ends.cast_unsigned());
        both.to_be_bytes()
    }

    /// `None` of bytes that are none.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (owner, ends) = bytes.split_first_chunk()?;
        Some(Self {
            owner: u64::from_be_bytes(*owner),
            ends: i64::from_be_bytes(ends.try_into().ok()?),
        })
    }
}

#[derive(Serialize, Deserialize)]
struct Row {
    token: String,
    expires_at: i64,
    created_at: i64,
    metadata: Option<Map<String, Value>>,
}

/// What names and values are protected with.
struct Protection {
    sealer: Sealer,
    names: hmac::Key,
}

impl Protection {
    fn new(key: &Secret) -> Result<Self> {
        Ok(Self {
            sealer: Sealer::new(key, VALUES)?,
            names: hmac::Key::new(hmac::HMAC_SHA256, &derive(key, NAMES)?),
        })
    }

    fn name(&self, parts: &[&str]) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.names);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        context.sign().as_ref().to_vec()
    }

    fn row(&self, query: &TokenQuery) -> Vec<u8> {
        self.name(&["row", &query.user_id, &query.kind, &query.identifier])
    }
}

impl TokenFile {
    #[must_use]
    pub fn new(directory: Result<PathBuf>, key: Arc<dyn CredentialsKey>) -> Self {
        Self { directory, key }
    }

    /// Runs `work` on the open database, on a thread where waiting for the disk is no harm.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database, &Protection) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T> {
        let file = self.clone();
        let on_disk = move || {
            let path = file.directory.clone()?.join(FILE);
            let key = file.key.key()?.ok_or_else(|| {
                Error::new(
                    Code::TokenStore,
                    "OAuth tokens cannot be stored without a key",
                )
            })?;
            let protection = Protection::new(&key)?;
            let check = |database: &Database| match has_key(database, &protection) {
                Ok(true) => Ok(()),
                Ok(false) => Err(unusable(
                    &path,
                    "it was encrypted with another key than the CREDS_KEY (or key file) of this process",
                )),
                Err(problem) => Err(failure(&path, problem)),
            };
            with_database(&path, BUSY_LIMIT, check, |database| {
                work(database, &protection)
            })
        };
        blocking(async { tokio::task::spawn_blocking(on_disk).await })
            .await?
            .unwrap_or_else(|_| Err(Error::new(Code::Internal, "The token store broke off")))
    }

    /// Puts in the place of a row what `change` makes of it, in one transaction; whether it made anything.
    async fn change(
        &self,
        query: &TokenQuery,
        change: impl FnOnce(Option<Row>) -> RowChange + Send + 'static,
    ) -> Result<bool> {
        let query = query.clone();
        self.with(move |database, protection| {
            let name = protection.row(&query);
            let transaction = database.begin_write()?;
            {
                let mut rows = transaction.open_table(ROWS)?;
                let earlier = rows.get(name.as_slice())?;
                let earlier: Option<Row> = earlier
                    .and_then(|sealed| protection.sealer.open(&name, sealed.value()))
                    .and_then(|plain| serde_json::from_slice(&plain).ok());
                match change(earlier) {
                    RowChange::Unchanged => return Ok(false),
                    RowChange::Gone => drop(rows.remove(name.as_slice())?),
                    RowChange::This(row) => {
                        let sealed = serde_json::to_vec(&row)
                            .ok()
                            .and_then(|plain| protection.sealer.seal(&name, plain).ok())
                            .ok_or_else(|| corrupted("a row cannot be encrypted"))?;
                        rows.insert(name.as_slice(), sealed.as_slice())?;
                    }
                }
            }
            transaction.commit()?;
            Ok(true)
        })
        .await
    }
}

/// What becomes of a row.
enum RowChange {
    Unchanged,
    Gone,
    This(Row),
}

impl Row {
    /// Whether it is what the query asks for beyond its name.
    fn is(&self, query: &TokenQuery) -> bool {
        let id = self
            .metadata
            .as_ref()
            .and_then(|it| it.get(CREDENTIAL_SET_ID));
        let id = id.and_then(Value::as_str);
        let of_set = match &query.credential_set {
            None => true,
            Some(CredentialSet::None) => id.is_none(),
            Some(CredentialSet::Id(asked)) => id == Some(asked),
        };
        let asked = query.token.as_ref().map(Secret::expose);
        of_set && asked.is_none_or(|token| *token == self.token)
    }

    fn into_stored(self) -> TokenRow {
        TokenRow {
            token: Secret::new(self.token),
            expires_at: Some(self.expires_at),
            created_at: Some(self.created_at),
            metadata: self.metadata,
        }
    }
}

fn seconds_from_now(seconds: i64) -> i64 {
    now_ms().saturating_add(seconds.saturating_mul(1000))
}

fn corrupted(problem: &str) -> redb::Error {
    redb::Error::Corrupted(problem.to_owned())
}

/// Whether the file was made with this key. A new file takes it.
fn has_key(database: &Database, protection: &Protection) -> Result<bool, redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut check = transaction.open_table(CHECK)?;
        if let Some(sealed) = check.get(CHECK_NAME)? {
            return Ok(protection.sealer.open(CHECK_NAME, sealed.value()).is_some());
        }
        let sealed = protection.sealer.seal(CHECK_NAME, Vec::new());
        let sealed = sealed.map_err(|_| corrupted("a value cannot be encrypted"))?;
        check.insert(CHECK_NAME, sealed.as_slice())?;
        // So that reading need not create them.
        transaction.open_table(ROWS)?;
        transaction.open_table(LOCKS)?;
    }
    transaction.commit()?;
    Ok(true)
}

#[async_trait]
impl TokenStore for TokenFile {
    fn is_own(&self) -> bool {
        true
    }

    async fn find(&self, query: &TokenQuery) -> Result<Option<TokenRow>> {
        let query = query.clone();
        self.with(move |database, protection| {
            let name = protection.row(&query);
            let rows = database.begin_write()?;
            let rows = rows.open_table(ROWS)?;
            let Some(sealed) = rows.get(name.as_slice())? else {
                return Ok(None);
            };
            let row: Row = protection
                .sealer
                .open(&name, sealed.value())
                .and_then(|plain| serde_json::from_slice(&plain).ok())
                .ok_or_else(|| corrupted("a row cannot be decrypted"))?;
            Ok(Some(row).filter(|row| row.is(&query)).map(Row::into_stored))
        })
        .await
    }

    async fn create(&self, query: &TokenQuery, data: &TokenData) -> Result<()> {
        let data = data.clone();
        let created = self.change(query, move |earlier| {
            RowChange::This(Row {
                token: data.token.expose().clone(),
                expires_at: seconds_from_now(data.expires_in),
                created_at: now_ms(),
                metadata: data.metadata.or(earlier.and_then(|row| row.metadata)),
            })
        });
        created.await.map(drop)
    }

    async fn update(&self, query: &TokenQuery, update: &TokenUpdate) -> Result<bool> {
        let (asked, update) = (query.clone(), update.clone());
        let updated = self.change(query, move |row| match row.filter(|row| row.is(&asked)) {
            None => RowChange::Unchanged,
            Some(row) => RowChange::This(Row {
                token: update.token.map_or(row.token, |it| it.expose().clone()),
                expires_at: match update.expiry {
                    None => row.expires_at,
                    Some(Expiry::In(seconds)) => seconds_from_now(seconds),
                    Some(Expiry::At(time)) => time,
                },
                created_at: now_ms(),
                metadata: update.metadata.or(row.metadata),
            }),
        });
        updated.await
    }

    async fn delete(&self, query: &TokenQuery) -> Result<bool> {
        let asked = query.clone();
        // A row that cannot be read goes, too, where every row may.
        let any = asked.token.is_none() && asked.credential_set.is_none();
        let deleted = self.change(query, move |row| {
            if any || row.is_some_and(|row| row.is(&asked)) {
                RowChange::Gone
            } else {
                RowChange::Unchanged
            }
        });
        deleted.await
    }
}

/// A lock that ends with its time, whatever became of its process.
struct Held {
    file: TokenFile,
    key: String,
    owner: u64,
}

#[async_trait]
impl Lock for TokenFile {
    async fn acquire(&self, key: &str, ttl: Duration) -> Result<Option<Box<dyn LockGuard>>> {
        let owner: u64 = rand::random();
        let ttl = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        let name = key.to_owned();
        let acquired = self
            .with(move |database, protection| {
                let name = protection.name(&["lock", &name]);
                let transaction = database.begin_write()?;
                {
                    let mut locks = transaction.open_table(LOCKS)?;
                    let held = locks.get(name.as_slice())?;
                    let held = held.and_then(|held| Holder::from_bytes(held.value()));
                    if held.is_some_and(|held| held.ends > now_ms()) {
                        return Ok(false);
                    }
                    let ends = now_ms().saturating_add(ttl);
                    let holder = Holder { owner, ends }.to_bytes();
                    locks.insert(name.as_slice(), holder.as_slice())?;
                }
                transaction.commit()?;
                Ok(true)
            })
            .await?;
        let held = Held {
            file: self.clone(),
            key: key.to_owned(),
            owner,
        };
        Ok(acquired.then(|| Box::new(held) as _))
    }
}

#[async_trait]
impl LockGuard for Held {
    async fn release(self: Box<Self>) -> Result<()> {
        let Self { file, key, owner } = *self;
        file.with(move |database, protection| {
            let name = protection.name(&["lock", &key]);
            let transaction = database.begin_write()?;
            {
                let mut locks = transaction.open_table(LOCKS)?;
                let held = locks.get(name.as_slice())?;
                let held = held.and_then(|held| Holder::from_bytes(held.value()));
                if held.is_some_and(|held| held.owner == owner) {
                    locks.remove(name.as_slice())?;
                }
            }
            transaction.commit()?;
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
mod tests;
