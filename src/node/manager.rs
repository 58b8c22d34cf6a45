//! `runtime.manager`: LibreChat's `MCPManager`.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::app_connections;
use super::app_servers;
use super::calls::{Call, Params, Shared};
use super::catalog_recovery::{self, is_mutation};
use super::convert::text_argument;
use super::discovery;
use super::handle::Held;
use super::js::{JsResult, Scope, Value};
use super::lease;
use super::methods::Begins::InTurnWithParameters;
use super::methods::{Method, set_methods};
use super::registry_view;
use super::tool_calls;
use super::tool_functions;
use crate::connection::CallOptions;
use crate::error::{Code, Error, Result};
use crate::manager::{
    Acquire, Asked, Consent, HeaderTokens, Key, Lease, Manager, OboCall, Owner, ServerScope,
};
use crate::obo::TokenUse;

/// Bound on connecting where neither the caller nor the config has one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

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
        catalog_recovery::get_catalog_recovery_tracker,
    ),
    Method::new(
        "clearCatalogRecoveryState",
        catalog_recovery::clear_catalog_recovery_state,
    ),
    Method::new("withUserConnectionLease", lease::with_user_connection_lease),
];

/// Builds `runtime.manager`.
pub fn create<'env>(scope: Scope<'env>, shared: &Arc<Shared>) -> JsResult<'env> {
    shared.connections.watch(shared);
    let manager = scope.object()?;
    set_methods(manager, shared, METHODS)?;
    manager.set("appConnections", app_connections::create(scope, shared)?)?;
    Ok(manager)
}

/// What `getConnection` and its like are asked for.
pub struct Wanted {
    pub server_name: String,
    force_new: bool,
    /// Hands out the authorization URL and rejects, instead of waiting for the user.
    return_on_oauth: bool,
    authorize: bool,
}

pub fn read<'env>(
    shared: &Shared,
    scope: Scope<'env>,
    function: &'static str,
    arguments: &[Value<'env>],
) -> JsResult<'env, (Call, Wanted)> {
    let params = Params::new(scope, function, arguments.first().copied())?;
    let wanted = Wanted {
        server_name: params.text("serverName")?.unwrap_or_default(),
        force_new: params.boolean("forceNew")?.unwrap_or(false),
        return_on_oauth: params.boolean("returnOnOAuth")?.unwrap_or(false),
        authorize: params.boolean("authorize")?.unwrap_or(true),
    };
    let call = shared.call(scope, Some(&params))?;
    call.look_up_now(scope, &wanted.server_name);
    Ok((call, wanted))
}

/// A request for a connection of this scope.
pub async fn request(
    manager: &Manager,
    call: &Call,
    server: &ServerScope,
    force_new: bool,
) -> Result<Acquire<'static>> {
    let scope = call.scope();
    let graph = manager.graph_token(&scope, server, &call.cancel).await?;
    let recipe = Arc::new(manager.recipe(&scope, server, graph.as_ref())?);
    let limit = call
        .connection_timeout
        .or(recipe.config.init_timeout)
        .unwrap_or(CONNECT_TIMEOUT);
    let mut options = CallOptions::new(Instant::now() + limit, call.cancel.clone());
    let token = if call.host.upstream_tokens.is_some() {
        let wish = OboCall {
            purpose: TokenUse::Connection,
            timeout: call.connection_timeout,
            of_tool_call: false,
            cancel: &call.cancel,
        };
        manager.call_token(&scope, server, wish).await?
    } else {
        None
    };
    let tokens = HeaderTokens {
        graph: graph.as_ref(),
        access: token.as_ref(),
    };
    scope.set_headers(server, tokens, &mut options)?;
    let mut request = Acquire::new(server.key.clone(), recipe, options);
    request.updated_at = server.config.updated_at;
    request.force_new = force_new;
    request.go_on_with(manager, token.as_ref())?;
    Ok(request)
}

