//! Files of the operator that hold a key or a token.

use std::fs::{File, metadata};
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use crate::blocking::blocking;
use crate::error::{Error, Result};
use crate::secret::Secret;

/// What a text holds that still names a variable.
pub const UNSET: &str = "names a variable of the environment that is not set";
/// Far more than any key or token, in bytes.
const LONGEST: u64 = 64 * 1024;
/// A file may be on a network.
const TIMEOUT: Duration = Duration::from_secs(10);
/// No file system takes more, in bytes.
const LONGEST_PATH: usize = 4096;
const LONGEST_PART: usize = 255;
/// No shorter text is told apart from a name, in bytes.
const RANDOM: usize = 20;

/// What a text holds that is no path of a file: an operator may have written the secret itself where its file belongs,
/// and then it must not be told. `None` for a path that may be told.
pub fn misplaced(text: &str) -> Option<&'static str> {
    if text.contains("${") {
        return Some(UNSET);
    }
    if text.contains("-----BEGIN") {
        return Some("holds a PEM where the path of a file belongs");
    }
    if text.starts_with("eyJ") {
        return Some("holds a JWT where the path of a file belongs");
    }
    let parts = || text.split(['/', '\\', '.']);
    let is_path = text.len() <= LONGEST_PATH
        && (text.len() < RANDOM || text.contains(['/', '\\', '.']))
        && !text.contains(char::is_control)
        && parts().all(|part| part.len() <= LONGEST_PART && !is_random(part));
    (!is_path)
        .then_some("holds something that is no file, and is not shown because it may be a secret")
}

/// Whether a part of a path looks as base64 of a key does.
fn is_random(part: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| part.as_bytes().iter().any(kind);
    part.len() >= RANDOM
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'='))
}

/// What is wrong with a file that cannot be read, after the name of what holds its path.
pub fn unread(path: &str, problem: &str) -> String {
    match misplaced(path) {
        Some(what) => what.to_owned(),
        None => format!("({path}) {problem}"),
    }
}

/// Reads a file as it is now; whoever rotates what is in it writes another one.
///
/// Fails with [`Code::InvalidConfig`](crate::error::Code::InvalidConfig); the message goes on after the name of what
/// holds the path. Retryable where the file system was slow.
pub async fn read(path: &Path) -> Result<Secret> {
    let opened = path.to_owned();
    let reading = blocking(async { tokio::task::spawn_blocking(move || contents(&opened)).await });
    let failed = |problem: &str| {
        let problem = format!("cannot be read: {problem}");
        Error::invalid_config(unread(&path.to_string_lossy(), &problem))
    };
    tokio::time::timeout(TIMEOUT, reading)
        .await
        .map_err(|_| failed("it takes too long").with_retryable(true))??
        .map_err(|_| Error::closed())?
        .map_err(|error| failed(&error.to_string()))
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
        assert!(!missing.retryable && missing.message.contains("cannot be read"));
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

    #[tokio::test]
    async fn what_may_be_a_secret_is_not_told() {
        let long = "hunter2/".repeat(1000);
        for (text, expected) in [
            ("-----BEGIN PRIVATE KEY-----\nhunter2", "holds a PEM"),
            ("eyJhbGciOiJub25lIn0.hunter2.x", "holds a JWT"),
            ("${HUNTER}", "is not set"),
            ("/MIGHAgEAhunter2hunter2", "may be a secret"),
            ("a/hunter2HUNTER2hunter2==/b", "may be a secret"),
            ("/hunter2\nhunter2", "may be a secret"),
            ("0123456789abcdef-hunter2", "may be a secret"),
            (&long, "may be a secret"),
            (&"hunter2".repeat(40), "may be a secret"),
        ] {
            let error = read(Path::new(text)).await.unwrap_err();
            assert!(error.message.contains(expected), "{error}");
            assert!(!error.message.contains("hunter2"), "{error}");
        }
        for path in [
            "/var/run/secrets/kubernetes.io/serviceaccount/token-none",
            "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-key/none.pem",
            "C:\\Users\\LibreChat\\none.pem",
        ] {
            let error = read(Path::new(path)).await.unwrap_err();
            assert!(error.message.starts_with(&format!("({path}) ")), "{error}");
        }
    }
}
