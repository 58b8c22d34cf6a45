//! `runtime.manager.appConnections`: the connections that all users share (LibreChat's `ConnectionsRepository`).

use std::sync::Arc;

use futures::stream::{self, StreamExt};

use super::call::Call;
use super::connection_params::request;
use super::connections::{connection_map, map_of, object};
use super::handle::Backing;
use super::methods::{Invocation, Method, set_methods};
use super::registry_view::server_names;
use super::state::RuntimeState;
use crate::connection::log_prefix;
use crate::error::{Error, Result};
use crate::host::{Level, LogMeta, Lookup, RulesOfCall};
use crate::manager::{
    Acquire, Key, Lease, Manager, Owner, ServerScope, may_be_shared, registered_config,
};
use crate::node::engine::{JsResult, Scope, Value};
use crate::node::marshal::convert::text_list;
use crate::server_config::ServerConfig;

/// How many servers are connected at the same time.
pub const CONCURRENCY: usize = 3;

const METHODS: &[Method] = &[
    Method::new("get", get),
    Method::new("has", has),
    Method::new("getMany", get_many),
    Method::new("getLoaded", get_loaded),
    Method::new("getAll", get_all),
    Method::new("disconnect", disconnect),
    Method::new("disconnectAll", disconnect_all),
    Method::new("getConnectionCount", get_connection_count),
];

pub fn create<'env>(scope: Scope<'env>, shared: &Arc<RuntimeState>) -> JsResult<'env> {
    set_methods(scope.object()?, shared, &(), METHODS)
}

/// A server whose config names its users is each user's own, unless the host's own policy has them share it: then its tools
/// are listed over one connection, with the placeholders as they were written. Calls are each user's all the same.
pub async fn is_shared(call: &Call, server_name: &str, config: &ServerConfig) -> Result<bool> {
    Ok(config.allows_app_connection()
        || config.is_shared_but_for_placeholders()
            && call.host.registry.shares(server_name).await? == Some(true))
}

/// The scope of a server that all users share; `None` for one that they do not, whose leftover connection is ended.
async fn shared_scope(
    manager: &Manager,
    call: &Call,
    server_name: &str,
) -> Result<Option<ServerScope>> {
    let lookup = Lookup {
        user_id: None,
        config_servers: false,
    };
    let config = registered_config(&call.host, server_name, lookup).await?;
    if let Some(config) = config
        && is_shared(call, server_name, &config).await?
    {
        let RulesOfCall { rules, of_tenant } = call.host.registry.network_rules().await?;
        let key = Key::new(Owner::App, server_name);
        // What a tenant may not share is still there for others.
        let is_shared = may_be_shared(&config, of_tenant);
        return Ok(is_shared.then_some(ServerScope { key, config, rules }));
    }
    manager.disconnect(&Key::new(Owner::App, server_name)).await;
    Ok(None)
}

/// A use of the shared connection of a server, made if need be, and what it was asked for with.
async fn find(
    manager: &Manager,
    call: &Call,
    server_name: &str,
) -> Result<Option<(Acquire<'static>, Lease)>> {
    let Some(server) = shared_scope(manager, call, server_name).await? else {
        return Ok(None);
    };
    let request = request(manager, call, &server, false).await?;
    let lease = manager.acquire(&request).await?;
    Ok(Some((request, lease)))
}

/// The use alone.
pub async fn acquire(manager: &Manager, call: &Call, server_name: &str) -> Result<Option<Lease>> {
    let found = find(manager, call, server_name).await?;
    Ok(found.map(|(_, lease)| lease))
}

async fn connect(manager: &Manager, call: &Call, server_name: &str) -> Result<Option<Backing>> {
    let found = find(manager, call, server_name).await?;
    found
        .map(|(request, lease)| Backing::new(manager, request, lease))
        .transpose()
}

