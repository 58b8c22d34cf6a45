//! Which tools servers keep from models, as they were listed last.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::lru_map::LruMap;
use crate::tools::RawTools;

/// Names of hidden tools, by user (nobody where users share the connection) and server.
pub(super) struct HiddenTools {
    names: LruMap<(Option<String>, String), Arc<HashSet<String>>>,
    /// A list had some, or somebody wanted to know. Until then nothing is kept, and no call waits for anything.
    is_of_use: AtomicBool,
}

impl HiddenTools {
    /// Remembers so many lists.
    pub fn new(lists: usize) -> Self {
        Self {
            names: LruMap::new(lists),
            is_of_use: AtomicBool::new(false),
        }
    }

    pub fn note(&self, user_id: Option<&str>, server_name: &str, tools: &RawTools) {
        let hidden = tools.hidden_from_models();
        if !hidden.is_empty() {
            self.is_of_use.store(true, Ordering::Release);
        }
        if self.is_of_use.load(Ordering::Acquire) {
            let names = hidden.iter().cloned().collect();
            self.names
                .insert(key(user_id, server_name), Arc::new(names));
        }
    }

    /// Whether a list was noted.
    pub fn knows(&self, user_id: Option<&str>, server_name: &str) -> bool {
        self.is_of_use.store(true, Ordering::Release);
        self.names.get(&key(user_id, server_name)).is_some()
    }

    pub fn has(&self, user_id: Option<&str>, server_name: &str, tool: &str) -> bool {
        if !self.is_of_use.load(Ordering::Acquire) {
            return false;
        }
        let names = self.names.get(&key(user_id, server_name));
        names.is_some_and(|names| names.contains(tool))
    }
}

fn key(user_id: Option<&str>, server_name: &str) -> (Option<String>, String) {
    (user_id.map(str::to_owned), server_name.to_owned())
}
