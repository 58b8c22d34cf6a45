//! The core's host traits over JavaScript callbacks.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::{Map, Value as Json};

use super::configs::{Configs, IS_APP_CONFIG};
use crate::embedded::Edition;
use crate::error::Result;
use crate::host::{Abilities, Environment, Lookup, Registry, RulesOfCall, Storage, User};
use crate::node::engine::{Helper, JsRef, JsResult, Present, Scope, Value};
use crate::node::marshal::callback::{Callback, PendingCallback, STORE_TIMEOUT};
use crate::node::marshal::callee::{Callee, REGISTRY};
use crate::node::marshal::context::CallContext;
use crate::node::marshal::convert;
use crate::node::marshal::services::GENERATION;
use crate::node::marshal::to_js::{Optional, ToArguments, ToJs};
use crate::server_config::RawConfig;
use crate::tools::RawTools;

/// A reinspection connects to the server; its own bound is the core's.
const REINSPECT_TIMEOUT: Duration = Duration::from_mins(1);

const GET_SERVER_CONFIG: Callback<(), ()> =
    Callback::new("registry.getServerConfig", STORE_TIMEOUT);
const REINSPECT: Callback<(), ()> = Callback::new("registry.reinspectServer", REINSPECT_TIMEOUT);
const NETWORK_RULES: Callback<(), RulesOfCall> =
    Callback::reading("registry.shouldEnableSSRFProtection", STORE_TIMEOUT, rules);
const GET_REGISTRY: Callback<(), ()> = Callback::new("registry", STORE_TIMEOUT);
const IS_APP_SERVER_CONFIG: Callback<(), Option<bool>> =
    Callback::reading("registry.isAppServerConfig", STORE_TIMEOUT, |_, is_app| {
        Ok(is_app.present().map(Value::is_truthy))
    });
/// The host's policy on who shares a server.
const IS_USER_SCOPED: Callback<(Arc<JsRef>,), bool> =
    Callback::new("requiresUserScopedConnection", STORE_TIMEOUT);
pub const GET_ALL_SERVER_CONFIGS: Callback<(), ()> =
    Callback::new("registry.getAllServerConfigs", STORE_TIMEOUT);

fn rules<'env>(_: &Arc<CallContext>, answers: Value<'env>) -> JsResult<'env, RulesOfCall> {
    convert::network_rules(answers)
}

/// The host as one call sees it.
pub struct NodeHost {
    pub context: Arc<CallContext>,
    pub environment: Environment,
    /// Where the host has no registry.
    pub embedded: Option<Arc<Edition>>,
    /// The caller's `configServers`, passed on as they are.
    pub config_servers: Option<Arc<JsRef>>,
    /// Which services the host gives.
    pub present: Present,
    /// Whether it recovers catalogs: [`Abilities::recovers_catalogs`].
    pub recovers_catalogs: bool,
    /// For whom the network rules are asked.
    pub principal: Principal,
    /// Configs as the host's own objects.
    pub configs: Arc<Configs>,
    pub published: Mutex<Published>,
    pub early: Arc<Mutex<Early>>,
}

/// Whose network rules hold.
#[derive(Clone, Default)]
pub struct Principal {
    pub user_id: Option<String>,
    pub role: Option<String>,
}

impl Principal {
    pub fn of(user: Option<&User>) -> Self {
        Self {
            user_id: user.and_then(|user| user.id.clone()),
            role: user.and_then(|user| user.fields.get("role").cloned()),
        }
    }
}

/// What the registry was asked when the call started, on JavaScript's thread, so that the core's first questions need
/// not go there. Each answer is good for one question. Boxed, since a connection keeps the empty places.
#[derive(Default)]
pub struct Early {
    config: Option<Box<LookedUp>>,
    rules: Option<Box<PendingCallback<RulesOfCall>>>,
}

/// A server and the user for whom it was looked up.
type Looked = (String, Option<String>);
/// The same, and the config of it.
type LookedUp = (Looked, PendingCallback<Option<Arc<RawConfig>>>);

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
        let (configs, principal) = (Arc::clone(&self.configs), self.principal.clone());
        let name = server_name.to_owned();
        let pending = GET_SERVER_CONFIG.call_now(
            &self.context,
            scope,
            self.look_up(looked.clone(), self.config_servers.clone()),
            move |context, value| {
                let scope = value.scope();
                configs.note(context, &name, value)?;
                let config = context.realm.configs.read(value, &environment)?;
                if config.is_some() {
                    let rules = NETWORK_RULES.call_now(
                        context,
                        scope,
                        |context, scope| network_answers(context, scope, principal),
                        rules,
                    );
                    early.lock().rules = Some(Box::new(rules));
                }
                Ok(config)
            },
        );
        self.early.lock().config = Some(Box::new((looked, pending)));
    }

    /// Calls the registry's `getServerConfig`.
    fn look_up(
        &self,
        (server_name, user_id): Looked,
        config_servers: Option<Arc<JsRef>>,
    ) -> impl for<'env> FnOnce(&Arc<CallContext>, Scope<'env>) -> JsResult<'env> + Send + 'static + use<>
    {
        let configs = Arc::clone(&self.configs);
        move |context, scope| {
            REGISTRY.with(context, scope, move |context, registry| {
                configs.look_at(registry)?;
                let arguments = (&server_name, &user_id, Optional(config_servers.as_ref()));
                let arguments = arguments.to_arguments(registry.scope())?;
                REGISTRY.call_on(context, registry, "getServerConfig", &arguments)
            })
        }
    }
}

