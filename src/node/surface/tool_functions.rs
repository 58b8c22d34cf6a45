//! The tools of open connections in LibreChat's function format.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::app_connections;
use super::call::Call;
use super::methods::Invocation;
use crate::connection::CallOptions;
use crate::error::{Error, Result};
use crate::governance::PinScope;
use crate::manager::{
    Key, Lease, Manager, MissingFields, Naming, Owner, Reading, Snapshot, generation_of, template,
};
use crate::node::engine::{JsResult, Scope};
use crate::node::marshal::newer_params::deadline;
use crate::node::marshal::params::Params;
use crate::node::marshal::to_js::{JsonText, Nullable, ToJs, WithMembers};
use crate::server_config::ServerConfig;

/// Bound on listing tools where the config has no `timeout`.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Functions {
    /// The text of a JSON object.
    tools: Option<String>,
    generation: Option<String>,
    revision: Option<String>,
}

/// `(userId, serverName)`: an object, or `null`.
pub fn get_server_tool_functions<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    look_up(invocation, |scope, _, functions| tools(scope, &functions))
}

/// `(userId, serverName, serverConfig?, { deadlineMs?, signal? }?)`: `{ tools, publicationGeneration?, publicationRevision? }`. Never rejects because
/// of a server or the host.
pub fn get_server_tool_functions_snapshot<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    look_up(invocation, |scope, _, functions| {
        scope
            .object()?
            .with("tools", tools(scope, &functions)?)?
            .optional("publicationGeneration", functions.generation)?
            .optional("publicationRevision", functions.revision)
    })
}

fn tools<'env>(scope: Scope<'env>, functions: &Functions) -> JsResult<'env> {
    Nullable(functions.tools.as_deref().map(JsonText)).to_js(scope)
}

fn look_up<'env>(
    invocation: &Invocation<'env>,
    convert: impl for<'any> FnOnce(Scope<'any>, &Call, Functions) -> JsResult<'any> + Send + 'static,
) -> JsResult<'env> {
    let (user_id, server_name) = (invocation.text(0), invocation.text(1).unwrap_or_default());
    let prepared = call_of(invocation, user_id.as_deref()).map(|(call, end)| {
        (call, move |manager: Manager, call: Arc<Call>| async move {
            let finding = functions_of(&manager, &call, user_id, &server_name, end);
            let outcome = match end {
                Some(end) => timeout_at(end, finding)
                    .await
                    .unwrap_or_else(|_| Err(Error::timeout("The caller has no time left"))),
                None => finding.await,
            };
            Ok(outcome.unwrap_or_else(|error| {
                let message = format!(
                    "[getServerToolFunctions] Error getting tool functions for server {server_name}: {error}"
                );
                call.host.logger.warn(message);
                Functions::default()
            }))
        })
    });
    invocation.run_with(prepared, convert)
}

/// A call of a user, about a config, and when it has to end.
fn call_of<'env>(
    invocation: &Invocation<'env>,
    user_id: Option<&str>,
) -> JsResult<'env, (Call, Option<Instant>)> {
    let scope = invocation.scope;
    let params = scope
        .object()?
        .optional("user", user_id.map(|id| [("id", id)]))?
        .optional("serverConfig", invocation.object(2))?;
    let mut end = None;
    if let Some(options) = invocation.object(3) {
        params.set("signal", options.get("signal")?)?;
        end = deadline(options.get("deadlineMs")?.as_number());
    }
    let params = Params::new(scope, "getServerToolFunctions", Some(params))?;
    Ok((invocation.runtime.call(scope, Some(&params))?, end))
}

