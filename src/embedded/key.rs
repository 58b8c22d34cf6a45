//! Where tokens are kept, and the key they are encrypted with.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::{Code, Error, Result};
use crate::hex;
use crate::host::{CredentialsKey, Environment};
use crate::secret::Secret;

const FOLDER: &str = "librechat-mcp-native";
const KEY_FILE: &str = "credentials.key";
const KEY_BYTES: usize = 32;

/// Variables that [`data_directory`] reads, for the host to copy.
pub const DIRECTORY_VARIABLES: &[&str] = &["HOME", "LOCALAPPDATA", "USERPROFILE", "XDG_DATA_HOME"];

/// The user's own directory for data of this library, by the custom of the platform (XDG Base Directory Specification,
/// Apple's File System Programming Guide, Windows' known folders).
///
/// Fails with [`Code::TokenStore`] where the environment names none.
pub fn data_directory(environment: &Environment) -> Result<PathBuf> {
    let folder = |name: &str, rest: &[&str]| {
        let base = environment.get(name).map(PathBuf::from);
        // Relative paths are invalid there.
        let base = base.filter(|base| base.is_absolute())?;
        Some(rest.iter().fold(base, |path, part| path.join(part)))
    };
    let base = if cfg!(windows) {
        folder("LOCALAPPDATA", &[]).or_else(|| folder("USERPROFILE", &["AppData", "Local"]))
    } else if cfg!(target_os = "macos") {
        folder("HOME", &["Library", "Application Support"])
    } else {
        folder("XDG_DATA_HOME", &[]).or_else(|| folder("HOME", &[".local", "share"]))
    };
    base.map(|base| base.join(FOLDER)).ok_or_else(|| {
        Error::new(
            Code::TokenStore,
            "OAuth tokens cannot be stored: the environment names no home directory",
        )
    })
}

/// The key that was given, else one in a file that only the user can read. It is made when it is first needed.
pub struct StoredKey {
    pub given: Option<Secret>,
    pub directory: Result<PathBuf>,
}

impl CredentialsKey for StoredKey {
    fn key(&self) -> Result<Option<Secret>> {
        if let Some(given) = &self.given {
            return Ok(Some(given.clone()));
        }
        let directory = self.directory.clone()?;
        let path = directory.join(KEY_FILE);
        let failed = |problem: std::io::Error| {
            let path = path.display();
            Error::new(
                Code::TokenStore,
                format!("The key of stored tokens, {path}, cannot be used: {problem}"),
            )
        };
        match read(&path) {
            Err(problem) if problem.kind() == ErrorKind::NotFound => {}
            outcome => return outcome.map(Some).map_err(failed),
        }
        make_private_directory(&directory).map_err(failed)?;
        match create(&path) {
            // Another process was faster; its key counts.
            Err(problem) if problem.kind() == ErrorKind::AlreadyExists => {
                read(&path).map(Some).map_err(failed)
            }
            outcome => outcome.map(Some).map_err(failed),
        }
    }
}

fn read(path: &Path) -> std::io::Result<Secret> {
    let text = fs::read_to_string(path)?;
    let key = text.trim();
    if hex::decode(key).is_some_and(|bytes| bytes.len() == KEY_BYTES) {
        return Ok(Secret::from(key));
    }
    Err(std::io::Error::new(
        ErrorKind::InvalidData,
        "it does not hold 32 bytes in hex",
    ))
}

/// Whole or not at all: the key is written beside it first and linked to its name.
fn create(path: &Path) -> std::io::Result<Secret> {
    let key = hex::encode(&rand::random::<[u8; KEY_BYTES]>());
    let draft = path.with_extension(format!("{:016x}", rand::random::<u64>()));
    let written = private_file(&draft, true)
        .and_then(|mut file| {
            file.write_all(key.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    written.and(removed).map(|()| Secret::new(key))
}

/// A directory that only the user can enter.
pub fn make_private_directory(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A file that only the user can read, opened for reading and writing.
pub fn private_file(path: &Path, new: bool) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).truncate(false);
    if new {
        options.create_new(true);
    } else {
        options.create(true);
    }
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
