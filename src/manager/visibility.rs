//! Tools that a server keeps from models (MCP Apps, `_meta.ui.visibility`): no list that is made for a model has them, and
//! no call of a model gets to them.

use std::sync::Arc;

use super::state::Manager;
use crate::connection::{CallOptions, Connection, list_tools};
use crate::error::{Code, Error, Result};
use crate::tools::RawTools;

/// The extension that lets servers hide tools. A server should offer such tools only to hosts that declare it.
const APPS: &str = "io.modelcontextprotocol/ui";

impl Manager {
    /// The tools that models may know of. The others are refused to models from then on: to `user_id`, or to everybody
    /// where users share the connection.
    #[must_use]
    pub fn for_models(
        &self,
        user_id: Option<&str>,
        server_name: &str,
        tools: &Arc<RawTools>,
    ) -> Arc<RawTools> {
        self.0.hidden_tools.note(user_id, server_name, tools);
        tools.for_models()
    }

    /// Lists the tools before the first call for a host with apps: another process may have shown them to the model, and a
    /// model may make a name up.
    ///
    /// # Errors
    /// [`Code::ToolHidden`] for a tool that the last list kept from models; `tool` is the server's own name. Those of
    /// [`list_tools`].
    pub(super) async fn refuse_hidden(
        &self,
        connection: &Connection,
        tool: &str,
        options: &CallOptions,
    ) -> Result<()> {
        let (hidden, recipe) = (&self.0.hidden_tools, &connection.recipe);
        let (user_id, server_name) = (recipe.user_id.as_deref(), &recipe.server_name);
        let of_server = recipe.config.extensions.as_deref();
        if recipe.client.has_extension(APPS, of_server) && !hidden.knows(user_id, server_name) {
            let options = CallOptions {
                progress: None,
                ..options.clone()
            };
            let list = Box::pin(list_tools(connection, &options)).await?;
            hidden.note(user_id, server_name, &list.tools);
        }
        if hidden.has(user_id, server_name, tool) {
            let message = "The server offers this tool to its apps alone, not to models";
            return Err(Error::new(Code::ToolHidden, message));
        }
        Ok(())
    }
}
