//! `runtime.manager`: LibreChat's `MCPManager`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::burst;
use super::calls::{Call, Params, Shared};
use super::connection::{self, Held};
use super::convert::text_argument;
use super::js::{JsResult, Scope, Value};
use super::lease;
use super::registry_view;
use super::thread::JsRef;
use super::tool_calls;
use crate::connection::{CallOptions, Event, ToolList, list_tools};
use crate::error::{Code, Error, Result};
use crate::manager::{
    Acquire, Asked, ConnectionState, Consent, Discover, Key, Lease, Manager, Owner, ServerScope,
};

/// Bound on connecting where neither the caller nor the config has one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// A function of an object that LibreChat calls.
pub type Method = for<'env> fn(&Arc<Shared>, Scope<'env>, &[Value<'env>]) -> JsResult<'env>;

const METHODS: &[(&str, Method)] = &[
    ("getConnection", get_connection),
    ("getUserConnection", get_user_connection),
    ("discoverServerTools", discover_server_tools),
    ("callTool", tool_calls::call_tool),
    ("getUserConnections", get_user_connections),
    ("disconnectUserConnection", disconnect_user_connection),
    ("disconnectUserConnections", disconnect_user_connections),
    (
        "getServerToolFunctions",
        tool_calls::get_server_tool_functions,
    ),
    ("getAppToolFunctions", registry_view::get_app_tool_functions),
    (
        "formatInstructionsForContext",
        registry_view::format_instructions_for_context,
    ),
    ("getConnectionStats", get_connection_stats),
    (
        "getToolPublicationGeneration",
        get_tool_publication_generation,
    ),
    ("withUserConnectionLease", lease::with_user_connection_lease),
];

/// Puts functions on an object. They work unbound.
pub fn set_methods<'env>(
    object: Value<'env>,
    shared: &Arc<Shared>,
    methods: &[(&'static str, Method)],
) -> JsResult<'env, ()> {
    for (name, method) in methods {
        let (shared, name, method) = (Arc::clone(shared), *name, *method);
        let function = object.scope().function(name, move |scope, _, arguments| {
            burst::begin(&shared, scope, name, method, &arguments)
        })?;
        object.set(name, function)?;
    }
    Ok(())
}

/// Builds `runtime.manager`.
pub fn create<'env>(scope: Scope<'env>, shared: &Arc<Shared>) -> JsResult<'env> {
    shared.connections.watch(shared);
    let manager = scope.object()?;
    set_methods(manager, shared, METHODS)?;
    manager.set(
        "appConnections",
        super::app_connections::create(scope, shared)?,
    )?;
    Ok(manager)
}

/// The `MCPConnection` objects that were handed out, for as long as their connections are there.
#[derive(Default)]
pub struct Connections(Arc<Mutex<HashMap<Key, Arc<JsRef>>>>);

impl Connections {
    /// The object of a connection: the one that was handed out before, else a new one.
    pub fn object<'env>(
        &self,
        scope: Scope<'env>,
        shared: &Arc<Shared>,
        held: &Arc<Held>,
    ) -> JsResult<'env> {
        let known = self.0.lock().get(&held.key).cloned();
        if let Some(known) = known {
            return Ok(known.get(scope));
        }
        let object = connection::create(scope, shared, held)?;
        let kept = Arc::new(JsRef::new(&shared.thread, object)?);
        self.0.lock().insert(held.key.clone(), kept);
        Ok(object)
    }

    /// Which connection an object stands for, if it was handed out here and the connection is still there.
    pub fn key_of(&self, object: Value<'_>) -> Option<Key> {
        let known = self.0.lock();
        let mut found = known
            .iter()
            .filter(|(_, kept)| kept.get(object.scope()).equals(object));
        found.next().map(|(key, _)| key.clone())
    }

    /// Emits what happens to connections on their objects.
    fn watch(&self, shared: &Arc<Shared>) {
        let (objects, thread) = (Arc::clone(&self.0), shared.thread.clone());
        shared.manager.subscribe(Arc::new(move |key, event| {
            let known = if event == Event::Closed {
                objects.lock().remove(key)
            } else {
                objects.lock().get(key).cloned()
            };
            let Some(object) = known else { return };
            thread.post(move |scope| tell(scope, &object, event));
        }));
    }
}

fn tell(scope: Scope<'_>, object: &JsRef, event: Event) {
    match event {
        Event::Connected => connection::emit_state(scope, object, ConnectionState::Connected),
        Event::Lost => connection::emit_state(scope, object, ConnectionState::Error),
        Event::Closed => connection::emit_state(scope, object, ConnectionState::Disconnected),
        Event::ToolsChanged => connection::emit(scope, object, "toolsChanged", None),
        Event::ResourcesChanged => connection::emit(scope, object, "resourcesChanged", None),
        Event::PromptsChanged => connection::emit(scope, object, "promptsChanged", None),
    }
}

/// What `getConnection` and its like are asked for.
pub struct Wanted {
    server_name: String,
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
    Ok((shared.call(scope, Some(&params))?, wanted))
}

/// A request for a connection of this scope.
pub async fn request(
    manager: &Manager,
    call: &Call,
    server: &ServerScope,
    force_new: bool,
) -> Result<Acquire> {
    let scope = call.scope();
    let recipe = manager.recipe(&scope, server).await?;
    let limit = call
        .connection_timeout
        .or(recipe.config.init_timeout)
        .unwrap_or(CONNECT_TIMEOUT);
    Ok(Acquire {
        key: server.key.clone(),
        recipe,
        updated_at: server.config.updated_at,
        force_new,
        options: CallOptions {
            deadline: Instant::now() + limit,
            cancel: call.cancel.clone(),
            headers: scope.headers(server, None)?.map(Arc::new),
            progress: None,
        },
    })
}

