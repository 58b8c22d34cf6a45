//! Step 7: the tools go to the host, and into the answer.

use std::sync::Arc;

use super::connect::Connected;
use super::run::Run;
use super::{AvailableTools, Reinitialized};
use crate::error::{Code, Error, Result};
use crate::host::{ToolPublisher, ToolUpdate};
use crate::manager::{MissingFields, Naming, Publication, Snapshot, generation_of, publish_tools};
use crate::server_config::ServerConfig;
use crate::tools::RawTools;

/// What became of the tools.
enum HandOver {
    /// In LibreChat's format.
    Over(AvailableTools),
    /// The host was asked, and returned nothing.
    Refused,
    /// They were out of date already.
    Stale,
}

impl Run<'_> {
    /// The publisher, for calls with a user; tools of others are formatted here.
    fn publisher(&self) -> Option<(&Arc<dyn ToolPublisher>, &str)> {
        self.call.host.publisher.as_ref().zip(self.user_id())
    }

    /// What the user's tools are published under before anything is asked of the server. Tools of a server whose config
    /// names fields of the chat request are not kept, and have none.
    pub(super) async fn generation(&self, config: Option<&ServerConfig>) -> Result<Option<String>> {
        let Some((publisher, user_id)) = self.publisher() else {
            return Ok(None);
        };
        if config.is_some_and(|config| !config.body_placeholders().is_empty()) {
            return Ok(None);
        }
        let logger = &self.call.host.logger;
        let asking = generation_of(publisher, user_id, self.name, logger);
        self.until_cancelled(asking).await
    }

    /// Publishes a list and writes it into the answer. Returns how many tools the answer has.
    pub(super) async fn hand_over(
        &self,
        connected: &Connected,
        snapshot: Snapshot,
        before: Option<&str>,
        result: &mut Reinitialized,
    ) -> Result<usize> {
        let (name, logger) = (self.name, &self.call.host.logger);
        let Snapshot {
            list,
            revision,
            ordering_unavailable,
        } = snapshot;
        result.tools_error.clone_from(&list.left_out);
        if let Some(incomplete) = &list.incomplete {
            logger.warn(format!("[MCP Reinitialize] {name}: {incomplete}"));
            result.tools_error = Some(incomplete.clone());
        }
        let listed_for = match &connected.lease {
            Some(lease) => lease.connection().recipe.user_id.as_deref(),
            None => self.user_id(),
        };
        let tools = self.manager.for_models(listed_for, name, &list.tools);
        let mut count = tools.count();
        let is_taken = count > 0
            || self.publisher().is_some_and(|(it, _)| it.is_ordered())
                && connected.lease.is_some()
                && list.incomplete.is_none();
        if is_taken {
            let of_connection = connected
                .lease
                .as_ref()
                .and_then(|lease| lease.connection().publication_generation.as_deref());
            let generation = of_connection.or(before);
            match self
                .publish(&tools, listed_for, generation, revision.as_deref())
                .await?
            {
                HandOver::Over(available) => result.available_tools = Some(available),
                HandOver::Stale => count = 0,
                HandOver::Refused => {
                    let message = format!(
                        "updateMCPServerTools returned nothing for the {count} tools of {name}: the host does not offer \
                         them"
                    );
                    logger.warn(format!("[MCP Reinitialize] {message}"));
                    result.tools_error = Some(Error::new(Code::HostError, message));
                    if self.publisher().is_some_and(|(it, _)| it.is_ordered()) {
                        count = 0;
                    }
                }
            }
        }
        if ordering_unavailable && let Some(lease) = &connected.lease {
            // These tools serve this call; those of everybody are published when their place can be reserved.
            self.manager.refresh_tools(lease.key());
        }
        let hidden = count == 0 && (tools.count() > 0 || connected.oauth_required);
        result.tools = Some(tools).filter(|_| !hidden);
        Ok(count)
    }

    async fn publish(
        &self,
        tools: &Arc<RawTools>,
        listed_for: Option<&str>,
        generation: Option<&str>,
        revision: Option<&str>,
    ) -> Result<HandOver> {
        let Some((publisher, user_id)) = self.publisher() else {
            let naming = Naming::of(&self.call.host).await?;
            let formatted = self.manager.functions(
                listed_for,
                self.name,
                tools,
                naming,
                MissingFields::Defaulted,
            )?;
            return Ok(HandOver::Over(AvailableTools::Native(formatted)));
        };
        let update = ToolUpdate {
            user_id: Some(user_id),
            server_name: self.name,
            tools,
            generation,
            revision,
        };
        let publishing = publish_tools(publisher, update, &self.call.host.logger);
        Ok(match self.until_cancelled(publishing).await?? {
            Publication::Taken(Some(tools)) => HandOver::Over(AvailableTools::Host(tools)),
            Publication::Taken(None) => HandOver::Refused,
            Publication::Stale => HandOver::Stale,
        })
    }
}
