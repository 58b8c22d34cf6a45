//! Which tools are approved, in a file for each tenant and server beside the stored tokens.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ring::digest::{SHA256, digest};

use super::private::{check_private, make_private_directory, private_file};
use crate::blocking::blocking;
use crate::error::{Code, Error, Result};
use crate::hex;
use crate::host::ToolPins;

const FOLDER: &str = "tool-pins";
/// Far more than any record, in bytes.
const LONGEST: u64 = 16 * 1024 * 1024;
/// How long a change waits for other processes.
const BUSY_LIMIT: Duration = Duration::from_millis(1500);
const BUSY_POLL: Duration = Duration::from_millis(5);

pub struct PinFiles {
    /// The data directory.
    pub directory: Result<PathBuf>,
}

#[async_trait]
impl ToolPins for PinFiles {
    async fn get(&self, key: &str) -> Result<Option<String>> {
        let place = self.place(key)?;
        in_thread(move || {
            place.check()?;
            place.read().map_err(|problem| place.failed(&problem))
        })
        .await
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&str>,
        value: &str,
    ) -> Result<bool> {
        let place = self.place(key)?;
        let (expected, value) = (expected.map(str::to_owned), value.to_owned());
        in_thread(move || {
            place.check()?;
            let changed = place.change(expected.as_deref(), &value);
            changed.map_err(|problem| place.failed(&problem))
        })
        .await
    }
}

impl PinFiles {
    fn place(&self, key: &str) -> Result<Place> {
        let directory = self.directory.clone()?;
        let name = hex::encode(digest(&SHA256, key.as_bytes()).as_ref());
        let file = directory.join(FOLDER).join(format!("{name}.json"));
        Ok(Place { directory, file })
    }
}

async fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    blocking(async { tokio::task::spawn_blocking(work).await })
        .await?
        .map_err(|_| Error::internal())?
}

/// Where one record is.
struct Place {
    directory: PathBuf,
    file: PathBuf,
}

impl Place {
    /// Makes the folder, and refuses one that others can change: they could approve what they like.
    fn check(&self) -> Result<()> {
        let folder = self.file.parent().unwrap_or(&self.directory);
        make_private_directory(folder).map_err(|problem| self.failed(&problem))?;
        for path in [&*self.directory, folder] {
            let found = fs::metadata(path).map_err(|problem| self.failed(&problem))?;
            check_private(path, &found)?;
        }
        Ok(())
    }

    fn failed(&self, problem: &std::io::Error) -> Error {
        let path = self.file.display();
        let message = format!("The record of approved tools, {path}, cannot be used: {problem}");
        Error::new(Code::HostError, message)
    }

    fn read(&self) -> std::io::Result<Option<String>> {
        let file = match fs::File::open(&self.file) {
            Err(problem) if problem.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut text = String::new();
        if file.take(LONGEST + 1).read_to_string(&mut text)? as u64 > LONGEST {
            return Err(std::io::Error::other("it is longer than 16 MiB"));
        }
        Ok(Some(text))
    }

    fn change(&self, expected: Option<&str>, value: &str) -> std::io::Result<bool> {
        // The system unlocks what a process leaves locked that ends.
        let lock = lock(&self.file.with_extension("lock"))?;
        let is_expected = self.read()?.as_deref() == expected;
        if is_expected {
            let draft = self.file.with_extension("draft");
            // Of a process that was killed. Whoever has the lock may.
            let _ = fs::remove_file(&draft);
            let mut file = private_file(&draft, true)?;
            file.write_all(value.as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, &self.file)?;
        }
        drop(lock);
        Ok(is_expected)
    }
}

fn lock(path: &Path) -> std::io::Result<fs::File> {
    let (file, until) = (private_file(path, false)?, Instant::now() + BUSY_LIMIT);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) if Instant::now() < until => sleep(BUSY_POLL),
            Err(fs::TryLockError::WouldBlock) => {
                return Err(std::io::Error::other("another process has it for too long"));
            }
            Err(fs::TryLockError::Error(problem)) => return Err(problem),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_many_who_change_a_record_one_does() {
        let directory = std::env::temp_dir().join(format!("pins-{:x}", rand::random::<u64>()));
        let store = PinFiles {
            directory: Ok(directory.clone()),
        };
        assert_eq!(store.get("a").await.unwrap(), None);
        let values: Vec<_> = (0..8).map(|number| format!("value {number}")).collect();
        let writing = values.iter().map(|it| store.compare_and_set("a", None, it));
        let outcomes = futures::future::join_all(writing).await;
        let won = outcomes.iter().filter(|it| *it.as_ref().unwrap()).count();
        assert_eq!(won, 1);
        let value = store.get("a").await.unwrap().unwrap();
        assert!(values.contains(&value));
        assert!(
            !store
                .compare_and_set("a", Some("other"), "x")
                .await
                .unwrap()
        );
        assert!(store.compare_and_set("a", Some(&value), "x").await.unwrap());
        assert_eq!(store.get("b").await.unwrap(), None);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;

            let file = store.place("a").unwrap().file;
            let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600);
            let open = fs::Permissions::from_mode(0o777);
            fs::set_permissions(directory.join(FOLDER), open).unwrap();
            assert!(store.get("a").await.is_err());
        }
        fs::remove_dir_all(&directory).unwrap();
    }
}
