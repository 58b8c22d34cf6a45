//! Connections of servers that this program has a token of its own for.

use std::sync::Arc;

use super::scope::{CallScope, ServerScope};
use super::state::Manager;
use crate::connection::{AccessTokens, Recipe};
use crate::error::Result;
use crate::grants::{Grants, MachineServer, MachineTokens};

impl Manager {
    /// The tokens of this runtime that belong to no user.
    #[must_use]
    pub fn grants(&self) -> &Grants {
        &self.0.grants
    }

    /// Where connections to this server get their token from; `None` where it is a user's, or there is none.
    pub(super) fn machine_tokens(
        &self,
        scope: &CallScope<'_>,
        server: &ServerScope,
        recipe: &Recipe,
    ) -> Result<Option<Arc<dyn AccessTokens>>> {
        if !server.config.has_machine_grant() {
            return Ok(None);
        }
        let machine = MachineServer::new(
            &recipe.server_name,
            &recipe.config,
            self.0.http.clone(),
            &recipe.rules,
            Arc::clone(&recipe.settings),
            scope.host,
        )?;
        let tokens = machine.map(|machine| MachineTokens::new(self.grants(), machine));
        Ok(tokens.map(|tokens| Arc::new(tokens) as _))
    }
}
