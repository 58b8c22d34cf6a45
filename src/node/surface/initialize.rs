//! What LibreChat does with its registry when it starts, which runs inside its own `MCPManager.createInstance` and is not
//! exported (`packages/api/src/mcp/registry/MCPServersInitializer.ts`): every configured server is inspected and added.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use super::call::Call;
use crate::connection::log_prefix;
use crate::error::{Code, Result};
use crate::host::{Level, LogMeta, Logger};
use crate::node::engine::{JsRef, JsResult, JsThread, Scope, Value};
use crate::node::host::registry::GET_ALL_SERVER_CONFIGS;
use crate::node::marshal::callback::{Callback, STORE_TIMEOUT};
use crate::node::marshal::callee::REGISTRY;
use crate::server_config::sanitize_url_for_logging;

/// What the inspection writes into a config in place of what was configured.
const REWRITTEN: &str = "serverInstructions";

/// A rule that does not hold, and nobody sees it.
const WRITTEN_OVER: &str = "The registry keeps the names of the tools in place of the operator's `tools`, which does not hold: say it in mcpSettings.tools, or set startup: false";

const REMOVE_SERVER: Callback<(String, &str), ()> =
    Callback::new("registry.removeServer", STORE_TIMEOUT);

/// The configured servers, as the host's own objects.
pub struct Configured(Vec<(String, Arc<JsRef>)>);

impl Configured {
    pub fn read<'env>(thread: &JsThread, configs: Option<Value<'env>>) -> JsResult<'env, Self> {
        let mut all = Vec::new();
        if let Some(configs) = configs.and_then(Value::present).filter(|it| it.is_object()) {
            for name in configs.keys()? {
                let config = configs.get(&name)?;
                if config.is_object() {
                    all.push((name, Arc::new(JsRef::new(thread, config)?)));
                }
            }
        }
        Ok(Self(all))
    }

    /// With what the registry knows; nothing is to be done where it takes no servers.
    fn compared(self, known: Value<'_>) -> JsResult<'_, Option<Plan>> {
        if !known.is_object() {
            return Ok(None);
        }
        let started = process_start(known.scope())?;
        let mut plan = Plan {
            add: Vec::new(),
            remove: Vec::new(),
        };
        for name in known.keys()? {
            let is_configured = self.0.iter().any(|(other, _)| *other == name);
            if !is_configured && is_of_operator(known.get(&name)?)? {
                plan.remove.push(name);
            }
        }
        for (name, config) in self.0 {
            let entry = known.get_own(&name)?;
            let replaces = is_of_operator(entry)?;
            let is_done = replaces
                && entry
                    .get("updatedAt")?
                    .as_number()
                    .is_some_and(|at| at >= started)
                && is_made_from(entry, config.get(known.scope()))?;
            if !is_done {
                let tools = config.get(known.scope()).get("tools")?;
                plan.add.push(Addition {
                    has_rule: tools.is_object(),
                    name,
                    config,
                    replaces,
                });
            }
        }
        Ok(Some(plan))
    }
}

/// A server to inspect and add.
struct Addition {
    name: String,
    config: Arc<JsRef>,
    /// An older entry has to go before.
    replaces: bool,
    /// An operator says which tools there are.
    has_rule: bool,
}

/// What has to be done.
struct Plan {
    add: Vec<Addition>,
    /// Configured no more.
    remove: Vec<String>,
}

/// Brings the registry to what is configured. What it was brought to in the life of this process stays as it is, so that
/// a registry that LibreChat itself has initialized is not initialized twice. A registry that takes no servers is left
/// alone.
pub async fn initialize(call: &Call, configured: Configured) -> Result<()> {
    let Some(plan) = plan(call, configured).await? else {
        return Ok(());
    };
    let removals = plan.remove.iter().map(|name| remove(call, name));
    for outcome in join_all(removals).await {
        outcome?;
    }
    let limit = call.settings.registry_init_timeout;
    let additions = plan.add.into_iter();
    join_all(additions.map(|addition| async move {
        if let Err(error) = add(call, &addition, limit).await {
            let prefix = log_prefix(None, &addition.name);
            let message = format!("{prefix} Failed to store stub config:");
            let logger = &call.host.logger;
            logger.with(Level::Error, message, LogMeta::Error(error));
        }
    }))
    .await;
    Ok(())
}

async fn plan(call: &Call, configured: Configured) -> Result<Option<Plan>> {
    GET_ALL_SERVER_CONFIGS
        .call_with(
            call.context(),
            |context, scope| {
                REGISTRY.with(context, scope, |context, registry| {
                    let takes =
                        |name| Ok(registry.is_object() && registry.get(name)?.is_function());
                    if takes("addServer")? && takes("addServerStub")? && takes("removeServer")? {
                        return REGISTRY.call_on(context, registry, "getAllServerConfigs", &[]);
                    }
                    Ok(registry.scope().undefined())
                })
            },
            |_, known| configured.compared(known),
        )
        .await
}

