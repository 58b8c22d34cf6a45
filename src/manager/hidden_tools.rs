//! Which tools servers keep from models, as they were listed last.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use moka::sync::Cache;

use crate::tools::RawTools;

/// Names of hidden tools, by user (nobody where users share the connection) and server.
pub(super) struct HiddenTools {
    names: Cache<(Option<String>, String), Arc<HashSet<String>>>,
    /// There were any.
    has_any: AtomicBool,
}

impl HiddenTools {
    /// Remembers so many lists.
    pub fn new(lists: u64) -> Self {
        Self {
            names: Cache::new(lists),
            has_any: AtomicBool::new(false),
        }
    }

    pub fn note(&self, user_id: Option<&str>, server_name: &str, tools: &RawTools) {
        let hidden = tools.hidden_from_models();
        if hidden.is_empty() && !self.has_any.load(Ordering::Acquire) {
            return;
        }
        let key = (user_id.map(str::to_owned), server_name.to_owned());
        if hidden.is_empty() {
            self.names.invalidate(&key);
        } else {
            self.has_any.store(true, Ordering::Release);
            let names = hidden.iter().cloned().collect();
            self.names.insert(key, Arc::new(names));
        }
    }

    pub fn has(&self, user_id: Option<&str>, server_name: &str, tool: &str) -> bool {
        // Few servers hide any, and every call of a tool asks.
        if !self.has_any.load(Ordering::Acquire) {
            return false;
        }
        let key = (user_id.map(str::to_owned), server_name.to_owned());
        self.names.get(&key).is_some_and(|it| it.contains(tool))
    }
}
