//! What shows of a request while it is made.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::connection::{CallOptions, Connection, Recipe};
use crate::error::Result;
use crate::foreign_text::foreign_text;
use crate::host::Host;
use crate::manager::governed::NotSent;
use crate::manager::{Governed, Lease, Observation, ServerScope};

/// What shows only while a call is made.
pub struct Observed<'a> {
    pub request: Observation,
    /// Of a tool call.
    pub governed: Option<Governed<'a>>,
    /// Users authorize with the server.
    pub authorizes: bool,
    /// Of the connection that carries it.
    pub recipe: Option<Arc<Recipe>>,
}

impl Observed<'_> {
    /// The server is known now.
    pub fn stands_under(
        &mut self,
        server: &ServerScope,
        host: &Host,
        user_id: Option<&str>,
    ) -> Result<()> {
        if let Some(governed) = &mut self.governed {
            let identity = server.config.identity(user_id);
            governed.stands_under(server.rules_of_tools(host)?, identity);
        }
        Ok(())
    }

    /// What the caller gets of the server's answer.
    pub async fn given(
        &mut self,
        answer: Box<RawValue>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>> {
        match &mut self.governed {
            Some(governed) => governed.result(answer, options).await,
            None => Ok(answer),
        }
    }

    /// Why the request was not sent.
    pub fn not_sent(&mut self) -> Option<NotSent> {
        self.governed.as_mut().and_then(Governed::not_sent)
    }

    /// The connection that carries the request now.
    pub fn carried_by<'lease>(
        &mut self,
        hears: Option<&(dyn Fn(&Lease) + Sync)>,
        lease: &'lease Lease,
    ) -> &'lease Connection {
        if let Some(hears) = hears {
            hears(lease);
        }
        let connection = lease.connection();
        self.request.carried_by(connection);
        self.recipe = Some(Arc::clone(&connection.recipe));
        connection
    }

    /// A tool as the log has it: a server may have named it by what it was sent.
    pub fn shown(&self, tool_name: &str) -> String {
        let recipe = self.recipe.as_ref();
        let sent = recipe.map(|recipe| recipe.sent_secrets(None, None));
        foreign_text(tool_name, &sent.unwrap_or_default())
    }
}