/// A server of several that could not be reached.
pub fn warn(call: &Call, server_name: &str, error: Error) {
    let prefix = log_prefix(None, server_name);
    let message = format!("{prefix} Failed to establish connection");
    let logger = &call.host.logger;
    logger.with(Level::Warn, message, LogMeta::Error(error));
}

/// The connection, or `null`.
fn get<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let name = invocation.text(0).unwrap_or_default();
    let runtime = Arc::clone(&invocation.runtime);
    invocation.start_with(
        |manager, call| async move { connect(&manager, &call, &name).await },
        move |scope, _, backing| {
            backing.map_or_else(
                || Ok(scope.null()),
                |backing| object(&runtime, scope, backing),
            )
        },
    )
}

fn has<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let name = invocation.text(0).unwrap_or_default();
    invocation.start(|manager, call| async move {
        Ok(shared_scope(&manager, &call, &name).await?.is_some())
    })
}

/// `{ continueOnError }`: whether a server that cannot be reached is logged and left out, instead of failing the call.
fn continues_on_error(options: Option<Value<'_>>) -> JsResult<'_, bool> {
    options.map_or(Ok(false), |options| {
        Ok(options.get("continueOnError")?.is_truthy())
    })
}

/// A `Map` of those that could be had.
async fn connect_many(
    manager: &Manager,
    call: &Call,
    names: Vec<String>,
    continues: bool,
) -> Result<Vec<Backing>> {
    let mut found = Vec::new();
    let mut connecting = stream::iter(names)
        .map(|name| async move {
            match connect(manager, call, &name).await {
                Err(error) if continues => {
                    warn(call, &name, error);
                    Ok(None)
                }
                outcome => outcome,
            }
        })
        .buffered(CONCURRENCY);
    while let Some(backing) = connecting.next().await {
        found.extend(backing?);
    }
    Ok(found)
}

/// `(serverNames, { continueOnError, refreshTools }?)`. Lists are published when a connection is made, whatever
/// `refreshTools` says.
fn get_many<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let names = text_list(invocation.argument(0))?;
    let continues = continues_on_error(invocation.object(1))?;
    let runtime = Arc::clone(&invocation.runtime);
    invocation.start_with(
        move |manager, call| async move { connect_many(&manager, &call, names, continues).await },
        move |scope, _, found| map_of(&runtime, scope, found),
    )
}

fn get_all<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let continues = continues_on_error(invocation.object(0))?;
    let runtime = Arc::clone(&invocation.runtime);
    invocation.start_with(
        move |manager, call| async move {
            let names = server_names(&call).await?;
            connect_many(&manager, &call, names, continues).await
        },
        move |scope, _, found| map_of(&runtime, scope, found),
    )
}

/// A `Map` of the connections that are open now, whatever capabilities a caller wishes for: all are offered the same.
pub fn get_loaded<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let runtime = Arc::clone(&invocation.runtime);
    invocation.start_with(
        |_, _| async { Ok(()) },
        move |scope, _, ()| {
            let keys = runtime.manager.connected(&Owner::App);
            connection_map(&runtime, scope, &keys)
        },
    )
}

fn end<'env>(invocation: &Invocation<'env>, key: Key) -> JsResult<'env> {
    invocation.start(|manager, _| async move {
        manager.disconnect(&key).await;
        Ok(())
    })
}

fn disconnect<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let name = invocation.text(0).unwrap_or_default();
    end(invocation, Key::new(Owner::App, &name))
}

/// An array of promises, one for each connection.
fn disconnect_all<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let keys = invocation.runtime.manager.connected(&Owner::App);
    let promises: JsResult<'env, Vec<_>> =
        keys.into_iter().map(|key| end(invocation, key)).collect();
    invocation.scope.array(&promises?)
}

fn get_connection_count<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let count = invocation.runtime.manager.stats().app_connections;
    invocation
        .scope
        .number(f64::from(u32::try_from(count).unwrap_or(u32::MAX)))
}
