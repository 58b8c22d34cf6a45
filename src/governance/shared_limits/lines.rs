//! Calls that wait for the same thing, in the order in which they came.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{MutexGuard, Notify};

/// One line for each key. Nothing is left of one in which nobody stands.
#[derive(Default)]
pub struct Lines(Mutex<HashMap<String, Arc<Line>>>);

#[derive(Default)]
struct Line {
    first: tokio::sync::Mutex<()>,
    freed: Notify,
}

/// Somebody who waits. Dropped, it has left the line.
pub struct Waiting<'a> {
    lines: &'a Lines,
    key: &'a str,
    line: Arc<Line>,
}

impl Lines {
    pub fn is_empty(&self, key: &str) -> bool {
        !self.0.lock().contains_key(key)
    }

    pub fn join<'a>(&'a self, key: &'a str) -> Waiting<'a> {
        let line = Arc::clone(self.0.lock().entry(key.to_owned()).or_default());
        Waiting {
            lines: self,
            key,
            line,
        }
    }

    /// Has the first in the line look again.
    pub fn freed(&self, key: &str) {
        if let Some(line) = self.0.lock().get(key) {
            line.freed.notify_one();
        }
    }
}

impl Waiting<'_> {
    /// Whoever has this is the first.
    pub async fn first(&self) -> MutexGuard<'_, ()> {
        self.line.first.lock().await
    }

    /// Something that those in the line wait for may be free.
    pub async fn freed(&self) {
        self.line.freed.notified().await;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut lines = self.lines.0.lock();
        // The map's own reference and this one.
        if Arc::strong_count(&self.line) == 2 {
            lines.remove(self.key);
        }
    }
}
