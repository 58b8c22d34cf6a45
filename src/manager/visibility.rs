//! Tools that a server keeps from models (MCP Apps, `_meta.ui.visibility`): no list that is made for a model has them, and
//! no call of a model gets to them.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use moka::sync::Cache;

use super::state::{KNOWN_SERVERS, Manager};
use crate::error::{Code, Error, Result};
use crate::tools::RawTools;

/// Names of hidden tools, by user (nobody for a server that users share) and server.
pub(super) struct HiddenTools {
    names: Cache<(Option<String>, String), Arc<HashSet<String>>>,
    /// There were any.
    has_any: AtomicBool,
}

impl Default for HiddenTools {
    fn default() -> Self {
        Self {
            names: Cache::new(KNOWN_SERVERS),
            has_any: AtomicBool::new(false),
        }
    }
}

impl Manager {
    /// The tools that models may know of. The others are refused to models from then on: to `user_id`, or to everybody
    /// where users share the connection.
    pub fn for_models(
        &self,
        user_id: Option<&str>,
        server_name: &str,
        tools: &Arc<RawTools>,
    ) -> Arc<RawTools> {
        let known = &self.0.hidden_tools;
        let hidden = tools.hidden_from_models();
        if hidden.is_empty() && !known.has_any.load(Ordering::Acquire) {
            return Arc::clone(tools);
        }
        let key = (user_id.map(str::to_owned), server_name.to_owned());
        if hidden.is_empty() {
            known.names.invalidate(&key);
            return Arc::clone(tools);
        }
        known.has_any.store(true, Ordering::Release);
        let names = hidden.iter().cloned().collect();
        known.names.insert(key, Arc::new(names));
        tools.for_models()
    }

    /// # Errors
    /// [`Code::ToolHidden`] for a tool that the last list for `user_id`, or for all, kept from models. `tool` is the
    /// server's own name.
    pub(super) fn refuse_hidden(
        &self,
        user_id: Option<&str>,
        server_name: &str,
        tool: &str,
    ) -> Result<()> {
        let known = &self.0.hidden_tools;
        // Few servers hide any, and every call asks.
        if !known.has_any.load(Ordering::Acquire) {
            return Ok(());
        }
        let is_hidden = |user_id: Option<&str>| {
            let key = (user_id.map(str::to_owned), server_name.to_owned());
            known.names.get(&key).is_some_and(|it| it.contains(tool))
        };
        if is_hidden(None) || user_id.is_some() && is_hidden(user_id) {
            let message = "The server offers this tool to its apps alone, not to models";
            return Err(Error::new(Code::ToolHidden, message));
        }
        Ok(())
    }
}
