//! Handing tools to the host, unless they are out of date (`publicationGeneration` of newer LibreChat).

use std::sync::Arc;

use super::{Key, Manager, Owner};
use crate::connection::{Connection, RawTools, Recipe};
use crate::error::Result;
use crate::host::{HostValue, ToolPublisher};

/// What became of a list.
pub enum Publication {
    /// What the host answered.
    Taken(Option<HostValue>),
    /// Something else is valid by now: the list was discarded.
    Stale,
}

/// Publishes what was listed over a connection.
pub async fn publish_tools(
    publisher: &Arc<dyn ToolPublisher>,
    connection: &Connection,
    user_id: &str,
    server_name: &str,
    tools: &Arc<RawTools>,
) -> Result<Publication> {
    let made_under = connection.publication_generation.as_deref();
    if let Some(made_under) = made_under {
        let now = publisher.generation(user_id, server_name).await?;
        if now.as_deref() != Some(made_under) {
            connection.recipe.logger.warn(format!(
                "[MCP Reinitialize] Discarding stale tools for {server_name} because its publication generation changed \
                 during discovery"
            ));
            return Ok(Publication::Stale);
        }
    }
    let taken = publisher.publish(user_id, server_name, tools, made_under);
    taken.await.map(Publication::Taken)
}

impl Manager {
    /// What the host publishes a user's tools under, before the connection is made. A host that cannot say gets no
    /// less than without generations.
    pub(super) async fn publication_generation(
        &self,
        key: &Key,
        recipe: &Recipe,
    ) -> Option<String> {
        let (Some(publisher), Owner::User(user)) = (&recipe.publisher, &key.owner) else {
            return None;
        };
        match publisher.generation(user, &key.server_name).await {
            Ok(generation) => generation,
            Err(error) => {
                let prefix = recipe.log_prefix();
                recipe.logger.warn(format!(
                    "{prefix} The generation of published tools cannot be read: {error}"
                ));
                None
            }
        }
    }
}