#[async_trait]
impl Registry for NodeHost {
    async fn server_config(
        &self,
        server_name: &str,
        lookup: Lookup<'_>,
    ) -> Result<Option<Arc<RawConfig>>> {
        let looked = (server_name.to_owned(), lookup.user_id.map(str::to_owned));
        let early =
            (self.early.lock().config).take_if(|early| lookup.config_servers && early.0 == looked);
        if let Some(early) = early {
            return early.1.answer().await;
        }
        let config_servers = self.config_servers.clone();
        let config_servers = config_servers.filter(|_| lookup.config_servers);
        let (configs, environment) = (Arc::clone(&self.configs), self.environment.clone());
        let (name, start) = (looked.0.clone(), self.look_up(looked, config_servers));
        GET_SERVER_CONFIG
            .call_with(&self.context, start, move |context, value| {
                configs.note(context, &name, value)?;
                context.realm.configs.read(value, &environment)
            })
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
        let (name, environment) = (server_name.to_owned(), self.environment.clone());
        let configs = Arc::clone(&self.configs);
        let storage = match storage {
            Storage::Database => "DB",
            Storage::Cache => "CACHE",
        };
        let arguments = (name.clone(), storage, user_id.map(str::to_owned));
        REINSPECT
            .call_with(
                &self.context,
                move |context, scope| REGISTRY.call(context, scope, "reinspectServer", arguments),
                move |context, value| {
                    if !value.is_object() {
                        return Ok(None);
                    }
                    let config = value.get("config")?;
                    configs.replace(context, &name, config)?;
                    convert::server_config(config, &environment)
                },
            )
            .await
    }

    async fn network_rules(&self) -> Result<RulesOfCall> {
        let early = self.early.lock().rules.take();
        if let Some(pending) = early {
            return pending.answer().await;
        }
        let principal = self.principal.clone();
        NETWORK_RULES
            .call_by(&self.context, move |context, scope| {
                network_answers(context, scope, principal)
            })
            .await
    }

    async fn abilities(&self) -> Result<Abilities> {
        let configs = Arc::clone(&self.configs);
        let app_server_configs = match self.configs.tells_operators() {
            Some(tells) => tells,
            None => {
                GET_REGISTRY
                    .call_with(
                        &self.context,
                        |context, scope| REGISTRY.with(context, scope, |_, registry| Ok(registry)),
                        move |_, registry| {
                            configs.look_at(registry)?;
                            Ok(configs.tells_operators() == Some(true))
                        },
                    )
                    .await?
            }
        };
        Ok(Abilities {
            catalog_generations: self.present.has(GENERATION),
            app_server_configs,
            recovers_catalogs: self.recovers_catalogs,
            is_embedded: false,
        })
    }

    async fn is_app_server_config(&self, server_name: &str) -> Result<Option<bool>> {
        if self.configs.tells_operators() == Some(false) {
            return Ok(None);
        }
        let Some(config) = self.configs.find(server_name) else {
            return Ok(None);
        };
        let (configs, name) = (Arc::clone(&self.configs), server_name.to_owned());
        IS_APP_SERVER_CONFIG
            .call_by(&self.context, move |context, scope| {
                REGISTRY.with(context, scope, move |context, registry| {
                    configs.look_at(registry)?;
                    if configs.tells_operators() != Some(true) {
                        return Ok(registry.scope().undefined());
                    }
                    let arguments = (&name, &config).to_arguments(registry.scope())?;
                    REGISTRY.call_on(context, registry, IS_APP_CONFIG, &arguments)
                })
            })
            .await
    }

    async fn shares(&self, server_name: &str) -> Result<Option<bool>> {
        let config = self.configs.find(server_name);
        let Some(config) = config.filter(|_| self.present.has(IS_USER_SCOPED.name)) else {
            return Ok(None);
        };
        let scoped = IS_USER_SCOPED.call(&self.context, Callee::Host, (config,));
        Ok(Some(!scoped.await?))
    }

    async fn all_server_configs(
        &self,
        user_id: Option<&str>,
    ) -> Result<Vec<(String, Map<String, Json>)>> {
        let (user_id, environment) = (user_id.map(str::to_owned), self.environment.clone());
        GET_ALL_SERVER_CONFIGS
            .call_with(
                &self.context,
                |context, scope| REGISTRY.call(context, scope, "getAllServerConfigs", (user_id,)),
                move |_, value| convert::server_configs(value, &environment),
            )
            .await
    }
}

/// Asks the registry for all rules at once.
fn network_answers<'env>(
    context: &Arc<CallContext>,
    scope: Scope<'env>,
    Principal { user_id, role }: Principal,
) -> JsResult<'env> {
    REGISTRY.with(context, scope, move |context, registry| {
        let scope = registry.scope();
        let arguments = [registry, user_id.to_js(scope)?, role.to_js(scope)?];
        let ask = scope.helper(Helper::NetworkAnswers)?;
        context.apply(ask, scope.undefined(), &arguments)
    })
}
