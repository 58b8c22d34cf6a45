//! Whether a file has changed, without reading it.

use std::fs::{self, Metadata};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How often it is looked whether files have changed.
pub const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What a file looked like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStamp {
    modified: Option<SystemTime>,
    length: u64,
    /// Another one where the file was replaced, as projected volumes and `rename` do.
    inode: u64,
}

impl FileStamp {
    /// What the file looks like now, that of a link's end; `None` where there is none that can be seen. Blocks on the
    /// file system.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            modified: metadata.modified().ok(),
            length: metadata.len(),
            inode: inode(&metadata),
        })
    }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
const fn inode(_: &Metadata) -> u64 {
    0
}
