//! `runtime.manager`: LibreChat's `MCPManager`.

use std::sync::Arc;

use super::call::Call;
use super::catalog_recovery::is_mutation;
use super::connections::{self, connection_map};
use super::handle::Held;
use super::methods::Begins::InTurnWithParameters;
use super::methods::{Method, set_methods};
use super::state::RuntimeState;
use super::wanted::{find, read};
use super::{
    app_connections, app_servers, catalog_tracker, discovery, lease, registry_view, tool_calls,
    tool_functions,
};
use crate::manager::{Key, Lease, Manager, Owner};
use crate::node::engine::{JsResult, Scope, Value};
use crate::node::marshal::convert::text_argument;
use crate::node::marshal::to_js::ToJs;

const METHODS: &[Method] = &[
    Method::new("getConnection", get_connection).begins(InTurnWithParameters),
    Method::new("getUserConnection", get_user_connection).begins(InTurnWithParameters),
    Method::new("discoverServerTools", discovery::discover_server_tools)
        .begins(InTurnWithParameters),
    Method::new("callTool", tool_calls::call_tool).begins(InTurnWithParameters),
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
    Method::new("withUserConnectionLease", lease::with_user_connection_lease),
];

/// Builds `runtime.manager`.
pub fn create<'env>(scope: Scope<'env>, shared: &Arc<RuntimeState>) -> JsResult<'env> {
    connections::watch(shared);
    let manager = scope.object()?;
    set_methods(manager, shared, METHODS)?;
    manager.set("appConnections", app_connections::create(scope, shared)?)?;
    Ok(manager)
}

fn get_connection<'env>(
    shared: &Arc<RuntimeState>,
    scope: Scope<'env>,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    connect(shared, scope, "getConnection", arguments, false)
}

fn get_user_connection<'env>(
    shared: &Arc<RuntimeState>,
    scope: Scope<'env>,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    connect(shared, scope, "getUserConnection", arguments, true)
}

fn connect<'env>(
    shared: &Arc<RuntimeState>,
    scope: Scope<'env>,
    function: &'static str,
    arguments: &[Value<'env>],
    of_user: bool,
) -> JsResult<'env> {
    let prepared = read(shared, scope, function, arguments).map(|(call, wanted)| {
        (call, move |manager: Manager, call: Arc<Call>| async move {
            let (request, lease) = find(&manager, &call, &wanted, of_user).await?;
            Held::new(&manager, request, lease)
        })
    });
    let all = Arc::clone(shared);
    shared.run(scope, prepared, move |scope, _, held| {
        connections::object(&all, scope, held)
    })
}

/// A real `Map` by server name, or `undefined`.
fn get_user_connections<'env>(
    shared: &Arc<RuntimeState>,
    scope: Scope<'env>,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    let Some(user_id) = text_argument(arguments, 0) else {
        return Ok(scope.undefined());
    };
    let owner = Owner::User(Arc::from(user_id));
    let keys = shared.manager.connected(&owner);
    if keys.is_empty() {
        return Ok(scope.undefined());
    }
    connection_map(shared, scope, &keys)
}

fn disconnect_user_connection<'env>(
    shared: &Arc<RuntimeState>,
    scope: Scope<'env>,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    let text = |index| text_argument(arguments, index);
    let key = text(0).zip(text(1)).map(|(user_id, server_name)| Key {
        owner: Owner::User(Arc::from(user_id)),
        server_name: Arc::from(server_name),
    });
    if key.is_some() && is_mutation(arguments.get(2))? {
        let (user_id, server_name) = (arguments[0], arguments[1]);
        let recovery = &shared.catalog_recovery;
        recovery.clear(scope, &[user_id, server_name])?;
    }
    let work = |manager: Manager, call: Arc<Call>| async move {
        if let Some(key) = key {
            let (user, server) = (key.owner.user_id().unwrap_or_default(), &key.server_name);
            let logger = &call.host.logger;
            logger.info(format!("[MCP][User: {user}][{server}] Disconnecting..."));
            manager.disconnect(&key).await;
        }
        Ok(())
    };
    shared.start(scope, work)
}

fn disconnect_user_connections<'env>(
    shared: &Arc<RuntimeState>,
    scope: Scope<'env>,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    let owner = text_argument(arguments, 0).map(|id| Owner::User(Arc::from(id)));
    if owner.is_some() {
        shared.catalog_recovery.clear(scope, &arguments[..1])?;
    }
    let work = |manager: Manager, _| async move {
        if let Some(owner) = owner {
            manager.disconnect_all(&owner).await;
        }
        Ok(())
    };
    shared.start(scope, work)
}

/// The open connection that the argument stands for.
fn connection_of(shared: &Arc<RuntimeState>, arguments: &[Value<'_>]) -> Option<Lease> {
    let key = shared.connections.key_of(*arguments.first()?)?;
    shared.manager.existing(&key)
}

/// `(connection)`.
fn get_tool_publication_generation<'env>(
    shared: &Arc<RuntimeState>,
    scope: Scope<'env>,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    let lease = connection_of(shared, arguments);
    let generation = lease
        .as_ref()
        .and_then(|lease| lease.connection().publication_generation.as_deref());
    scope.optional_string(generation)
}

/// `(connection)`: the identity of the config that a user's connection was made from.
fn get_tool_config_generation<'env>(
    shared: &Arc<RuntimeState>,
    scope: Scope<'env>,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    let lease = connection_of(shared, arguments);
    let of_user = lease.filter(|lease| lease.key().owner != Owner::App);
    let generation = of_user.map(|lease| lease.connection().recipe.template.to_text());
    scope.optional_string(generation.as_deref())
}

fn get_connection_stats<'env>(
    shared: &Arc<RuntimeState>,
    scope: Scope<'env>,
    _: &[Value<'env>],
) -> JsResult<'env> {
    let stats = shared.manager.stats();
    let counts = [
        ("trackedUsers", stats.tracked_users),
        ("totalConnections", stats.total_connections),
        ("activityEntries", stats.activity_entries),
        ("appConnectionCount", stats.app_connections),
    ];
    counts
        .map(|(name, count)| (name, i64::try_from(count).unwrap_or(i64::MAX)))
        .to_js(scope)
}
