//! The file of the token store: opening it, and saying what is wrong with one that cannot be opened.

use std::cell::Cell;
use std::fs::File;
use std::io::ErrorKind;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Once;
use std::time::{Duration, Instant};

use redb::backends::FileBackend;
use redb::{Database, DatabaseError};

use super::private::{make_private_directory, private_file};
use crate::error::{Code, Error, Result};

/// How long an operation waits for other processes.
pub const BUSY_LIMIT: Duration = Duration::from_secs(10);
const BUSY_POLL: Duration = Duration::from_millis(20);
const CACHE_BYTES: usize = 1024 * 1024;

/// Runs `work` on the database in a file, which is made if it is not there or empty. A file that could not be made whole
/// is left empty, so that nothing is lost and the next attempt begins anew.
///
/// Fails with [`Code::TokenStore`].
pub fn with_database<T>(
    path: &Path,
    busy_limit: Duration,
    prepare: impl FnOnce(&Database) -> Result<()>,
    work: impl FnOnce(&Database) -> Result<T, redb::Error>,
) -> Result<T> {
    let failed = |problem: std::io::Error| failure(path, problem.into());
    if let Some(directory) = path.parent() {
        make_private_directory(directory).map_err(failed)?;
    }
    let outcome = quietly(|| {
        let (database, made) = open(path, busy_limit)?;
        let prepared = prepare(&database);
        if let (Err(_), Some(file)) = (&prepared, made) {
            drop(database);
            // What is wrong is told by the error at hand.
            let _ = file.set_len(0);
            return prepared.map(|()| None);
        }
        prepared?;
        work(&database)
            .map(Some)
            .map_err(|problem| failure(path, problem))
    });
    match outcome {
        Ok(Ok(Some(result))) => Ok(result),
        Ok(Err(error)) => Err(error),
        Ok(Ok(None)) | Err(_) => Err(damaged(path)),
    }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Damaged pages break assumptions that the database asserts. What comes of that is told by an error, so the report of
/// the panic, which says nothing to a user, is left out.
fn quietly<T>(work: impl FnOnce() -> T) -> std::thread::Result<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |panicked| {
            if !QUIET.get() {
                report(panicked);
            }
        }));
    });
    QUIET.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(false);
    outcome
}

/// The database, and its file where it was empty before.
fn open(path: &Path, busy_limit: Duration) -> Result<(Database, Option<File>)> {
    let failed = |problem: std::io::Error| failure(path, problem.into());
    let until = Instant::now() + busy_limit;
    loop {
        let file = private_file(path, false).map_err(failed)?;
        let is_new = file.metadata().map_err(failed)?.len() == 0;
        let made = is_new
            .then(|| file.try_clone())
            .transpose()
            .map_err(failed)?;
        let opened = FileBackend::new(file).and_then(|backend| {
            Database::builder()
                .set_cache_size(CACHE_BYTES)
                .create_with_backend(backend)
        });
        match opened {
            Ok(database) => return Ok((database, made)),
            Err(DatabaseError::DatabaseAlreadyOpen) if Instant::now() < until => {
                std::thread::sleep(BUSY_POLL);
            }
            Err(DatabaseError::DatabaseAlreadyOpen) => {
                return Err(unusable(path, "another process does not let go of it"));
            }
            Err(problem) => {
                if let Some(file) = made {
                    let _ = file.set_len(0);
                }
                return Err(failure(path, problem.into()));
            }
        }
    }
}

/// What is wrong with the file, and what to do about it.
pub fn failure(path: &Path, problem: redb::Error) -> Error {
    match problem {
        redb::Error::Io(problem) => match problem.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                unusable(
                    path,
                    "the disk is full. Free some space and try again; what was stored before is still there",
                )
            }
            // A read beyond the end of the file, and what the database says of a file that is none of its own.
            ErrorKind::UnexpectedEof | ErrorKind::InvalidData => damaged(path),
            _ => unusable(path, &problem.to_string()),
        },
        redb::Error::PreviousIo => unusable(
            path,
            "the disk failed while it was written. Try again; what was stored before is still there",
        ),
        redb::Error::Corrupted(_)
        | redb::Error::UpgradeRequired(_)
        | redb::Error::RepairAborted => damaged(path),
        problem => unusable(path, &problem.to_string()),
    }
}

fn damaged(path: &Path) -> Error {
    let shown = path.display();
    unusable(
        path,
        &format!(
            "it is damaged, or no token store. Move it away (mv '{shown}' '{shown}.damaged') and log in again"
        ),
    )
}

pub fn unusable(path: &Path, problem: &str) -> Error {
    let path = path.display();
    Error::new(
        Code::TokenStore,
        format!("The token store {path} cannot be used: {problem}"),
    )
}
