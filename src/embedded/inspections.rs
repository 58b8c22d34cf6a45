//! What inspections find out about the servers of a [`Config`], each made when somebody first asks for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::config::Config;
use crate::cancel::until_aborted;
use crate::error::{Code, Result};
use crate::host::Lookup;
use crate::manager::{CallScope, Inspect, Inspection, Manager, NotInspected};
use crate::nesting::{self, MAX_NESTING};

/// Inspections at the same time.
const CONCURRENCY: usize = 3;
/// So long a server that could not be inspected is not tried again.
const FAILED_TTL: Duration = Duration::from_mins(1);

/// By server name.
#[derive(Default)]
pub struct Inspections(Mutex<HashMap<String, SharedInspection>>);

/// Whoever has it inspects; the others wait for what comes of it.
type SharedInspection = Arc<tokio::sync::Mutex<Known>>;

#[derive(Default)]
enum Known {
    #[default]
    Nothing,
    /// Members that the configuration gains.
    Found(Map<String, Value>),
    FailedAt(Instant),
}

impl Inspections {
    /// Those of some servers, to go on with.
    pub(super) fn of(&self, server_names: &[&str]) -> Self {
        let mut known = self.0.lock().clone();
        known.retain(|name, _| server_names.contains(&name.as_str()));
        Self(Mutex::new(known))
    }

    /// All servers, those that are wanted with what an inspection found. One that cannot be inspected stays as it is, and
    /// the log says why.
    ///
    /// Fails only when the call is cancelled, or the runtime closed.
    pub async fn configs(
        &self,
        config: &Config,
        wanted: &[&str],
        manager: &Manager,
        call: &CallScope<'_>,
        cancel: &CancellationToken,
    ) -> Result<Map<String, Value>> {
        let mut inspecting = Vec::new();
        for name in wanted {
            inspecting.push(self.found(name, manager, call, cancel).boxed());
        }
        let found: Vec<_> = stream::iter(inspecting)
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        let mut configs = config.servers.clone();
        for (name, found) in wanted.iter().zip(found) {
            if let Some(members) = configs.get_mut(*name) {
                members.extend(found);
            }
        }
        let configs = configs.into_iter();
        Ok(configs
            .map(|(name, members)| (name, Value::Object(members)))
            .collect())
    }

    async fn found(
        &self,
        name: &str,
        manager: &Manager,
        call: &CallScope<'_>,
        cancel: &CancellationToken,
    ) -> Result<Map<String, Value>> {
        let turn = Arc::clone(self.0.lock().entry(name.to_owned()).or_default());
        let mut known = until_aborted(cancel, turn.lock()).await?;
        match &*known {
            Known::Found(found) => return Ok(found.clone()),
            Known::FailedAt(at) if at.elapsed() < FAILED_TTL => return Ok(Map::new()),
            _ => {}
        }
        let problem = match inspect(name, manager, call, cancel).await {
            Ok(found) => {
                *known = Known::Found(found.clone());
                return Ok(found);
            }
            Err(NotInspected::Failed(error))
                if matches!(error.code, Code::Aborted | Code::Closed) =>
            {
                return Err(error);
            }
            Err(NotInspected::Failed(error)) => error.to_string(),
            Err(NotInspected::Domain(domain)) => format!("the domain {domain} is not allowed"),
        };
        *known = Known::FailedAt(Instant::now());
        let logger = &call.host.logger;
        logger.warn(format!("[MCP][{name}] Cannot be inspected: {problem}"));
        Ok(Map::new())
    }
}

async fn inspect(
    name: &str,
    manager: &Manager,
    call: &CallScope<'_>,
    cancel: &CancellationToken,
) -> Result<Map<String, Value>, NotInspected> {
    let registry = &call.host.registry;
    let lookup = Lookup {
        user_id: None,
        config_servers: false,
    };
    let looking_up = registry.server_config(name, lookup);
    let raw = until_aborted(cancel, looking_up).await??;
    let mut members = raw.map_or_else(Map::new, |raw| raw.members().clone());
    // The registry has found out already.
    if !members.contains_key("oauth") {
        members.entry("requiresOAuth").or_insert(Value::Bool(false));
    }
    let request = Inspect {
        server_name: name.to_owned(),
        members,
        rules: registry.network_rules().await?.rules,
        connection: None,
        cancel: cancel.clone(),
    };
    Ok(gained(Box::pin(manager.inspect(call, request)).await?))
}

fn gained(found: Inspection) -> Map<String, Value> {
    let functions = found.tool_functions;
    // A schema may have all the levels; it is three deep in a function, and that in an object of them.
    let functions = functions.and_then(|text| nesting::parse(&text, MAX_NESTING + 4).ok());
    let instructions = found.instructions.flatten().map(Value::String);
    let mut gained = Map::new();
    gained.extend(functions.map(|functions| ("toolFunctions".to_owned(), functions)));
    gained.extend(instructions.map(|text| ("resolvedInstructions".to_owned(), text)));
    gained
}