/// When the process began, in milliseconds since the epoch.
fn process_start(scope: Scope<'_>) -> JsResult<'_, f64> {
    let global = scope.global()?;
    let (date, process) = (global.get("Date")?, global.get("process")?);
    let now = date.call_method("now", &[])?.as_number();
    let uptime = process.call_method("uptime", &[])?.as_number();
    Ok(now.unwrap_or_default() - uptime.unwrap_or_default() * 1000.0)
}

/// Whether an entry of the registry is there because somebody configured it, and not a user's own.
fn is_of_operator(entry: Value<'_>) -> JsResult<'_, bool> {
    if !entry.is_object() {
        return Ok(false);
    }
    Ok(match entry.get("source")?.as_string() {
        Some(source) => source != "user",
        None => !entry.get("dbId")?.is_truthy(),
    })
}

/// Whether an entry has every member of a config as it is there.
fn is_made_from<'env>(entry: Value<'env>, config: Value<'env>) -> JsResult<'env, bool> {
    for name in config.keys()? {
        let wanted = config.get(&name)?.to_json()?;
        if name != REWRITTEN && wanted.is_some() && entry.get(&name)?.to_json()? != wanted {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Adds a server, or a stub where it cannot be inspected. One that takes too long goes on by itself.
async fn add(call: &Call, addition: &Addition, limit: Duration) -> Result<()> {
    let Addition { name, config, .. } = addition;
    if addition.replaces {
        remove(call, name).await?;
    }
    let logger = &call.host.logger;
    let prefix = log_prefix(None, name);
    match store(call, "addServer", name, config, limit).await {
        Ok(stored) => {
            log(logger, &prefix, &stored.lines);
            if addition.has_rule && stored.has_names {
                logger.error(format!("{prefix} {WRITTEN_OVER}"));
            }
            Ok(())
        }
        Err(error) if error.code == Code::HostTimeout => {
            logger.error(format!("{prefix} Server initialization timed out"));
            Ok(())
        }
        Err(error) => {
            let message = format!("{prefix} Failed to initialize:");
            logger.with(Level::Error, message, LogMeta::Error(error));
            store(call, "addServerStub", name, config, STORE_TIMEOUT).await?;
            logger.info(format!(
                "{prefix} Stored stub config for recovery via reinitialize"
            ));
            Ok(())
        }
    }
}

fn log(logger: &Logger, prefix: &str, lines: &[String]) {
    logger.info(format!(
        "{prefix} -------------------------------------------------┐"
    ));
    for line in lines {
        logger.info(format!("{prefix} {line}"));
    }
    logger.info(format!(
        "{prefix} -------------------------------------------------┘"
    ));
}

/// A server that was added.
#[derive(Default)]
struct Stored {
    /// What is told of it.
    lines: Vec<String>,
    /// It has the names of the tools that were found, where an operator's rule would be.
    has_names: bool,
}

fn summary(config: Value<'_>) -> JsResult<'_, Stored> {
    if !config.is_object() {
        return Ok(Stored::default());
    }
    let has_names = config.get("tools")?.as_string().is_some();
    let text = |name: &str| -> JsResult<'_, String> {
        let value = config.get(name)?;
        Ok(match value.present() {
            Some(value) => value.to_text()?,
            None => "undefined".to_owned(),
        })
    };
    let url = config.get("url")?.as_string();
    let url = url.map_or_else(|| "N/A".to_owned(), |url| sanitize_url_for_logging(&url));
    let mut instructions = config.get("resolvedInstructions")?.as_string();
    if instructions.is_none() {
        instructions = config.get("serverInstructions")?.as_string();
    }
    let instructions = instructions.filter(|text| !text.is_empty());
    let instructions = instructions.map_or_else(
        || "N/A".to_owned(),
        |text| format!("configured ({} chars)", text.encode_utf16().count()),
    );
    let duration = match config.get("initDuration")?.present() {
        Some(duration) => duration.to_text()?,
        None => "N/A".to_owned(),
    };
    let lines = vec![
        format!("URL: {url}"),
        format!("OAuth Required: {}", text("requiresOAuth")?),
        format!("Capabilities: {}", text("capabilities")?),
        format!("Tools: {}", text("tools")?),
        format!("Server Instructions: {instructions}"),
        format!("Initialized in: {duration}ms"),
    ];
    Ok(Stored { lines, has_names })
}

async fn store(
    call: &Call,
    method: &'static str,
    name: &str,
    config: &Arc<JsRef>,
    limit: Duration,
) -> Result<Stored> {
    let arguments = (name.to_owned(), Arc::clone(config), "CACHE");
    Callback::reading(method, limit, |_, added| {
        if added.is_object() {
            summary(added.get("config")?)
        } else {
            Ok(Stored::default())
        }
    })
    .call(call.context(), &REGISTRY, arguments)
    .await
}

async fn remove(call: &Call, name: &str) -> Result<()> {
    let arguments = (name.to_owned(), "CACHE");
    REMOVE_SERVER
        .call(call.context(), &REGISTRY, arguments)
        .await
}
