//! The file of the token store: opening it, and saying what is wrong with one that cannot be opened.

use std::cell::Cell;
use std::fs::File;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Once;
use std::time::{Duration, Instant};

use librechat_mcp_native_store::{Problem, Store};

use super::private::{make_private_directory, private_file};
use crate::error::{Code, Error, Result};

/// How long an operation waits for other processes.
pub const BUSY_LIMIT: Duration = Duration::from_secs(10);
const BUSY_POLL: Duration = Duration::from_millis(20);

/// Runs `work` on the store in a file, which is made if it is not there or empty. A file that could not be made whole is
/// left empty, so that nothing is lost and the next attempt begins anew.
///
/// Fails with [`Code::TokenStore`].
pub fn with_store<T>(
    path: &Path,
    busy_limit: Duration,
    prepare: &dyn Fn(&Store) -> Result<()>,
    work: impl FnOnce(&Store) -> Result<T, Problem>,
) -> Result<T> {
    let outcome = quietly(|| {
        let store = prepared(path, busy_limit, prepare)?;
        work(&store).map_err(|problem| failure(path, &problem))
    });
    outcome.unwrap_or_else(|_| Err(failure(path, &Problem::Damaged)))
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

fn prepared(
    path: &Path,
    busy_limit: Duration,
    prepare: &dyn Fn(&Store) -> Result<()>,
) -> Result<Store> {
    let failed = |problem: std::io::Error| failure(path, &problem.into());
    if let Some(directory) = path.parent() {
        make_private_directory(directory).map_err(failed)?;
    }
    let (store, made) = open(path, busy_limit)?;
    let Err(error) = prepare(&store) else {
        return Ok(store);
    };
    drop(store);
    if let Some(file) = made {
        // What is wrong is told by the error at hand.
        let _ = file.set_len(0);
    }
    Err(error)
}

/// The store, and its file where it was empty before.
fn open(path: &Path, busy_limit: Duration) -> Result<(Store, Option<File>)> {
    let failed = |problem: std::io::Error| failure(path, &problem.into());
    let until = Instant::now() + busy_limit;
    loop {
        let file = private_file(path, false).map_err(failed)?;
        let is_new = file.metadata().map_err(failed)?.len() == 0;
        let made = is_new
            .then(|| file.try_clone())
            .transpose()
            .map_err(failed)?;
        match Store::open(file) {
            Ok(store) => return Ok((store, made)),
            Err(Problem::Busy) if Instant::now() < until => std::thread::sleep(BUSY_POLL),
            Err(Problem::Busy) => return Err(failure(path, &Problem::Busy)),
            Err(problem) => {
                if let Some(file) = made {
                    let _ = file.set_len(0);
                }
                return Err(failure(path, &problem));
            }
        }
    }
}

/// What is wrong with the file, and what to do about it.
pub fn failure(path: &Path, problem: &Problem) -> Error {
    let damaged;
    let told = match problem {
        Problem::Busy => "another process does not let go of it",
        Problem::Damaged => {
            let shown = path.display();
            damaged = format!(
                "it is damaged, or no token store. Move it away (mv '{shown}' '{shown}.damaged') and log in again"
            );
            &damaged
        }
        Problem::DiskFull => {
            "the disk is full. Free some space and try again; what was stored before is still there"
        }
        Problem::Interrupted => {
            "the disk failed while it was written. Try again; what was stored before is still there"
        }
        Problem::Other(problem) => problem,
    };
    unusable(path, told)
}

pub fn unusable(path: &Path, problem: &str) -> Error {
    let path = path.display();
    Error::new(
        Code::TokenStore,
        format!("The token store {path} cannot be used: {problem}"),
    )
}
