//! Tools that a server keeps from models (MCP Apps, `_meta.ui.visibility`): no list that is made for a model has them, and
//! no call of a model gets to them.

use std::sync::Arc;

use super::state::Manager;
use crate::error::{Code, Error, Result};
use crate::tools::RawTools;

impl Manager {
    /// The tools that models may know of. The others are refused to models from then on: to `user_id`, or to everybody
    /// where users share the connection.
    pub fn for_models(
        &self,
        user_id: Option<&str>,
        server_name: &str,
        tools: &Arc<RawTools>,
    ) -> Arc<RawTools> {
        self.0.hidden_tools.note(user_id, server_name, tools);
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
        let hidden = &self.0.hidden_tools;
        if hidden.has(None, server_name, tool) || hidden.has(user_id, server_name, tool) {
            let message = "The server offers this tool to its apps alone, not to models";
            return Err(Error::new(Code::ToolHidden, message));
        }
        Ok(())
    }
}
