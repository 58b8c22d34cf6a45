//! The file of `MCP_NATIVE_AUDIT`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::trace::Outlets;

/// How often the path is looked at: whoever rotates the file has put another in its place.
const LOOK: Duration = Duration::from_secs(1);

/// A file that gets a line for each record. Its functions block.
pub struct AuditFile {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    /// Absent while the file cannot be opened.
    file: Option<File>,
    looked_at: Instant,
    /// What failed may have left a part of a line.
    ends_in_pieces: bool,
}

impl AuditFile {
    /// The file is opened when the first record comes, if that is not possible now; the error says why.
    pub fn open(path: &Path) -> (Self, io::Result<()>) {
        let (file, outcome) = match Outlets::open(path) {
            Ok(file) => (Some(file), Ok(())),
            Err(error) => (None, Err(error)),
        };
        let state = State {
            file,
            looked_at: Instant::now(),
            ends_in_pieces: false,
        };
        let opened = Self {
            path: path.to_owned(),
            state: Mutex::new(state),
        };
        (opened, outcome)
    }

    /// Adds one line: with one write, which keeps the lines of processes apart. The system may hold it back from the disk for
    /// a while.
    pub fn append(&self, record: &str) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.file.is_none() || state.looked_at.elapsed() >= LOOK {
            self.look(&mut state)?;
        }
        let mut line = String::with_capacity(record.len() + 2);
        if state.ends_in_pieces {
            line.push('\n');
        }
        line += record;
        line.push('\n');
        let Some(file) = &mut state.file else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let written = file.write_all(line.as_bytes());
        state.ends_in_pieces = written.is_err();
        written
    }

    /// Opens the file that the path leads to now, unless it is the one that is open.
    fn look(&self, state: &mut State) -> io::Result<()> {
        state.looked_at = Instant::now();
        let is_open = state.file.as_ref().is_some_and(|file| self.leads_to(file));
        if is_open {
            return Ok(());
        }
        match Outlets::open(&self.path) {
            Ok(file) => {
                state.file = Some(file);
                state.ends_in_pieces = false;
                Ok(())
            }
            // Better in a file that has been moved away than nowhere.
            Err(_) if state.file.is_some() => Ok(()),
            Err(error) => Err(error),
        }
    }

    #[cfg(unix)]
    fn leads_to(&self, file: &File) -> bool {
        use std::os::unix::fs::MetadataExt;
        let there = fs::metadata(&self.path);
        let both = there.and_then(|there| Ok((there, file.metadata()?)));
        both.is_ok_and(|(there, own)| (there.dev(), there.ino()) == (own.dev(), own.ino()))
    }

    #[cfg(not(unix))]
    fn leads_to(&self, _: &File) -> bool {
        fs::exists(&self.path).unwrap_or(true)
    }
}
