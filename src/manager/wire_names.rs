//! What servers call the tools that models know by another name.

use std::sync::atomic::Ordering;

use super::names::WireNames;
use super::state::Manager;
use crate::connection::Recipe;

impl Manager {
    pub(super) fn learn_names(
        &self,
        user_id: Option<&str>,
        server_name: &str,
        wire_names: WireNames,
    ) {
        let key = (user_id.map(str::to_owned), server_name.to_owned());
        if wire_names.is_empty() {
            self.0.tool_names.remove(&key);
        } else {
            self.0.has_wire_names.store(true, Ordering::Release);
            self.0.tool_names.insert(key, wire_names);
        }
    }

    /// What the server at the other end of a connection calls a tool that a model names.
    pub(super) fn wire_name(&self, recipe: &Recipe, tool: &str) -> Option<String> {
        // A host that shows names as servers have them asks this with every call, too.
        if !self.0.has_wire_names.load(Ordering::Acquire) {
            return None;
        }
        let key = (recipe.user_id.clone(), recipe.server_name.clone());
        self.0.tool_names.get(&key)?.get(tool).cloned()
    }
}