/// Connects and makes what an `MCPConnection` object stands for.
pub async fn hold(manager: &Manager, request: Acquire) -> Result<Arc<Held>> {
    let lease = manager.acquire(&request).await?;
    Ok(held(manager, request, lease))
}

pub fn held(manager: &Manager, request: Acquire, lease: Lease) -> Arc<Held> {
    Arc::new(Held {
        key: request.key.clone(),
        created_at: lease.connection().created_at,
        request,
        lease: Mutex::new(Some(lease).filter(|_| !manager.keeps_connections())),
    })
}

/// A use of the connection, and how it was asked for.
pub async fn find(
    manager: &Manager,
    call: &Call,
    wanted: &Wanted,
    of_user: bool,
) -> Result<(Acquire, Lease)> {
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
            Ok(held(&manager, request, lease))
        })
    });
    let all = Arc::clone(shared);
    shared.run(scope, prepared, move |scope, _, held| {
        all.connections.object(scope, &all, &held)
    })
}

/// `{ tools, oauthRequired, oauthUrl: null }`.
fn discover_server_tools<'env>(
    shared: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    let prepared = read(shared, scope, "discoverServerTools", arguments).map(|(call, wanted)| {
        (call, move |manager: Manager, call: Arc<Call>| async move {
            discover(&manager, &call, &wanted).await
        })
    });
    shared.run(
        scope,
        prepared,
        |scope, _, (tools, oauth_required): (Option<String>, bool)| {
            let result = scope.object()?;
            result.set(
                "tools",
                tools.map_or_else(|| Ok(scope.null()), |tools| scope.parse_json(&tools))?,
            )?;
            result.set("oauthRequired", scope.boolean(oauth_required)?)?;
            result.set("oauthUrl", scope.null())?;
            Ok(result)
        },
    )
}

async fn discover(
    manager: &Manager,
    call: &Call,
    wanted: &Wanted,
) -> Result<(Option<String>, bool)> {
    let (scope, name, logger) = (call.scope(), &wanted.server_name, &call.host.logger);
    let Some(config) = manager.registered(&scope, name).await? else {
        logger.warn(format!("[MCP][{name}] [Discovery] Server config not found"));
        return Ok((None, false));
    };
    let oauth = config.runs_oauth_flow();
    let server = manager.scope(&scope, name, Some(config)).await?;
    let _disposal = manager.disposal(&scope, &server.key);
    let acquire = request(manager, call, &server, false).await?;
    let text = |list: ToolList| list.tools.get().to_owned();
    if !oauth {
        let options = acquire.options.clone();
        let lease = manager.acquire(&acquire).await?;
        return Ok((
            Some(text(list_tools(lease.connection(), &options).await?)),
            false,
        ));
    }
    match manager
        .discover(Discover {
            recipe: acquire.recipe,
            options: acquire.options,
        })
        .await
    {
        Ok(list) => Ok((Some(text(list)), false)),
        Err(error) => {
            logger.debug(format!(
                "[MCP][{name}] [Discovery] Unauthenticated tool listing failed: {error}"
            ));
            Ok((None, error.wants_authorization()))
        }
    }
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
    let map = scope.global()?.get("Map")?.construct(&[])?;
    let set = map.get("set")?;
    for key in keys {
        let Some(lease) = shared.manager.existing(key) else {
            continue;
        };
        let object = shared
            .connections
            .object(scope, shared, &existing(&lease, key))?;
        set.call(map, &[scope.string(&key.server_name)?, object])?;
    }
    Ok(map)
}

/// What an object stands for whose connection exists already.
pub fn existing(lease: &Lease, key: &Key) -> Arc<Held> {
    let connection = lease.connection();
    Arc::new(Held {
        key: key.clone(),
        created_at: connection.created_at,
        request: Acquire {
            key: key.clone(),
            recipe: connection.recipe.clone(),
            updated_at: None,
            force_new: false,
            options: CallOptions {
                deadline: Instant::now(),
                cancel: tokio_util::sync::CancellationToken::new(),
                headers: None,
                progress: None,
            },
        },
        lease: Mutex::default(),
    })
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
    let prepared = shared.call(scope, None).map(|call| {
        (call, move |manager: Manager, call: Arc<Call>| async move {
            if let Some(key) = key {
                let (user, server) = (key.owner.user_id().unwrap_or_default(), &key.server_name);
                call.host
                    .logger
                    .info(format!("[MCP][User: {user}][{server}] Disconnecting..."));
                manager.disconnect(&key).await;
            }
            Ok(())
        })
    });
    shared.run(scope, prepared, |scope, _, ()| Ok(scope.undefined()))
}

fn disconnect_user_connections<'env>(
    shared: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    let owner = text_argument(arguments, 0).map(|id| Owner::User(Arc::from(id)));
    let prepared = shared.call(scope, None).map(|call| {
        (call, move |manager: Manager, _: Arc<Call>| async move {
            if let Some(owner) = owner {
                manager.disconnect_all(&owner).await;
            }
            Ok(())
        })
    });
    shared.run(scope, prepared, |scope, _, ()| Ok(scope.undefined()))
}

/// `(connection)`.
fn get_tool_publication_generation<'env>(
    shared: &Arc<Shared>,
    scope: Scope<'env>,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    let key = arguments
        .first()
        .and_then(|object| shared.connections.key_of(*object));
    let lease = key.and_then(|key| shared.manager.existing(&key));
    let generation = lease
        .as_ref()
        .and_then(|lease| lease.connection().publication_generation.as_deref());
    scope.optional_string(generation)
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
