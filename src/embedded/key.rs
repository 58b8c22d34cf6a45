//! Where tokens are kept, and the key they are encrypted with.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use super::private::{check_private, make_private_directory, private_file};
use crate::environment::Environment;
use crate::error::{Code, Error, Result};
use crate::hex;
use crate::host::CredentialsKey;
use crate::secret::Secret;

const FOLDER: &str = "librechat-mcp-native";
const KEY_FILE: &str = "credentials.key";
const KEY_BYTES: usize = 32;

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
        make_private_directory(&directory).map_err(failed)?;
        check_private(&directory, &fs::metadata(&directory).map_err(failed)?)?;
        let opened = match fs::File::open(&path) {
            Err(problem) if problem.kind() == ErrorKind::NotFound => match create(&path) {
                // Another process was faster; its key counts.
                Err(problem) if problem.kind() == ErrorKind::AlreadyExists => fs::File::open(&path),
                outcome => return outcome.map(Some).map_err(failed),
            },
            opened => opened,
        };
        let file = opened.map_err(failed)?;
        check_private(&path, &file.metadata().map_err(failed)?)?;
        read(file).map(Some).map_err(failed)
    }
}

fn read(file: fs::File) -> std::io::Result<Secret> {
    let mut text = String::new();
    // Longer than a key and the white space around it.
    file.take(1024).read_to_string(&mut text)?;
    let key = text.trim();
    if hex::decode(key).is_some_and(|bytes| bytes.len() == KEY_BYTES) {
        return Ok(Secret::from(key));
    }
    Err(std::io::Error::new(
        ErrorKind::InvalidData,
        "it does not hold 32 bytes in hex; move it away, with tokens.redb beside it, and log in again",
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

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_others_can_reach_is_refused() {
        let directory = std::env::temp_dir().join(format!("key-{:x}", rand::random::<u64>()));
        let (file, key) = (directory.join(KEY_FILE), stored(&directory));
        let made = key.key().unwrap().unwrap();
        assert_eq!(key.key().unwrap(), Some(made.clone()), "it is read again");
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
        for (path, good, bad) in [
            (&file, 0o600, [0o640, 0o604, 0o620, 0o602, 0o777]),
            (&directory, 0o700, [0o750, 0o705, 0o730, 0o702, 0o755]),
        ] {
            for mode in bad {
                set(path, mode).unwrap();
                let error = key.key().unwrap_err();
                assert_eq!(error.code, Code::TokenStore);
                let command = format!("chmod {good:o} '{}'", path.display());
                assert!(error.message.ends_with(&command), "{error}");
                let mode_now = fs::metadata(path).unwrap().permissions().mode() & 0o777;
                assert_eq!(mode_now, mode, "nothing is changed silently");
            }
            set(path, good).unwrap();
            assert_eq!(key.key().unwrap(), Some(made.clone()));
        }
        set(&file, 0o400).unwrap();
        set(&directory, 0o711).unwrap();
        assert_eq!(key.key().unwrap(), Some(made));
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn no_key_is_made_where_others_can_change_it() {
        let directory = std::env::temp_dir().join(format!("key-{:x}", rand::random::<u64>()));
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
        let error = stored(&directory).key().unwrap_err();
        assert!(error.message.contains("chmod 700"), "{error}");
        assert!(!directory.join(KEY_FILE).exists());
        fs::remove_dir_all(&directory).unwrap();
    }

    fn stored(directory: &Path) -> StoredKey {
        StoredKey {
            given: None,
            directory: Ok(directory.to_path_buf()),
        }
    }
}
