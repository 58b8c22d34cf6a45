//! `updateMCPServerTools` and the services around it, as the core's [`ToolPublisher`].

use std::sync::Arc;

use async_trait::async_trait;

use super::registry::{NodeHost, Published};
use crate::error::Result;
use crate::host::{HostValue, ToolPublisher, ToolUpdate};
use crate::node::engine::{JsRef, Present};
use crate::node::marshal::callback::{SLOW_TIMEOUT, STORE_TIMEOUT};
use crate::node::marshal::services::{GENERATION, UPDATE_TOOLS};

/// Whether a generation still holds.
const RENEWAL: &str = "renewMCPToolsCacheGeneration";
/// Reserves the place of a list of a server that users share.
pub const REVISION: &str = "getNextAppToolsPublicationRevision";
/// What the tools of a config are published under, where users share them.
const CONFIG_GENERATION: &str = "getMCPAppToolsPublicationGeneration";

/// What is amiss with these services, for a warning.
pub fn incomplete(present: Present) -> Option<&'static str> {
    (present.has(UPDATE_TOOLS) && !present.has(GENERATION)).then_some(
        "[MCP] The host gives updateMCPServerTools without getMCPToolsCacheGeneration. LibreChat since August 2026 keeps no \
         tools of users without it; it is exported by ~/server/services/Config",
    )
}

impl NodeHost {
    /// What the host calls the config: `getMCPAppToolsPublicationGeneration(config)`; `None` without that service.
    async fn config_generation(&self, config: Option<Arc<JsRef>>) -> Result<Option<String>> {
        let Some(config) = config.filter(|_| self.present.has(CONFIG_GENERATION)) else {
            return Ok(None);
        };
        self.context
            .callback(
                CONFIG_GENERATION,
                STORE_TIMEOUT,
                move |context, scope| {
                    let host = context.host(scope);
                    context.apply(host.get(CONFIG_GENERATION)?, host, &[config.get(scope)])
                },
                |_, value| Ok(value.as_string()),
            )
            .await
    }
}

#[async_trait]
impl ToolPublisher for NodeHost {
    async fn generation(&self, user_id: &str, server_name: &str) -> Result<Option<String>> {
        if !self.present.has(GENERATION) {
            return Ok(None);
        }
        let (user_id, server_name) = (user_id.to_owned(), server_name.to_owned());
        self.context
            .callback(
                GENERATION,
                STORE_TIMEOUT,
                move |context, scope| {
                    let argument = scope.object()?;
                    argument.set("userId", scope.string(&user_id)?)?;
                    argument.set("serverName", scope.string(&server_name)?)?;
                    let host = context.host(scope);
                    context.apply(host.get(GENERATION)?, host, &[argument])
                },
                |_, value| Ok(value.as_string()),
            )
            .await
    }

    async fn renew(
        &self,
        user_id: &str,
        server_name: &str,
        generation: &str,
    ) -> Result<Option<bool>> {
        if !self.present.has(RENEWAL) {
            return Ok(None);
        }
        let (user_id, server_name) = (user_id.to_owned(), server_name.to_owned());
        let generation = generation.to_owned();
        self.context
            .callback(
                RENEWAL,
                STORE_TIMEOUT,
                move |context, scope| {
                    let argument = scope.object()?;
                    argument.set("userId", scope.string(&user_id)?)?;
                    argument.set("serverName", scope.string(&server_name)?)?;
                    argument.set("publicationGeneration", scope.string(&generation)?)?;
                    let host = context.host(scope);
                    context.apply(host.get(RENEWAL)?, host, &[argument])
                },
                |_, value| Ok(value.as_bool()),
            )
            .await
    }

    fn is_ordered(&self) -> bool {
        self.present.has(GENERATION) || self.present.has(REVISION)
    }

    fn has_revisions(&self) -> bool {
        self.present.has(REVISION)
    }

    /// LibreChat's own function takes `(serverName, configGeneration)`; one of the host's takes an object.
    async fn revision(&self, server_name: &str) -> Result<Option<String>> {
        let (config, name) = (self.configs.find(server_name), server_name.to_owned());
        let generation = self.config_generation(config.clone()).await?;
        self.context
            .callback(
                REVISION,
                STORE_TIMEOUT,
                move |context, scope| {
                    let host = context.host(scope);
                    let config = config.map_or_else(|| scope.undefined(), |it| it.get(scope));
                    let generation = match &generation {
                        Some(generation) => scope.string(generation)?,
                        None => scope.undefined(),
                    };
                    let function = host.get(REVISION)?;
                    let takes = function.get("length")?.as_number().unwrap_or_default();
                    if takes >= 2.0 {
                        return context.apply(function, host, &[scope.string(&name)?, generation]);
                    }
                    let argument = scope.object()?;
                    argument.set("serverName", scope.string(&name)?)?;
                    argument.set("serverConfig", config)?;
                    argument.set("configGeneration", generation)?;
                    context.apply(function, host, &[argument])
                },
                |_, value| Ok(value.as_string().filter(|revision| !revision.is_empty())),
            )
            .await
    }

    async fn publish(&self, update: ToolUpdate<'_>) -> Result<Option<HostValue>> {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let (user_id, generation, revision) = (
            text(update.user_id),
            text(update.generation),
            text(update.revision),
        );
        let (name, raw) = (update.server_name.to_owned(), Arc::clone(update.tools));
        let config = self.configs.find(&name).filter(|_| self.is_ordered());
        let generation = if user_id.is_none() && config.is_some() {
            self.config_generation(config.clone()).await?
        } else {
            generation
        };
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let outcome = self
            .context
            .callback(
                UPDATE_TOOLS,
                SLOW_TIMEOUT,
                move |context, scope| {
                    let host = context.host(scope);
                    let tools = scope.tools(&raw)?;
                    let _ = sender.send(Arc::new(JsRef::new(&context.thread, tools)?));
                    let argument = scope.object()?;
                    if let Some(user_id) = &user_id {
                        argument.set("userId", scope.string(user_id)?)?;
                    }
                    argument.set("serverName", scope.string(&name)?)?;
                    argument.set("tools", tools)?;
                    if let Some(config) = &config {
                        argument.set("serverConfig", config.get(scope))?;
                    }
                    if let Some(generation) = &generation {
                        argument.set("publicationGeneration", scope.string(generation)?)?;
                    }
                    if let Some(revision) = &revision {
                        argument.set("publicationRevision", scope.string(revision)?)?;
                    }
                    context.apply(host.get(UPDATE_TOOLS)?, host, &[argument])
                },
                |context, value| {
                    let kept = value
                        .present()
                        .map(|value| JsRef::new(&context.thread, value))
                        .transpose()?;
                    Ok(kept.map(|kept| Arc::new(kept) as HostValue))
                },
            )
            .await;
        if let Ok(array) = receiver.await {
            let mut published = self.published.lock();
            if !matches!(*published, Published::Over) {
                *published = Published::Tools(Arc::clone(update.tools), array);
            }
        }
        outcome
    }
}
