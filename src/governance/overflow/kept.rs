//! Results that are kept for whoever reads them in parts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use super::whole::{SCHEME, Whole};
use crate::error::{Code, Error, Result};
use crate::hex;

/// How long a result is kept.
const LIFETIME: Duration = Duration::from_mins(15);

/// Bytes of all results of a runtime.
const MOST: usize = 64 << 20;

/// Bytes of one user's results.
pub const MOST_OF_USER: usize = 16 << 20;

/// A small result counts as one of so many bytes, so that there are never too many.
const LEAST: usize = 16 << 10;

/// JSON-RPC: no such resource, as MCP has it.
const NOT_FOUND: i64 = -32002;

/// 128 random bits.
pub type Id = [u8; 16];

/// Whose result it is: nobody else reads it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Reader<'a> {
    pub user_id: Option<&'a str>,
    pub server_name: &'a str,
}

/// The error of a URI that leads to nothing.
#[must_use]
pub fn not_found() -> Error {
    Error::mcp(Code::ServerError, NOT_FOUND, "Resource not found")
}

/// The results of one runtime, the oldest first.
#[derive(Default)]
pub struct KeptResults(Mutex<Shelf>);

#[derive(Default)]
struct Shelf {
    entries: VecDeque<Entry>,
    /// Somebody takes out what is over.
    is_swept: bool,
}

struct Entry {
    id: Id,
    user_id: Option<Box<str>>,
    server_name: Box<str>,
    until: Instant,
    whole: Arc<Whole>,
}

impl Entry {
    fn is_of(&self, reader: Reader<'_>) -> bool {
        self.user_id.as_deref() == reader.user_id && *self.server_name == *reader.server_name
    }

    fn size(&self) -> usize {
        self.whole.size().max(LEAST)
    }
}

impl Shelf {
    fn sweep(&mut self) {
        let now = Instant::now();
        self.entries.retain(|entry| entry.until > now);
    }

    /// Takes out the oldest of those that count, until the others leave room for one more of this size.
    fn make_room(&mut self, size: usize, most: usize, counts: impl Fn(&Entry) -> bool) {
        let counted = self.entries.iter().filter(|entry| counts(entry));
        let mut taken: usize = counted.map(Entry::size).sum();
        self.entries.retain(|entry| {
            let goes = taken + size > most && counts(entry);
            taken -= if goes { entry.size() } else { 0 };
            !goes
        });
    }
}

impl KeptResults {
    /// Keeps a result of no more than [`MOST_OF_USER`] bytes. `true` where somebody has to [`Self::sweep`] from now on.
    pub fn keep(&self, id: Id, reader: Reader<'_>, whole: Whole) -> bool {
        let entry = Entry {
            id,
            user_id: reader.user_id.map(Box::from),
            server_name: Box::from(reader.server_name),
            until: Instant::now() + LIFETIME,
            whole: Arc::new(whole),
        };
        let size = entry.size();
        let mut kept = self.0.lock();
        kept.sweep();
        kept.make_room(size, MOST_OF_USER, |other| other.user_id == entry.user_id);
        kept.make_room(size, MOST, |_| true);
        kept.entries.push_back(entry);
        !std::mem::replace(&mut kept.is_swept, true)
    }

    /// Takes out what is over, until there is nothing left.
    pub async fn sweep(&self) {
        loop {
            let next = {
                let mut kept = self.0.lock();
                kept.sweep();
                kept.is_swept = !kept.entries.is_empty();
                kept.entries.front().map(|entry| entry.until)
            };
            match next {
                Some(until) => sleep_until(until).await,
                None => return,
            }
        }
    }

    /// Forgets a user's results, of one server where that is named.
    pub fn forget(&self, user_id: &str, server_name: Option<&str>) {
        self.0.lock().entries.retain(|entry| {
            entry.user_id.as_deref() != Some(user_id)
                || server_name.is_some_and(|name| *entry.server_name != *name)
        });
    }

    /// Forgets all results.
    pub fn clear(&self) {
        self.0.lock().entries.clear();
    }

    /// The result of `resources/read` for a URI of the scheme.
    ///
    /// # Errors
    /// One and the same for what was never there, is over, or is another reader's; and for a part that cannot be.
    pub fn read(&self, uri: &str, reader: Reader<'_>) -> Result<String> {
        let found = self.part(uri, reader);
        found.unwrap_or_else(|| Err(not_found()))
    }

    fn part(&self, uri: &str, reader: Reader<'_>) -> Option<Result<String>> {
        let path = uri.strip_prefix(SCHEME)?;
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let (id, name) = match path.split_once('/') {
            Some((id, name)) => (id, Some(name)),
            None => (path, None),
        };
        let id: Id = hex::decode(id)?.try_into().ok()?;
        let whole = {
            let mut kept = self.0.lock();
            kept.sweep();
            let found = kept.entries.iter().find(|entry| entry.id == id);
            let found = found.filter(|entry| entry.is_of(reader))?;
            Arc::clone(&found.whole)
        };
        whole.read(uri, name, query)
    }
}
