//! The core's host traits over JavaScript callbacks.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::{Map, Value as Json};

use super::call::{Asked, CallContext};
use super::convert;
use super::js::{JsResult, Scope, Value};
use super::thread::JsRef;
use crate::connection::RawTools;
use crate::embedded::Config;
use crate::error::Result;
use crate::host::{
    Abilities, Environment, HostValue, Lookup, NetworkRules, Registry, Storage, ToolPublisher,
};

/// Bound on a callback of the registry, of a token store or of a cache.
pub const STORE_TIMEOUT: Duration = Duration::from_secs(10);
/// A reinspection connects to the server; its own bound is the core's.
const REINSPECT_TIMEOUT: Duration = Duration::from_mins(1);
/// Bound on a callback that reaches the user or the tool cache.
pub const SLOW_TIMEOUT: Duration = Duration::from_secs(30);

/// The host service that says what a user's tools are published under, by LibreChat's name.
pub const GENERATION: &str = "getMCPToolsCacheGeneration";

/// The callback that takes the tools of a server.
pub const UPDATE_TOOLS: &str = "updateMCPServerTools";

/// How errors call the callbacks.
const GET_SERVER_CONFIG: &str = "registry.getServerConfig";
const NETWORK_RULES: &str = "registry.shouldEnableSSRFProtection";

/// The host as one call sees it.
pub struct NodeHost {
    pub context: Arc<CallContext>,
    pub environment: Environment,
    /// Where the host has no registry.
    pub embedded: Option<Arc<Config>>,
    /// The caller's `configServers`, passed on as they are.
    pub config_servers: Option<Arc<JsRef>>,
    /// Whether the host says what tools are published under.
    pub has_generations: bool,
    pub published: Mutex<Published>,
    pub early: Arc<Mutex<Early>>,
}

/// What the registry was asked when the call started, on JavaScript's thread, so that the core's first questions need
/// not go there. Each answer is good for one question.
#[derive(Default)]
pub struct Early {
    config: Option<(Looked, Asked<Members>)>,
    rules: Option<Asked<NetworkRules>>,
}

/// A server and the user for whom it was looked up.
type Looked = (String, Option<String>);

type Members = Option<Map<String, Json>>;

/// The tools as the host got them, so that the result of the call holds the same array.
#[derive(Default)]
pub enum Published {
    #[default]
    Nothing,
    Tools(Arc<RawTools>, Arc<JsRef>),
    /// The call has its result.
    Over,
}

impl NodeHost {
    /// Looks the server up at once, and the network rules when it is found.
    pub fn look_up_now(&self, scope: Scope<'_>, server_name: &str, user_id: Option<&str>) {
        let looked = (server_name.to_owned(), user_id.map(str::to_owned));
        let (environment, early) = (self.environment.clone(), Arc::clone(&self.early));
        let asked = self.context.callback_now(
            scope,
            GET_SERVER_CONFIG,
            look_up(looked.clone(), self.config_servers.clone()),
            move |context, value| {
                let scope = value.scope();
                let config = convert::server_config(value, &environment)?;
                if config.is_some() {
                    early.lock().rules = Some(context.callback_now(
                        scope,
                        NETWORK_RULES,
                        |context, scope| context.with_service(scope, "registry", network_answers),
                        |_, value| convert::network_rules(value),
                    ));
                }
                Ok(config)
            },
        );
        self.early.lock().config = Some((looked, asked));
    }
}

/// Calls the registry's `getServerConfig`.
fn look_up(
    (server_name, user_id): Looked,
    config_servers: Option<Arc<JsRef>>,
) -> impl for<'env> FnOnce(&Arc<CallContext>, Scope<'env>) -> JsResult<'env> + Send + 'static {
    move |context, scope| {
        context.call_service(scope, "registry", "getServerConfig", move |_, scope| {
            let mut arguments = vec![
                scope.string(&server_name)?,
                scope.optional_string(user_id.as_deref())?,
            ];
            if let Some(servers) = &config_servers {
                arguments.push(servers.get(scope));
            }
            Ok(arguments)
        })
    }
}

#[async_trait]
impl Registry for NodeHost {
    async fn server_config(
        &self,
        server_name: &str,
        lookup: Lookup<'_>,
    ) -> Result<Option<Map<String, Json>>> {
        let looked = (server_name.to_owned(), lookup.user_id.map(str::to_owned));
        let early = (self.early.lock().config)
            .take_if(|(known, _)| lookup.config_servers && *known == looked);
        if let Some((_, asked)) = early {
            return asked.within(STORE_TIMEOUT).await;
        }
        let config_servers = self
            .config_servers
            .clone()
            .filter(|_| lookup.config_servers);
        let environment = self.environment.clone();
        self.context
            .callback(
                GET_SERVER_CONFIG,
                STORE_TIMEOUT,
                look_up(looked, config_servers),
                move |_, value| convert::server_config(value, &environment),
            )
            .await
    }

