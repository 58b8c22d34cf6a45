//! Tokens on disk: one database file in the user's data directory, in which names are hashed and values encrypted.
//!
//! The file is opened for each operation and closed after it, so that any number of processes can use it; one that finds
//! it in use waits. Tokens are read when a server is connected, not for each request.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redb::backends::FileBackend;
use redb::{Database, DatabaseError, ReadableTable, TableDefinition};
use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::key::{make_private_directory, private_file};
use crate::connection::now_ms;
use crate::error::{Code, Error, Result};
use crate::host::{CredentialsKey, Lock, LockGuard, TokenData, TokenQuery, TokenRow, TokenStore};
use crate::seal::{Sealer, derive};
use crate::secret::Secret;

const FILE: &str = "tokens.redb";
const VALUES: &str = "librechat-mcp-native stored tokens v1";
const NAMES: &str = "librechat-mcp-native stored token names v1";

const ROWS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("rows");
/// Owner, and when its time ends in milliseconds since the epoch.
const LOCKS: TableDefinition<&[u8], (u64, i64)> = TableDefinition::new("locks");
const CHECK: TableDefinition<&str, &[u8]> = TableDefinition::new("check");
/// Shows whether a key is the one that the file was made with.
const CHECK_NAME: &str = "key";

/// How long an operation waits for other processes.
const BUSY_LIMIT: Duration = Duration::from_secs(10);
const BUSY_POLL: Duration = Duration::from_millis(20);
const CACHE_BYTES: usize = 1024 * 1024;

/// Cheap to clone.
#[derive(Clone)]
pub struct TokenFile {
    directory: Result<PathBuf>,
    key: Arc<dyn CredentialsKey>,
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
        let task = tokio::task::spawn_blocking(move || {
            let path = file.directory.clone()?.join(FILE);
            let key = file.key.key()?.ok_or_else(|| {
                Error::new(
                    Code::TokenStore,
                    "OAuth tokens cannot be stored without a key",
                )
            })?;
            let protection = Protection::new(&key)?;
            let database = open(&path, BUSY_LIMIT)?;
            let failed = |problem: redb::Error| failure(&path, &problem);
            if !has_key(&database, &protection).map_err(failed)? {
                return Err(failure(
                    &path,
                    &"it was encrypted with another key than the CREDS_KEY (or key file) of this process",
                ));
            }
            work(&database, &protection).map_err(failed)
        });
        task.await
            .unwrap_or_else(|_| Err(Error::new(Code::Internal, "The token store broke off")))
    }

    async fn put(&self, query: &TokenQuery, data: &TokenData, only_existing: bool) -> Result<bool> {
        let (query, data) = (query.clone(), data.clone());
        self.with(move |database, protection| {
            let name = protection.row(&query);
            let now = now_ms();
            let row = Row {
                token: data.token.expose().clone(),
                expires_at: now.saturating_add(data.expires_in.saturating_mul(1000)),
                created_at: now,
                metadata: data.metadata,
            };
            let transaction = database.begin_write()?;
            {
                let mut rows = transaction.open_table(ROWS)?;
                let earlier = rows.get(name.as_slice())?;
                let earlier: Option<Row> = earlier
                    .and_then(|sealed| protection.sealer.open(&name, sealed.value()))
                    .and_then(|plain| serde_json::from_slice(&plain).ok());
                if only_existing && earlier.is_none() {
                    return Ok(false);
                }
                let metadata = row
                    .metadata
                    .or(earlier.and_then(|earlier| earlier.metadata));
                let row = Row { metadata, ..row };
                let sealed = serde_json::to_vec(&row)
                    .ok()
                    .and_then(|plain| protection.sealer.seal(&name, plain).ok())
                    .ok_or_else(|| corrupted("a row cannot be encrypted"))?;
                rows.insert(name.as_slice(), sealed.as_slice())?;
            }
            transaction.commit()?;
            Ok(true)
        })
        .await
    }
}

