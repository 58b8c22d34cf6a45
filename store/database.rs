//! The file of the token store: values by table and name, which processes open in turn.

use std::fs::File;
use std::io::ErrorKind;

use redb::backends::FileBackend;
use redb::{Database, DatabaseError, ReadableTable, TableDefinition, WriteTransaction};

const CACHE_BYTES: usize = 1024 * 1024;

/// Why a file cannot be used.
#[derive(Debug)]
pub enum Problem {
    /// Another process has it open.
    Busy,
    Damaged,
    DiskFull,
    /// The disk failed while it was written.
    Interrupted,
    Other(String),
}

/// An open file. Other processes can open it when this is dropped.
pub struct Store(Database);

/// What it changes counts from [`Transaction::commit`] on, and not at all without it.
pub struct Transaction(WriteTransaction);

impl Store {
    /// Opens a file, for reading and writing, of which an empty one becomes a store.
    pub fn open(file: File) -> Result<Self, Problem> {
        let backend = FileBackend::new(file).map_err(opening)?;
        Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create_with_backend(backend)
            .map(Self)
            .map_err(opening)
    }

    /// Waits for other transactions of this store to end.
    pub fn begin(&self) -> Result<Transaction, Problem> {
        self.0.begin_write().map(Transaction).map_err(problem)
    }
}

impl Transaction {
    pub fn get(&self, table: &str, name: &[u8]) -> Result<Option<Vec<u8>>, Problem> {
        let table = self.0.open_table(definition(table)).map_err(problem)?;
        let value = table.get(name).map_err(problem)?;
        Ok(value.map(|value| value.value().to_vec()))
    }

    /// Puts the value in the place of an earlier one.
    pub fn insert(&self, table: &str, name: &[u8], value: &[u8]) -> Result<(), Problem> {
        let mut table = self.0.open_table(definition(table)).map_err(problem)?;
        table.insert(name, value).map(drop).map_err(problem)
    }

    pub fn remove(&self, table: &str, name: &[u8]) -> Result<(), Problem> {
        let mut table = self.0.open_table(definition(table)).map_err(problem)?;
        table.remove(name).map(drop).map_err(problem)
    }

    pub fn commit(self) -> Result<(), Problem> {
        self.0.commit().map_err(problem)
    }
}

/// All tables have one type, because there is code for a table once for each type.
fn definition(name: &str) -> TableDefinition<'_, &'static [u8], &'static [u8]> {
    TableDefinition::new(name)
}

fn opening(error: DatabaseError) -> Problem {
    match error {
        DatabaseError::DatabaseAlreadyOpen => Problem::Busy,
        error => problem(error),
    }
}

fn problem(error: impl Into<redb::Error>) -> Problem {
    match error.into() {
        redb::Error::Io(error) => error.into(),
        redb::Error::PreviousIo => Problem::Interrupted,
        redb::Error::Corrupted(_)
        | redb::Error::UpgradeRequired(_)
        | redb::Error::RepairAborted => Problem::Damaged,
        error => Problem::Other(error.to_string()),
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::DiskFull
            }
            // A read beyond the end of the file, and what the database says of a file that is none of its own.
            ErrorKind::UnexpectedEof | ErrorKind::InvalidData => Self::Damaged,
            _ => Self::Other(error.to_string()),
        }
    }
}