    async fn reinspect(
        &self,
        server_name: &str,
        storage: Storage,
        user_id: Option<&str>,
    ) -> Result<Option<Map<String, Json>>> {
        // It may take a minute, in which rules may change.
        self.early.lock().rules.take();
        let (name, user_id, environment) = (
            server_name.to_owned(),
            user_id.map(str::to_owned),
            self.environment.clone(),
        );
        let storage = match storage {
            Storage::Database => "DB",
            Storage::Cache => "CACHE",
        };
        self.context
            .callback(
                "registry.reinspectServer",
                REINSPECT_TIMEOUT,
                move |context, scope| {
                    context.call_service(scope, "registry", "reinspectServer", move |_, scope| {
                        Ok(vec![
                            scope.string(&name)?,
                            scope.string(storage)?,
                            scope.optional_string(user_id.as_deref())?,
                        ])
                    })
                },
                move |_, value| {
                    if !value.is_object() {
                        return Ok(None);
                    }
                    convert::server_config(value.get("config")?, &environment)
                },
            )
            .await
    }

    async fn network_rules(&self) -> Result<NetworkRules> {
        let early = self.early.lock().rules.take();
        if let Some(asked) = early {
            return asked.within(STORE_TIMEOUT).await;
        }
        self.context
            .callback(
                NETWORK_RULES,
                STORE_TIMEOUT,
                |context, scope| context.with_service(scope, "registry", network_answers),
                |_, value| convert::network_rules(value),
            )
            .await
    }

    async fn abilities(&self) -> Result<Abilities> {
        let catalog_generations = self.has_generations;
        self.context
            .callback(
                "registry",
                STORE_TIMEOUT,
                |context, scope| {
                    context.with_service(scope, "registry", |_, registry| Ok(registry))
                },
                move |_, registry| {
                    let has = |name| Ok(registry.is_object() && registry.get(name)?.is_function());
                    Ok(Abilities {
                        catalog_generations,
                        app_server_configs: has("isAppServerConfig")?,
                    })
                },
            )
            .await
    }

    async fn all_server_configs(
        &self,
        user_id: Option<&str>,
    ) -> Result<Vec<(String, Map<String, Json>)>> {
        let (user_id, environment) = (user_id.map(str::to_owned), self.environment.clone());
        self.context
            .callback(
                "registry.getAllServerConfigs",
                STORE_TIMEOUT,
                move |context, scope| {
                    context.call_service(
                        scope,
                        "registry",
                        "getAllServerConfigs",
                        move |_, scope| Ok(vec![scope.optional_string(user_id.as_deref())?]),
                    )
                },
                move |_, value| convert::server_configs(value, &environment),
            )
            .await
    }
}

/// Asks the registry for all three rules at once; each answer may be a promise.
fn network_answers<'env>(context: &Arc<CallContext>, registry: Value<'env>) -> JsResult<'env> {
    let scope = registry.scope();
    let mut answers = Vec::with_capacity(3);
    let mut ask = || -> JsResult<'env, bool> {
        let mut pending = false;
        for method in [
            "shouldEnableSSRFProtection",
            "getAllowedDomains",
            "getAllowedAddresses",
        ] {
            let function = registry.get(method)?;
            if !function.is_function() {
                return Err(scope.type_error(&format!("host.registry has no function {method}")));
            }
            let answer = context.apply(function, registry, &[])?;
            answers.push(answer);
            pending |= answer.is_object() && answer.get("then")?.is_function();
        }
        Ok(pending)
    };
    match ask() {
        Ok(false) => scope.array(&answers),
        Ok(true) => {
            let promise = scope.global()?.get("Promise")?;
            let answers = scope.array(&answers)?;
            promise.get("all")?.call(promise, &[answers])
        }
        Err(thrown) => {
            answers.into_iter().for_each(Value::unheeded);
            Err(thrown)
        }
    }
}

#[async_trait]
impl ToolPublisher for NodeHost {
    async fn generation(&self, user_id: &str, server_name: &str) -> Result<Option<String>> {
        if !self.has_generations {
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

    async fn publish(
        &self,
        user_id: &str,
        server_name: &str,
        tools: &Arc<RawTools>,
        generation: Option<&str>,
    ) -> Result<Option<HostValue>> {
        let generation = generation.map(str::to_owned);
        let (user_id, name, raw) = (
            user_id.to_owned(),
            server_name.to_owned(),
            Arc::clone(tools),
        );
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let outcome = self
            .context
            .callback(
                UPDATE_TOOLS,
                SLOW_TIMEOUT,
                move |context, scope| {
                    let tools = scope.tools(&raw)?;
                    let _ = sender.send(Arc::new(JsRef::new(&context.thread, tools)?));
                    let argument = scope.object()?;
                    argument.set("userId", scope.string(&user_id)?)?;
                    argument.set("serverName", scope.string(&name)?)?;
                    argument.set("tools", tools)?;
                    if let Some(generation) = &generation {
                        argument.set("publicationGeneration", scope.string(generation)?)?;
                    }
                    let host = context.host(scope);
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
                *published = Published::Tools(Arc::clone(tools), array);
            }
        }
        outcome
    }
}