async fn functions_of(
    manager: &Manager,
    call: &Call,
    user_id: Option<String>,
    server_name: &str,
    end: Option<Instant>,
) -> Result<Functions> {
    let config = match call.config()? {
        Some(config) => Some(config),
        None => manager.registered(&call.scope(), server_name).await?,
    };
    if is_shared(call, server_name, config.as_deref()).await?
        && let Some(lease) = app_connections::acquire(manager, call, server_name).await?
    {
        let snapshot = read(call, &lease, end).await?;
        return Ok(Functions {
            tools: Some(format(manager, call, &lease, server_name, &snapshot).await?),
            generation: None,
            revision: snapshot.revision,
        });
    }
    let Some(user_id) = user_id else {
        return Ok(Functions::default());
    };
    of_user(manager, call, &user_id, server_name, config.as_deref(), end).await
}

/// Whether the user is served over the connection of all. Where the registry does not tell whose a config is, the server
/// decides that alone.
async fn is_shared(call: &Call, server_name: &str, config: Option<&ServerConfig>) -> Result<bool> {
    let registry = &call.host.registry;
    Ok(match registry.is_app_server_config(server_name).await? {
        Some(is_own) => is_own && config.is_some_and(ServerConfig::can_use_app_connection),
        None => true,
    })
}

/// The tools of a user's own connection, unless it was made under something that no longer holds.
async fn of_user(
    manager: &Manager,
    call: &Call,
    user_id: &str,
    server_name: &str,
    config: Option<&ServerConfig>,
    end: Option<Instant>,
) -> Result<Functions> {
    let key = Key::new(Owner::user(user_id), server_name);
    let Some(lease) = manager.existing(&key) else {
        return Ok(Functions::default());
    };
    let connection = lease.connection();
    let rules = call.host.registry.network_rules().await?.rules;
    let is_of_config = match config {
        Some(config) => template(&call.host, config, &rules)? == connection.recipe.template,
        // In June's LibreChat a connection outlives its config.
        None => !call.host.registry.abilities().await?.is_current(),
    };
    let made_under = connection.publication_generation.as_deref();
    if !is_of_config || is_overtaken(call, user_id, server_name, made_under).await {
        manager.disconnect(&key).await;
        return Ok(Functions::default());
    }
    let snapshot = read(call, &lease, end).await?;
    if is_overtaken(call, user_id, server_name, made_under).await {
        manager.disconnect(&key).await;
        return Ok(Functions::default());
    }
    Ok(Functions {
        tools: Some(format(manager, call, &lease, server_name, &snapshot).await?),
        generation: made_under.map(str::to_owned),
        revision: None,
    })
}

/// Whether another generation is valid by now.
async fn is_overtaken(
    call: &Call,
    user_id: &str,
    server_name: &str,
    made_under: Option<&str>,
) -> bool {
    let (Some(made_under), Some(publisher)) = (made_under, &call.host.publisher) else {
        return false;
    };
    let now = generation_of(publisher, user_id, server_name, &call.host.logger).await;
    now.is_some_and(|now| now != made_under)
}

async fn format(
    manager: &Manager,
    call: &Call,
    lease: &Lease,
    server_name: &str,
    snapshot: &Snapshot,
) -> Result<String> {
    let user_id = lease.connection().recipe.user_id.as_deref();
    let naming = Naming::of(&call.host).await?;
    let tools = manager.for_models(user_id, server_name, &snapshot.list.tools);
    manager.functions(user_id, server_name, &tools, naming, MissingFields::Omitted)
}

async fn read(call: &Call, lease: &Lease, end: Option<Instant>) -> Result<Snapshot> {
    let connection = lease.connection();
    let recipe = &connection.recipe;
    let limit = Instant::now() + recipe.config.timeout.unwrap_or(LIST_TIMEOUT);
    let limit = end.map_or(limit, |end| end.min(limit));
    let mut options = CallOptions::new(limit, call.cancel.clone());
    options.trace.clone_from(&call.host.trace);
    options.pins = PinScope::of_call(&call.host, recipe.own_rules.as_deref());
    let publisher = recipe.publisher.as_ref();
    let snapshot = Snapshot::read(connection, publisher, Reading::InOrder, &options).await?;
    snapshot.complete()
}