/// Connects as an argument of JavaScript asks for it.
pub async fn find(
    manager: &Manager,
    call: &Call,
    wanted: &Wanted,
    of_user: bool,
) -> Result<(Acquire<'static>, Lease)> {
    let scope = call.scope();
    let user_id = call.user.as_ref().and_then(|user| user.id.as_deref());
    if of_user && user_id.is_none() {
        let text = "[MCP] User object missing id property";
        return Err(Error::mcp(Code::UserRequired, -32600, text));
    }
    let config = match call.config()? {
        Some(config) => Some(config),
        None => manager.registered(&scope, &wanted.server_name).await?,
    };
    let mut server = manager.scope(&scope, &wanted.server_name, config).await?;
    if of_user && server.key.owner == Owner::App {
        let (id, name) = (user_id.unwrap_or_default(), &wanted.server_name);
        let text = format!(
            "[MCP][User: {id}] Trying to create user-specific connection for app-level server \"{name}\""
        );
        return Err(Error::mcp(Code::InvalidArgument, -32600, &text));
    }
    // The key's name is what callers asked for.
    server.key.server_name = Arc::from(wanted.server_name.as_str());
    let mut request = request(manager, call, &server, wanted.force_new).await?;
    if !wanted.authorize {
        let lease = manager.acquire(&request).await?;
        return Ok((request, lease));
    }
    let consent = Consent {
        waits: !wanted.return_on_oauth,
        limit: call.connection_timeout,
        ..Consent::waiting(&call.host)
    };
    let mut asked = Asked::default();
    let lease = manager
        .acquire_asking(&scope, &server, &mut request, &consent, &mut asked)
        .await?;
    Ok((request, lease))
}

fn get_connection<'env>(
    shared: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    connect(shared, scope, "getConnection", arguments, false)
}

fn get_user_connection<'env>(
    shared: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    connect(shared, scope, "getUserConnection", arguments, true)
}

fn connect<'env>(
    shared: &Arc<Shared>,
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
        all.connections.object(scope, &all, held)
    })
}

/// A real `Map` by server name, or `undefined`.
fn get_user_connections<'env>(
    shared: &Arc<Shared>,
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

/// A `Map` of the open connections among these.
pub fn connection_map<'env>(
    shared: &Arc<Shared>,
    scope: Scope<'env>,
    keys: &[Key],
) -> JsResult<'env> {
    let manager = &shared.manager;
    let open = keys.iter().filter_map(|key| {
        let lease = manager.existing(key)?;
        Some(Held::existing(manager, lease))
    });
    map_of(shared, scope, open)
}

/// A real `Map` of objects by server name.
pub fn map_of<'env>(
    shared: &Arc<Shared>,
    scope: Scope<'env>,
    found: impl IntoIterator<Item = Held>,
) -> JsResult<'env> {
    let map = scope.global()?.get("Map")?.construct(&[])?;
    let set = map.get("set")?;
    for held in found {
        let name = scope.string(&held.key.server_name)?;
        let object = shared.connections.object(scope, shared, held)?;
        set.call(map, &[name, object])?;
    }
    Ok(map)
}

fn disconnect_user_connection<'env>(
    shared: &Arc<Shared>,
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
    shared.start(scope, work, |scope, _, ()| Ok(scope.undefined()))
}

fn disconnect_user_connections<'env>(
    shared: &Arc<Shared>,
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
    shared.start(scope, work, |scope, _, ()| Ok(scope.undefined()))
}

/// The open connection that the argument stands for.
fn connection_of(shared: &Arc<Shared>, arguments: &[Value<'_>]) -> Option<Lease> {
    let key = shared.connections.key_of(*arguments.first()?)?;
    shared.manager.existing(&key)
}

/// `(connection)`.
fn get_tool_publication_generation<'env>(
    shared: &Arc<Shared>,
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
    shared: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    let lease = connection_of(shared, arguments);
    let of_user = lease.filter(|lease| lease.key().owner != Owner::App);
    let generation = of_user.map(|lease| lease.connection().recipe.template.to_text());
    scope.optional_string(generation.as_deref())
}

fn get_connection_stats<'env>(
    shared: &Arc<Shared>,
    scope: Scope<'env>,
    _: &[Value<'env>],
) -> JsResult<'env> {
    let stats = shared.manager.stats();
    let result = scope.object()?;
    for (name, count) in [
        ("trackedUsers", stats.tracked_users),
        ("totalConnections", stats.total_connections),
        ("activityEntries", stats.activity_entries),
        ("appConnectionCount", stats.app_connections),
    ] {
        result.set(
            name,
            scope.number(f64::from(u32::try_from(count).unwrap_or(u32::MAX)))?,
        )?;
    }
    Ok(result)
}
