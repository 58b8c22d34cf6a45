//! What is read from all configurations of the registry: instructions, tool functions, names.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::call::Call;
use super::methods::Invocation;
use super::policy::instructions;
use crate::error::Result;
use crate::host::Environment;
use crate::manager::{Manager, format_instructions};
use crate::node::engine::{JsRef, JsResult, Value};
use crate::node::host::registry::{GET_ALL_SERVER_CONFIGS, NodeHost};
use crate::node::marshal::callee::REGISTRY;
use crate::node::marshal::context::CallContext;
use crate::node::marshal::convert;
use crate::server_config::ServerConfig;
use crate::server_config::is_enabled;

/// Asks for all configurations without a user and reads them on JavaScript's thread; `embedded` are those of a runtime
/// without a host's registry.
async fn all_configs<T, C>(
    node: &NodeHost,
    embedded: Option<Json>,
    config_servers: Option<Arc<JsRef>>,
    read: C,
) -> Result<T>
where
    T: Send + 'static,
    C: for<'env> FnOnce(&Arc<CallContext>, Value<'env>) -> JsResult<'env, T> + Send + 'static,
{
    GET_ALL_SERVER_CONFIGS
        .call_with(
            &node.context,
            |context, scope| {
                let method = "getAllServerConfigs";
                match (embedded, config_servers) {
                    (Some(configs), _) => scope.json(&configs),
                    (None, None) => REGISTRY.call(context, scope, method, ()),
                    (None, Some(servers)) => {
                        REGISTRY.call(context, scope, method, (None::<&str>, servers))
                    }
                }
            },
            read,
        )
        .await
}

fn members(configs: Value<'_>) -> JsResult<'_, Vec<(String, Value<'_>)>> {
    if !configs.is_object() {
        return Ok(Vec::new());
    }
    configs
        .keys()?
        .into_iter()
        .map(|name| Ok((name.clone(), configs.get(&name)?)))
        .collect()
}

/// The names of all servers.
pub async fn server_names(call: &Call) -> Result<Vec<String>> {
    let embedded = call.node.embedded.as_ref();
    let embedded = embedded.map(|edition| json!(edition.config.servers));
    all_configs(&call.node, embedded, None, |_, configs| {
        Ok(members(configs)?
            .into_iter()
            .map(|(name, _)| name)
            .collect())
    })
    .await
}

/// What an embedded registry has, with what inspections find out about the servers that are wanted. A host's registry
/// has inspected its own.
async fn inspected(
    manager: &Manager,
    call: &Call,
    is_wanted: fn(&Map<String, Json>) -> bool,
    names: Option<&[String]>,
) -> Result<Option<Json>> {
    let Some(edition) = &call.node.embedded else {
        return Ok(None);
    };
    let config = &edition.config;
    let mut wanted = Vec::new();
    for (name, members) in &config.servers {
        if is_wanted(members) && names.is_none_or(|names| names.contains(name)) {
            wanted.push(name.as_str());
        }
    }
    let (scope, cancel) = (call.scope(), &call.cancel);
    let configs = edition
        .inspections
        .configs(config, &wanted, manager, &scope, cancel);
    Ok(Some(Json::Object(configs.await?)))
}

/// Whether a server's instructions are those that it sends itself.
fn asks_for_instructions(members: &Map<String, Json>) -> bool {
    match members.get("serverInstructions") {
        Some(Json::String(text)) => is_enabled(text),
        declared => declared == Some(&Json::Bool(true)),
    }
}

/// The tool functions of all configurations, in one object. LibreChat since August 2026 leaves out servers that users do
/// not share.
pub fn get_app_tool_functions<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    invocation.start(|manager, call| async move {
        let embedded = inspected(&manager, &call, |_| true, None).await?;
        let leaves_out = call.host.registry.abilities().await?.is_current();
        all_configs(&call.node, embedded, None, move |context, configs| {
            let merged = configs.scope().object()?;
            for (_, config) in members(configs)? {
                if leaves_out && !is_shared(config)? {
                    continue;
                }
                let functions = if config.is_object() {
                    config.get("toolFunctions")?
                } else {
                    config
                };
                if functions.is_object() {
                    for name in functions.keys()? {
                        merged.set(&name, functions.get(&name)?)?;
                    }
                }
            }
            JsRef::new(&context.thread, merged)
        })
        .await
    })
}

fn is_shared(config: Value<'_>) -> JsResult<'_, bool> {
    let members = convert::server_config(config, &Environment::default())?;
    let config = members.map(ServerConfig::from_members);
    Ok(matches!(config, Some(Ok(config)) if config.can_use_app_connection()))
}

/// The instructions of the named servers, or of all, as one text for the model.
pub fn format_instructions_for_context<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let wanted = invocation.given(0);
    let wanted = wanted.map(convert::text_list).transpose()?;
    let config_servers = match invocation.given(1) {
        Some(servers) => Some(Arc::new(JsRef::new(&invocation.runtime.thread, servers)?)),
        None => None,
    };
    invocation.start(|manager, call| async move {
        let asks = asks_for_instructions;
        let embedded = inspected(&manager, &call, asks, wanted.as_deref()).await?;
        let mut all = all_configs(&call.node, embedded, config_servers, |_, configs| {
            let mut texts = Vec::new();
            for (name, config) in members(configs)? {
                if let Some(text) = instructions(config)?.as_string() {
                    texts.push((name, text));
                }
            }
            Ok(texts)
        })
        .await?;
        if let Some(wanted) = wanted {
            // In the order that was asked for.
            all = wanted
                .iter()
                .filter_map(|name| all.iter().find(|(known, _)| known == name).cloned())
                .collect();
        }
        Ok(format_instructions(&all))
    })
}
