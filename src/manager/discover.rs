//! Listing the tools of a server that wants authorization, without it: some servers show what they offer to anybody.

use super::Manager;
use crate::connection::{
    Breakers, CallOptions, Connection, Generation, Known, Recipe, ToolList, connect, list_tools,
};
use crate::error::{Error, Result};
use crate::transport::Bearer;

/// A discovery: a connection of its own, without credentials, that is closed when the tools are listed.
pub struct Discover {
    pub recipe: Recipe,
    pub options: CallOptions,
}

impl Manager {
    pub async fn discover(&self, request: Discover) -> Result<ToolList> {
        let Discover {
            mut recipe,
            options,
        } = request;
        recipe.bearer = Bearer::default();
        recipe.tokens = None;
        let connection = self.temporary(&recipe, &options).await?;
        let tools = list_tools(&connection, &options).await;
        connection.close().await;
        tools
    }

    /// A connection that is in no pool and that the caller closes. It is no sign of a server's health: it counts for
    /// nobody.
    pub(super) async fn temporary(
        &self,
        recipe: &Recipe,
        options: &CallOptions,
    ) -> Result<Connection> {
        let known = (self.0.known)
            .get(&recipe.config.endpoint())
            .unwrap_or_default();
        let breaker = Breakers::default().of(&(), &recipe.settings.breaker);
        let connecting = async {
            match connect(recipe, &known, &breaker, &options.cancel).await {
                // A server may let anybody do the handshake it knows, and refuse every method that it does not.
                Err(error) if known.generation.is_none() && error.wants_authorization() => {
                    let known = Known {
                        generation: Some(Generation::Initialize),
                        ..known
                    };
                    connect(recipe, &known, &breaker, &options.cancel).await
                }
                outcome => outcome,
            }
        };
        tokio::select! {
            biased;
            () = self.closing().cancelled() => Err(Error::closed()),
            outcome = tokio::time::timeout_at(options.deadline, connecting) => outcome
                .unwrap_or_else(|_| Err(Error::timeout("The connection could not be established in time"))),
        }
    }
}
