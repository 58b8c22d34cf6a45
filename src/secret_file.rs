//! Files of the operator that hold a key or a token.

use std::fs::{File, metadata};
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use crate::blocking::blocking;
use crate::error::{Error, Result};
use crate::secret::Secret;

/// Far more than any key or token, in bytes.
const LONGEST: u64 = 64 * 1024;
/// A file may be on a network.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Reads a file as it is now; whoever rotates what is in it writes another one.
///
/// Fails with [`Code::InvalidConfig`](crate::error::Code::InvalidConfig), retryable, since it may just be replaced.
pub async fn read(path: &Path) -> Result<Secret> {
    let opened = path.to_owned();
    let reading = blocking(async { tokio::task::spawn_blocking(move || contents(&opened)).await });
    let unread = |problem: &str| {
        let path = path.display();
        Error::invalid_config(format!("{path} cannot be read: {problem}")).with_retryable(true)
    };
    tokio::time::timeout(TIMEOUT, reading)
        .await
        .map_err(|_| unread("it takes too long"))??
        .map_err(|_| Error::closed())?
        .map_err(|error| unread(&error.to_string()))
}

fn contents(path: &Path) -> io::Result<Secret> {
    // A pipe would be waited for.
    if !metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut text = String::new();
    let file = File::open(path)?;
    if file.take(LONGEST + 1).read_to_string(&mut text)? as u64 > LONGEST {
        return Err(io::Error::other("it is longer than 64 KiB"));
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn files_are_read_as_they_are_now() {
        let name = format!("secret-file-{:016x}", rand::random::<u64>());
        let path = std::env::temp_dir().join(name);
        let missing = read(&path).await.unwrap_err();
        assert!(missing.retryable && missing.message.contains("cannot be read"));
        for text in ["one", "another"] {
            fs::write(&path, text).unwrap();
            assert_eq!(read(&path).await.unwrap().expose(), text);
        }
        fs::write(&path, "hunter2".repeat(10_000)).unwrap();
        let long = read(&path).await.unwrap_err();
        assert!(long.message.contains("64 KiB") && !long.message.contains("hunter2"));
        fs::remove_file(&path).unwrap();
        let folder = read(&std::env::temp_dir()).await.unwrap_err();
        assert!(folder.message.contains("it is no file"));
    }
}
