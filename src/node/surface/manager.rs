//! `runtime.manager`: LibreChat's `MCPManager`.

use std::sync::Arc;

use super::call::Call;
use super::catalog_recovery::is_mutation;
use super::connection_params::{Connects, find, read};
use super::connections::{self, connection_map};
use super::handle::Backing;
use super::methods::Begins::InTurnWithParameters;
use super::methods::{Invocation, Method, set_methods};
use super::state::RuntimeState;
use super::{
    app_connections, app_servers, catalog_tracker, discovery, lease, registry_view, tool_calls,
    tool_functions, tool_pins,
};
use crate::connection::{EpochMark, Parting};
use crate::manager::{Key, Lease, Manager, Owner};
use crate::node::engine::{JsResult, Scope};
use crate::node::marshal::to_js::ToJs;

const METHODS: &[Method] = &[
    Method::new("getConnection", get_connection).begins(InTurnWithParameters),
    Method::new("getUserConnection", get_user_connection).begins(InTurnWithParameters),
    Method::new("discoverServerTools", discovery::discover_server_tools)
        .begins(InTurnWithParameters),
    Method::new("callTool", tool_calls::call_tool).begins(InTurnWithParameters),
    Method::new("resumeTask", tool_calls::resume_task).begins(InTurnWithParameters),
    Method::new("getUserConnections", get_user_connections),
    Method::new("disconnectUserConnection", disconnect_user_connection),
    Method::new("disconnectUserConnections", disconnect_user_connections),
    Method::new(
        "getServerToolFunctions",
        tool_functions::get_server_tool_functions,
    ),
    Method::new(
        "getServerToolFunctionsSnapshot",
        tool_functions::get_server_tool_functions_snapshot,
    ),
    Method::new("connectAppServers", app_servers::connect_app_servers),
    Method::new("disconnectAppServers", app_servers::disconnect_app_servers),
    Method::new("getLoadedAppConnections", app_connections::get_loaded),
    Method::new("getAppToolFunctions", registry_view::get_app_tool_functions),
    Method::new(
        "formatInstructionsForContext",
        registry_view::format_instructions_for_context,
    ),
    Method::new("getConnectionStats", get_connection_stats),
    Method::new(
        "getToolPublicationGeneration",
        get_tool_publication_generation,
    ),
    Method::new("getToolConfigGeneration", get_tool_config_generation),
    Method::new(
        "getCatalogRecoveryTracker",
        catalog_tracker::get_catalog_recovery_tracker,
    ),
    Method::new(
        "clearCatalogRecoveryState",
        catalog_tracker::clear_catalog_recovery_state,
    ),
    Method::new("getToolPins", tool_pins::get_tool_pins),
    Method::new("approveTools", tool_pins::approve_tools),
    Method::new("withUserConnectionLease", lease::with_user_connection_lease),
];

/// Builds `runtime.manager`.
pub fn create<'env>(scope: Scope<'env>, shared: &Arc<RuntimeState>) -> JsResult<'env> {
    connections::watch(shared);
    let manager = set_methods(scope.object()?, shared, &(), METHODS)?;
    manager.set("appConnections", app_connections::create(scope, shared)?)?;
    Ok(manager)
}

fn get_connection<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    connect(invocation, "getConnection", Connects::Anybody)
}

fn get_user_connection<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    connect(invocation, "getUserConnection", Connects::User)
}

fn connect<'env>(
    invocation: &Invocation<'env>,
    function: &'static str,
    connects: Connects,
) -> JsResult<'env> {
    let prepared = read(invocation, function).map(|(call, params)| {
        (call, move |manager: Manager, call: Arc<Call>| async move {
            let (request, lease) = find(&manager, &call, &params, connects).await?;
            Backing::new(&manager, request, lease)
        })
    });
    let runtime = Arc::clone(&invocation.runtime);
    invocation.run_with(prepared, move |scope, _, backing| {
        connections::object(&runtime, scope, backing)
    })
}

/// A real `Map` by server name, or `undefined`.
fn get_user_connections<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let (runtime, scope) = (&invocation.runtime, invocation.scope);
    let Some(user_id) = invocation.text(0) else {
        return Ok(scope.undefined());
    };
    let owner = Owner::user(&user_id);
    let keys = runtime.manager.connected(&owner);
    if keys.is_empty() {
        return Ok(scope.undefined());
    }
    connection_map(runtime, scope, &keys)
}

fn disconnect_user_connection<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let pair = invocation.text(0).zip(invocation.text(1));
    let key = pair.map(|(user_id, server_name)| Key::new(Owner::user(&user_id), &server_name));
    if key.is_some() && is_mutation(invocation.object(2))? {
        let recovery = &invocation.runtime.catalog_recovery;
        recovery.clear(invocation.scope, &invocation.values[..2])?;
    }
    let work = |manager: Manager, call: Arc<Call>| async move {
        if let Some(key) = key {
            let (user, server) = (key.owner.user_id().unwrap_or_default(), &key.server_name);
            let logger = &call.host.logger;
            logger.info(format!("[MCP][User: {user}][{server}] Disconnecting..."));
            if let Some(store) = &call.host.shared_sessions {
                let idle = call.settings.user_idle_timeout;
                let whose = (user, &**server);
                let epoch = EpochMark::new(store, manager.sharing(), whose, idle, logger);
                epoch.begin_epoch().await;
            }
            manager.disconnect(&key).await;
        }
        Ok(())
    };
    invocation.start(work)
}

fn disconnect_user_connections<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let owner = invocation.text(0).map(|id| Owner::user(&id));
    if owner.is_some() {
        let recovery = &invocation.runtime.catalog_recovery;
        recovery.clear(invocation.scope, &invocation.values[..1])?;
    }
    let work = |manager: Manager, _| async move {
        if let Some(owner) = owner {
            manager.disconnect_all(&owner, Parting::Over).await;
        }
        Ok(())
    };
    invocation.start(work)
}

/// The open connection that the argument stands for.
fn connection_of(invocation: &Invocation<'_>) -> Option<Lease> {
    let runtime = &invocation.runtime;
    let key = runtime.connections.key_of(invocation.argument(0))?;
    runtime.manager.existing(&key)
}

/// `(connection)`.
fn get_tool_publication_generation<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let lease = connection_of(invocation);
    let generation = lease
        .as_ref()
        .and_then(|lease| lease.connection().publication_generation.as_deref());
    invocation.scope.optional_string(generation)
}

/// `(connection)`: the identity of the config that a user's connection was made from.
fn get_tool_config_generation<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let lease = connection_of(invocation);
    let of_user = lease.filter(|lease| lease.key().owner != Owner::App);
    let generation = of_user.map(|lease| lease.connection().recipe.template.to_text());
    invocation.scope.optional_string(generation.as_deref())
}

fn get_connection_stats<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let stats = invocation.runtime.manager.stats();
    let counts = [
        ("trackedUsers", stats.tracked_users),
        ("totalConnections", stats.total_connections),
        ("activityEntries", stats.activity_entries),
        ("appConnectionCount", stats.app_connections),
    ];
    counts
        .map(|(name, count)| (name, i64::try_from(count).unwrap_or(i64::MAX)))
        .to_js(invocation.scope)
}
