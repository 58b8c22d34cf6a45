//! What is read from all configurations of the registry: instructions, tool functions, names.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::call::CallContext;
use super::calls::{Call, Shared};
use super::host::NodeHost;
use super::js::{JsResult, Scope, Value};
use super::thread::JsRef;
use crate::error::Result;
use crate::manager::format_instructions;

/// Bound on a callback of the registry.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Asks for all configurations without a user and reads them on JavaScript's thread.
async fn all_configs<T, C>(
    node: &NodeHost,
    config_servers: Option<Arc<JsRef>>,
    read: C,
) -> Result<T>
where
    T: Send + 'static,
    C: for<'env> FnOnce(&Arc<CallContext>, Value<'env>) -> JsResult<'env, T> + Send + 'static,
{
    let embedded = node.embedded.clone();
    node.context
        .callback(
            "registry.getAllServerConfigs",
            TIMEOUT,
            move |context, scope| {
                if let Some(config) = embedded {
                    return scope.json(&json!(config.servers));
                }
                context.call_service(scope, "registry", "getAllServerConfigs", move |_, scope| {
                    Ok(match &config_servers {
                        Some(servers) => vec![scope.undefined(), servers.get(scope)],
                        None => Vec::new(),
                    })
                })
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
    all_configs(&call.node, None, |_, configs| {
        Ok(members(configs)?
            .into_iter()
            .map(|(name, _)| name)
            .collect())
    })
    .await
}

/// The tool functions of all configurations, in one object.
pub fn get_app_tool_functions<'env>(
    shared: &Arc<Shared>,
    scope: Scope<'env>,
    _: &[Value<'env>],
) -> JsResult<'env> {
    shared.start(
        scope,
        |_, call| async move {
            all_configs(&call.node, None, |context, configs| {
                let merged = configs.scope().object()?;
                for (_, config) in members(configs)? {
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
        },
        |scope, _, merged| Ok(merged.get(scope)),
    )
}

/// The instructions of the named servers, or of all, as one text for the model.
pub fn format_instructions_for_context<'env>(
    shared: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    let wanted = match arguments.first().and_then(|names| names.present()) {
        Some(names) => Some(
            names
                .elements()?
                .into_iter()
                .filter_map(Value::as_string)
                .collect::<Vec<_>>(),
        ),
        None => None,
    };
    let config_servers = match arguments.get(1).and_then(|servers| servers.present()) {
        Some(servers) => Some(Arc::new(JsRef::new(&shared.thread, servers)?)),
        None => None,
    };
    shared.start(
        scope,
        |_, call| async move {
            let mut all = all_configs(&call.node, config_servers, |_, configs| {
                let mut texts = Vec::new();
                for (name, config) in members(configs)? {
                    let text = if config.is_object() {
                        config.get("serverInstructions")?
                    } else {
                        config
                    };
                    if text.present().is_some() && config.is_object() {
                        texts.push((name, text.to_text()?));
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
        },
        |scope, _, text: String| scope.string(&text),
    )
}