fn corrupted(problem: &str) -> redb::Error {
    redb::Error::Corrupted(problem.to_owned())
}

fn failure(path: &Path, problem: &dyn std::fmt::Display) -> Error {
    let path = path.display();
    Error::new(
        Code::TokenStore,
        format!("The token store {path} cannot be used: {problem}"),
    )
}

fn open(path: &Path, busy_limit: Duration) -> Result<Database> {
    let failed = |problem: &dyn std::fmt::Display| failure(path, problem);
    if let Some(directory) = path.parent() {
        make_private_directory(directory).map_err(|problem| failed(&problem))?;
    }
    let until = std::time::Instant::now() + busy_limit;
    loop {
        let file = private_file(path, false).map_err(|problem| failed(&problem))?;
        let opened = FileBackend::new(file).and_then(|backend| {
            Database::builder()
                .set_cache_size(CACHE_BYTES)
                .create_with_backend(backend)
        });
        match opened {
            Ok(database) => return Ok(database),
            Err(DatabaseError::DatabaseAlreadyOpen) if std::time::Instant::now() < until => {
                std::thread::sleep(BUSY_POLL);
            }
            Err(DatabaseError::DatabaseAlreadyOpen) => {
                return Err(failed(&"another process does not let go of it"));
            }
            Err(problem) => return Err(failed(&problem)),
        }
    }
}

/// Whether the file was made with this key. A new file takes it.
fn has_key(database: &Database, protection: &Protection) -> Result<bool, redb::Error> {
    let name = CHECK_NAME.as_bytes();
    let transaction = database.begin_write()?;
    {
        let mut check = transaction.open_table(CHECK)?;
        if let Some(sealed) = check.get(CHECK_NAME)? {
            return Ok(protection.sealer.open(name, sealed.value()).is_some());
        }
        let sealed = protection.sealer.seal(name, Vec::new());
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
            Ok(Some(TokenRow {
                token: Secret::new(row.token),
                expires_at: Some(row.expires_at),
                created_at: Some(row.created_at),
                metadata: row.metadata,
            }))
        })
        .await
    }

    async fn create(&self, query: &TokenQuery, data: &TokenData) -> Result<()> {
        self.put(query, data, false).await.map(drop)
    }

    async fn update(&self, query: &TokenQuery, data: &TokenData) -> Result<bool> {
        self.put(query, data, true).await
    }

    async fn delete(&self, query: &TokenQuery) -> Result<()> {
        let query = query.clone();
        self.with(move |database, protection| {
            let transaction = database.begin_write()?;
            transaction
                .open_table(ROWS)?
                .remove(protection.row(&query).as_slice())?;
            transaction.commit()?;
            Ok(())
        })
        .await
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
                    let ends = locks.get(name.as_slice())?.map(|held| held.value().1);
                    if ends.is_some_and(|ends| ends > now_ms()) {
                        return Ok(false);
                    }
                    locks.insert(name.as_slice(), (owner, now_ms().saturating_add(ttl)))?;
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
                let holder = locks.get(name.as_slice())?.map(|held| held.value().0);
                if holder == Some(owner) {
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
mod tests {
    use super::*;

    #[test]
    fn a_file_that_another_process_keeps() {
        let directory = std::env::temp_dir().join(format!("tokens-{:x}", rand::random::<u64>()));
        let path = directory.join(FILE);
        drop(open(&path, Duration::ZERO).unwrap());
        let other = std::fs::File::open(&path).unwrap();
        other.lock().unwrap();
        let error = open(&path, Duration::from_millis(100)).map(drop);
        let error = error.unwrap_err();
        assert_eq!(error.code, Code::TokenStore);
        let told = "tokens.redb cannot be used: another process does not let go of it";
        assert!(error.message.ends_with(told), "{error}");
        drop(other);
        drop(open(&path, Duration::ZERO).unwrap());
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
