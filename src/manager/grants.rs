//! Connections of servers that this program has a token of its own for.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::scope::{CallScope, ServerScope};
use super::state::Manager;
use crate::connection::{AccessTokens, Recipe};
use crate::error::{Code, Error, Result};
use crate::grants::{Description, Grants, MachineServer, MachineTokens};

impl Manager {
    /// The tokens of this runtime that belong to no user.
    #[must_use]
    pub fn grants(&self) -> &Grants {
        &self.0.grants
    }

    /// Describes the token of a server that this program has one of its own for.
    ///
    /// Fails with [`Code::InvalidArgument`] for another server, and as the grant does.
    pub async fn describe_machine_token(
        &self,
        scope: &CallScope<'_>,
        server_name: &str,
        cancel: &CancellationToken,
    ) -> Result<Description> {
        let server = self.server(scope, server_name, None, cancel).await?;
        let recipe = self.recipe(scope, &server, None)?;
        let machine = self.machine(scope, &server, &recipe)?.ok_or_else(|| {
            let message =
                format!("MCP server \"{server_name}\" has no grant of this program's own");
            Error::new(Code::InvalidArgument, message)
        })?;
        self.until_cancelled(cancel, self.grants().describe(machine))
            .await?
    }

    /// Where connections to this server get their token from; `None` where it is a user's, or there is none.
    pub(super) fn machine_tokens(
        &self,
        scope: &CallScope<'_>,
        server: &ServerScope,
        recipe: &Recipe,
    ) -> Result<Option<Arc<dyn AccessTokens>>> {
        let machine = self.machine(scope, server, recipe)?;
        let tokens = machine.map(|machine| MachineTokens::new(self.grants(), machine));
        Ok(tokens.map(|tokens| Arc::new(tokens) as _))
    }

    fn machine(
        &self,
        scope: &CallScope<'_>,
        server: &ServerScope,
        recipe: &Recipe,
    ) -> Result<Option<MachineServer>> {
        if !server.config.has_machine_grant() {
            return Ok(None);
        }
        MachineServer::new(
            &recipe.server_name,
            &recipe.config,
            self.0.http.clone(),
            &recipe.rules,
            Arc::clone(&recipe.settings),
            scope.host,
        )
    }
}
