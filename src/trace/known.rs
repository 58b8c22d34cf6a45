//! The secrets that were seen, to be cut out of every text. They are bounded in number; those in use are kept.

use std::collections::HashSet;

use crate::foreign_text::SecretSearch;

/// From how many on those that nobody has used lately make room, between two records.
const MOST: usize = 256;

/// Secrets since the last time that there were too many.
#[derive(Default)]
struct Generation {
    texts: HashSet<String>,
    search: SecretSearch,
}

#[derive(Default)]
pub(super) struct Known {
    current: Generation,
    before: Generation,
}

impl Known {
    /// Makes room. Nothing that is added after it is forgotten before the next time.
    pub fn make_room(&mut self) {
        if self.current.texts.len() >= MOST {
            self.before = std::mem::take(&mut self.current);
        }
    }

    pub fn add(&mut self, secret: &str) {
        if !self.current.texts.contains(secret) {
            self.current.texts.insert(secret.to_owned());
            self.current.search.add(secret);
        }
    }

    pub fn searches(&self) -> [&SecretSearch; 2] {
        [&self.current.search, &self.before.search]
    }
}
