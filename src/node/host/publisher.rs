//! `updateMCPServerTools` and the services around it, as the core's [`ToolPublisher`].

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;

use super::credentials::whose;
use super::registry::{NodeHost, Published};
use crate::error::Result;
use crate::host::{HostValue, ToolPublisher, ToolUpdate};
use crate::node::engine::{JsRef, JsResult, JsThread, Present, Scope};
use crate::node::marshal::callback::{Callback, SLOW_TIMEOUT, STORE_TIMEOUT};
use crate::node::marshal::callee::Callee;
use crate::node::marshal::convert::text;
use crate::node::marshal::services::{GENERATION, UPDATE_TOOLS};
use crate::node::marshal::to_js::{Members, ToArguments, ToJs, WithMembers};
use crate::tools::RawTools;

/// Reserves the place of a list of a server that users share.
pub const REVISION: &str = "getNextAppToolsPublicationRevision";

/// What the tools of a config are published under, where users share them.
const CONFIG_GENERATION: Callback<(Arc<JsRef>,), Option<String>> =
    Callback::new("getMCPAppToolsPublicationGeneration", STORE_TIMEOUT);
const GET_GENERATION: Callback<(Members<2>,), Option<String>> =
    Callback::new(GENERATION, STORE_TIMEOUT);
/// Whether a generation still holds.
const RENEW: Callback<(Members<3>,), Option<bool>> =
    Callback::reading("renewMCPToolsCacheGeneration", STORE_TIMEOUT, |_, it| {
        Ok(it.as_bool())
    });
const NEXT_REVISION: Callback<(), Option<String>> =
    Callback::reading(REVISION, STORE_TIMEOUT, |_, it| Ok(text(it)));
const PUBLISH: Callback<(Update,), Option<HostValue>> =
    Callback::reading(UPDATE_TOOLS, SLOW_TIMEOUT, |context, answer| {
        let kept = answer.present().map(|it| JsRef::new(&context.thread, it));
        Ok(kept.transpose()?.map(|kept| Arc::new(kept) as HostValue))
    });

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
        let Some(config) = config.filter(|_| self.present.has(CONFIG_GENERATION.name)) else {
            return Ok(None);
        };
        let config = (config,);
        CONFIG_GENERATION
            .call(&self.context, Callee::Host, config)
            .await
    }
}

/// What `updateMCPServerTools` takes.
struct Update {
    user_id: Option<String>,
    server_name: String,
    tools: Arc<RawTools>,
    config: Option<Arc<JsRef>>,
    generation: Option<String>,
    revision: Option<String>,
    thread: JsThread,
    /// Where the tools are kept as the host gets them.
    array: Arc<OnceLock<Arc<JsRef>>>,
}

impl<'env> ToJs<'env> for Update {
    fn to_js(&self, scope: Scope<'env>) -> JsResult<'env> {
        let tools = scope.tools(&self.tools)?;
        let array = Arc::new(JsRef::new(&self.thread, tools)?);
        let update = scope
            .object()?
            .optional("userId", self.user_id.as_ref())?
            .with("serverName", &self.server_name)?
            .with("tools", &array)?
            .optional("serverConfig", self.config.as_ref())?
            .optional("publicationGeneration", self.generation.as_ref())?
            .optional("publicationRevision", self.revision.as_ref());
        let _ = self.array.set(array);
        update
    }
}

#[async_trait]
impl ToolPublisher for NodeHost {
    async fn generation(&self, user_id: &str, server_name: &str) -> Result<Option<String>> {
        if !self.present.has(GENERATION) {
            return Ok(None);
        }
        let whose = (whose(user_id, server_name),);
        GET_GENERATION
            .call(&self.context, Callee::Host, whose)
            .await
    }

    async fn renew(
        &self,
        user_id: &str,
        server_name: &str,
        generation: &str,
    ) -> Result<Option<bool>> {
        if !self.present.has(RENEW.name) {
            return Ok(None);
        }
        let renewed = [
            ("userId", user_id.to_owned()),
            ("serverName", server_name.to_owned()),
            ("publicationGeneration", generation.to_owned()),
        ];
        RENEW.call(&self.context, Callee::Host, (renewed,)).await
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
        NEXT_REVISION
            .call_by(&self.context, move |context, scope| {
                let host = context.host(scope);
                let function = host.get(REVISION)?;
                let takes = function.get("length")?.as_number().unwrap_or_default();
                let arguments = if takes >= 2.0 {
                    (name, generation).to_arguments(scope)?
                } else {
                    vec![
                        scope
                            .object()?
                            .with("serverName", &name)?
                            .with("serverConfig", &config)?
                            .with("configGeneration", &generation)?,
                    ]
                };
                context.apply(function, host, &arguments)
            })
            .await
    }

    async fn publish(&self, update: ToolUpdate<'_>) -> Result<Option<HostValue>> {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let config = self.configs.find(update.server_name);
        let config = config.filter(|_| self.is_ordered());
        let generation = if update.user_id.is_none() && config.is_some() {
            self.config_generation(config.clone()).await?
        } else {
            text(update.generation)
        };
        let array = Arc::default();
        let argument = Update {
            user_id: text(update.user_id),
            server_name: update.server_name.to_owned(),
            tools: Arc::clone(update.tools),
            config,
            generation,
            revision: text(update.revision),
            thread: self.context.thread.clone(),
            array: Arc::clone(&array),
        };
        let outcome = PUBLISH.call(&self.context, Callee::Host, (argument,)).await;
        if let Some(array) = array.get() {
            let mut published = self.published.lock();
            if !matches!(*published, Published::Over) {
                *published = Published::Tools(Arc::clone(update.tools), Arc::clone(array));
            }
        }
        outcome
    }
}
