//! Tokens on disk: one database file in the user's data directory, in which names are hashed and values encrypted.
//!
//! The file is opened for each operation and closed after it, so that any number of processes can use it; one that finds
//! it in use waits. Tokens are read when a server is connected, not for each request.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use librechat_mcp_native_store::{Problem, Store, Transaction};
use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::database::{BUSY_LIMIT, failure, unusable, with_store};
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

const ROWS: &str = "rows";
/// Of [`Holder`]s.
const LOCKS: &str = "locks by name";
const CHECK: &str = "check by name";
/// Shows whether a key is the one that the file was made with.
const CHECK_NAME: &[u8] = b"key";

/// Cheap to clone.
#[derive(Clone)]
pub struct TokenFile {
    directory: Result<PathBuf>,
    key: Arc<dyn CredentialsKey>,
}

/// Boxed: what runs it is compiled once for each type of result.
type Work<T> = Box<dyn FnOnce(Transaction, &Protection) -> Result<T, Problem> + Send>;

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

    fn seal_row(&self, name: &[u8], row: &Row) -> Option<Vec<u8>> {
        self.sealer.seal(name, serde_json::to_vec(row).ok()?).ok()
    }

    fn open_row(&self, name: &[u8], sealed: &[u8]) -> Option<Row> {
        serde_json::from_slice(&self.sealer.open(name, sealed)?).ok()
    }
}

impl TokenFile {
    #[must_use]
    pub fn new(directory: Result<PathBuf>, key: Arc<dyn CredentialsKey>) -> Self {
        Self { directory, key }
    }

    /// Runs `work` in a transaction, on a thread where waiting for the disk is no harm.
    async fn with<T: Send + 'static>(&self, work: Work<T>) -> Result<T> {
        let file = self.clone();
        let on_disk = move || file.on_disk(work);
        blocking(async { tokio::task::spawn_blocking(on_disk).await })
            .await?
            .unwrap_or_else(|_| Err(Error::new(Code::Internal, "The token store broke off")))
    }

    fn on_disk<T>(&self, work: Work<T>) -> Result<T> {
        let path = self.directory.clone()?.join(FILE);
        let protection = self.protection()?;
        let check = |store: &Store| match has_key(store, &protection) {
            Ok(true) => Ok(()),
            Ok(false) => Err(unusable(
                &path,
                "it was encrypted with another key than the CREDS_KEY (or key file) of this process",
            )),
            Err(problem) => Err(failure(&path, &problem)),
        };
        with_store(&path, BUSY_LIMIT, &check, |store| {
            work(store.begin()?, &protection)
        })
    }

    fn protection(&self) -> Result<Protection> {
        let key = self.key.key()?.ok_or_else(|| {
            Error::new(
                Code::TokenStore,
                "OAuth tokens cannot be stored without a key",
            )
        })?;
        Protection::new(&key)
    }

    /// Puts in the place of a row what `change` makes of it, in one transaction; whether it made anything.
    async fn change(
        &self,
        query: &TokenQuery,
        change: impl FnOnce(Option<Row>) -> RowChange + Send + 'static,
    ) -> Result<bool> {
        let query = query.clone();
        self.with(Box::new(move |transaction, protection| {
            let name = protection.row(&query);
            let earlier = transaction.get(ROWS, &name)?;
            let earlier = earlier.and_then(|sealed| protection.open_row(&name, &sealed));
            match change(earlier) {
                RowChange::Unchanged => return Ok(false),
                RowChange::Gone => transaction.remove(ROWS, &name)?,
                RowChange::This(row) => {
                    let sealed = protection.seal_row(&name, &row).ok_or_else(unencrypted)?;
                    transaction.insert(ROWS, &name, &sealed)?;
                }
            }
            transaction.commit()?;
            Ok(true)
        }))
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

fn unencrypted() -> Problem {
    Problem::Other("a value cannot be encrypted".to_owned())
}

/// Whether the file was made with this key. A new file takes it.
fn has_key(store: &Store, protection: &Protection) -> Result<bool, Problem> {
    let transaction = store.begin()?;
    if let Some(sealed) = transaction.get(CHECK, CHECK_NAME)? {
        return Ok(protection.sealer.open(CHECK_NAME, &sealed).is_some());
    }
    let sealed = protection.sealer.seal(CHECK_NAME, Vec::new());
    let sealed = sealed.map_err(|_| unencrypted())?;
    transaction.insert(CHECK, CHECK_NAME, &sealed)?;
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
        self.with(Box::new(move |transaction, protection| {
            let name = protection.row(&query);
            let Some(sealed) = transaction.get(ROWS, &name)? else {
                return Ok(None);
            };
            // A row that cannot be decrypted.
            let row = protection
                .open_row(&name, &sealed)
                .ok_or(Problem::Damaged)?;
            Ok(Some(row).filter(|row| row.is(&query)).map(Row::into_stored))
        }))
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
            .with(Box::new(move |transaction, protection| {
                let name = protection.name(&["lock", &name]);
                let held = transaction.get(LOCKS, &name)?;
                let held = held.and_then(|held| Holder::from_bytes(&held));
                if held.is_some_and(|held| held.ends > now_ms()) {
                    return Ok(false);
                }
                let ends = now_ms().saturating_add(ttl);
                let holder = Holder { owner, ends }.to_bytes();
                transaction.insert(LOCKS, &name, &holder)?;
                transaction.commit()?;
                Ok(true)
            }))
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
        file.with(Box::new(move |transaction, protection| {
            let name = protection.name(&["lock", &key]);
            let held = transaction.get(LOCKS, &name)?;
            let held = held.and_then(|held| Holder::from_bytes(&held));
            if held.is_some_and(|held| held.owner == owner) {
                transaction.remove(LOCKS, &name)?;
            }
            transaction.commit()?;
            Ok(true)
        }))
        .await
        .map(drop)
    }
}

#[cfg(test)]
mod tests;
