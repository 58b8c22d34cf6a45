//! Files and folders that only the user of this process may read.

use std::fs;
use std::path::Path;

use crate::error::{Code, Error, Result};

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

/// Refuses what others can read or write, or what belongs to somebody else: a key that was open to others is no secret
/// any more, and whether it is to be trusted all the same is not for a program to decide.
///
/// Fails with [`Code::TokenStore`] and the command that mends it.
#[cfg(unix)]
pub fn check_private(path: &Path, found: &fs::Metadata) -> Result<()> {
    use std::os::unix::fs::MetadataExt;

    const READ_OR_WRITTEN_BY_OTHERS: u32 = 0o066;
    let (holder, mode) = if found.is_dir() {
        ("The folder of tokens.redb and its key,", "700")
    } else {
        ("The key of stored tokens,", "600")
    };
    let shown = path.display();
    let refused = |problem: String, command: String| {
        Err(Error::new(
            Code::TokenStore,
            format!("{holder} {shown}, is not used, because {problem}. Run: {command}"),
        ))
    };
    let own = rustix::process::geteuid().as_raw();
    if found.uid() != own {
        return refused(
            format!(
                "it belongs to the user {} and not to this process's user {own}",
                found.uid()
            ),
            format!("chown {own} '{shown}' && chmod {mode} '{shown}'"),
        );
    }
    if found.mode() & READ_OR_WRITTEN_BY_OTHERS != 0 {
        return refused(
            format!(
                "other users can read or change it (mode {:04o})",
                found.mode() & 0o7777
            ),
            format!("chmod {mode} '{shown}'"),
        );
    }
    Ok(())
}

/// The data directory of a Windows user is closed to others by its inherited access control list.
#[cfg(not(unix))]
pub fn check_private(_: &Path, _: &fs::Metadata) -> Result<()> {
    Ok(())
}
