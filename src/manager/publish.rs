//! Handing tools to the host, unless they are out of date: the tools of users are published under a generation, those of
//! servers that users share in the order of revisions (`publicationGeneration`, `publicationRevision` of newer LibreChat).

use std::sync::Arc;

use super::key::{Key, Owner};
use super::state::Manager;
use crate::connection::{
    CallOptions, Connection, Recipe, ToolList, list_tools, list_tools_in_order,
};
use crate::error::{Code, HostValue, Result};
use crate::host::{HostTools, ToolPublisher, ToolUpdate};
use crate::log::Logger;

/// A list of tools, and what it is published under.
pub struct Snapshot {
    pub list: ToolList,
    /// Reserved before the list was read, over a connection that users share.
    pub revision: Option<String>,
    /// The reservation failed. The tools serve whoever asked; the list has to be read and published again.
    pub ordering_unavailable: bool,
}

impl From<ToolList> for Snapshot {
    fn from(list: ToolList) -> Self {
        Self {
            list,
            revision: None,
            ordering_unavailable: false,
        }
    }
}

/// How a list is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    Once,
    /// Again where the server announced a change meanwhile.
    InOrder,
}

impl Snapshot {
    #[must_use]
    pub fn of_host(found: HostTools) -> Self {
        Self {
            list: ToolList {
                tools: found.tools,
                incomplete: None,
                left_out: None,
            },
            revision: found.revision,
            ordering_unavailable: found.ordering_unavailable,
        }
    }

    /// Reads the list of a connection. `publisher` reserves its place, where users share the connection.
    pub async fn read(
        connection: &Connection,
        publisher: Option<&Arc<dyn ToolPublisher>>,
        reading: Reading,
        options: &CallOptions,
    ) -> Result<Self> {
        let (revision, ordering_unavailable) = reserve(connection, publisher).await;
        if revision.is_some() || ordering_unavailable {
            // An older list would take the place of a newer one.
            connection.expire_lists();
        }
        let list = match reading {
            Reading::Once => list_tools(connection, options).await?,
            Reading::InOrder => list_tools_in_order(connection, options).await?,
        };
        Ok(Self {
            list,
            revision,
            ordering_unavailable,
        })
    }

    /// Fails where the list is not the whole one. One that a budget has cut counts as whole, as in the reference.
    pub fn complete(self) -> Result<Self> {
        match self.list.incomplete {
            Some(error) if error.code != Code::ToolsListBudget => Err(error),
            _ => Ok(self),
        }
    }
}

/// Before the first page: a list that was read later has a later place. That it fails is no error of whoever wants tools.
async fn reserve(
    connection: &Connection,
    publisher: Option<&Arc<dyn ToolPublisher>>,
) -> (Option<String>, bool) {
    let recipe = &connection.recipe;
    let Some(publisher) = publisher.filter(|it| recipe.user_id.is_none() && it.has_revisions())
    else {
        return (None, false);
    };
    match publisher.revision(&recipe.server_name).await {
        // A host that orders nothing takes lists without a place.
        Ok(revision) => (revision, false),
        Err(error) => {
            let prefix = recipe.log_prefix();
            recipe.logger.warn(format!(
                "{prefix} Failed to reserve tool-list publication order: {error}"
            ));
            (None, true)
        }
    }
}

/// What became of a list.
pub enum Publication {
    /// What the host answered.
    Taken(Option<HostValue>),
    /// Something else is valid by now: the list was discarded.
    Stale,
}

/// Publishes a list. `update.generation` is compared with the one of now.
pub async fn publish_tools(
    publisher: &Arc<dyn ToolPublisher>,
    update: ToolUpdate<'_>,
    logger: &Logger,
) -> Result<Publication> {
    if let (Some(made_under), Some(user_id)) = (update.generation, update.user_id) {
        let now = publisher.generation(user_id, update.server_name).await?;
        if now.as_deref() != Some(made_under) {
            logger.warn(format!(
                "[MCP Reinitialize] Discarding stale tools for {} because its publication generation changed during \
                 discovery",
                update.server_name
            ));
            return Ok(Publication::Stale);
        }
    }
    publisher.publish(update).await.map(Publication::Taken)
}

/// What the host publishes a user's tools under now. A host that cannot say gets no less than without generations.
pub async fn generation_of(
    publisher: &Arc<dyn ToolPublisher>,
    user_id: &str,
    server_name: &str,
    logger: &Logger,
) -> Option<String> {
    match publisher.generation(user_id, server_name).await {
        Ok(generation) => generation.filter(|generation| !generation.is_empty()),
        Err(error) => {
            let prefix = crate::log::log_prefix(Some(user_id), server_name);
            logger.warn(format!(
                "{prefix} The generation of published tools cannot be read: {error}"
            ));
            None
        }
    }
}

impl Manager {
    /// The generation of a connection that is about to be made.
    pub(super) async fn publication_generation(
        &self,
        key: &Key,
        recipe: &Recipe,
    ) -> Option<String> {
        let (Some(publisher), Owner::User(user)) = (&recipe.publisher, &key.owner) else {
            return None;
        };
        generation_of(publisher, user, &key.server_name, &recipe.logger).await
    }
}
