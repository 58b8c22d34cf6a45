//! `MCPConnection`: an event emitter that stands for the connection of one owner to one server, whichever session
//! serves it at the moment.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::value::RawValue;

use super::call::Call;
use super::client_request::request;
use super::handle::{Handle, Held};
use super::snapshot::{fetch_ordered_tools_snapshot, fetch_tools_snapshot};
use super::state::RuntimeState;
use crate::connection::{Recipe, list_tools};
use crate::error::{Code, Error, Result};
use crate::manager::Manager;
use crate::node::engine::{JsResult, Scope, Value};
use crate::node::marshal::to_js::WithMembers;

/// A function of the object, or of its `client`.
type Method =
    for<'env> fn(&Arc<RuntimeState>, &Arc<Handle>, Scope<'env>, &[Value<'env>]) -> JsResult<'env>;

const METHODS: &[(&str, Method)] = &[
    ("fetchTools", |shared, handle, scope, _| {
        fetch_tools(shared, handle, scope)
    }),
    ("fetchResources", |shared, handle, scope, _| {
        fetch(shared, handle, scope, "resources/list", "resources")
    }),
    ("fetchPrompts", |shared, handle, scope, _| {
        fetch(shared, handle, scope, "prompts/list", "prompts")
    }),
    ("fetchToolsSnapshot", fetch_tools_snapshot),
    ("fetchOrderedToolsSnapshot", fetch_ordered_tools_snapshot),
    ("refreshToolList", refresh_tool_list),
    ("usesOAuth", uses_oauth),
    ("isConnected", is_connected),
    ("isStale", is_stale),
    ("connect", connect),
    ("disconnect", disconnect),
    ("dispose", disconnect),
];

/// The SDK client's surface as far as LibreChat uses it.
const CLIENT: &[(&str, Method)] = &[
    ("request", request),
    ("listTools", list_all),
    ("getInstructions", instructions),
    ("getProtocolVersion", protocol_version),
    ("getServerCapabilities", capabilities),
];

/// Builds the object.
pub fn create<'env>(
    scope: Scope<'env>,
    shared: &Arc<RuntimeState>,
    handle: &Arc<Handle>,
) -> JsResult<'env> {
    let object = shared.realm.event_emitter(scope)?;
    handle.held(|held| describe(object, held))?;
    let this = Arc::clone(handle);
    object.getter("connectionState", move |scope| {
        scope.string(this.state().as_str())
    })?;
    set_methods(object, shared, handle, METHODS)?;
    let client = scope.object()?;
    set_methods(client, shared, handle, CLIENT)?;
    object.set("client", client)?;
    Ok(object)
}

/// They work unbound.
fn set_methods<'env>(
    object: Value<'env>,
    shared: &Arc<RuntimeState>,
    handle: &Arc<Handle>,
    methods: &[(&'static str, Method)],
) -> JsResult<'env, ()> {
    for (name, method) in methods {
        let (shared, handle, method) = (Arc::clone(shared), Arc::clone(handle), *method);
        object.with_function(name, move |scope, _, arguments| {
            method(&shared, &handle, scope, &arguments)
        })?;
    }
    Ok(())
}

/// The properties that say what the connection is made from.
pub fn describe<'env>(object: Value<'env>, held: &Held) -> JsResult<'env, ()> {
    let recipe = &held.recipe;
    let config = &recipe.config;
    let timeout = config.timeout.map(|timeout| timeout.as_secs_f64() * 1000.0);
    object
        .with("serverName", &recipe.server_name)?
        .with("createdAt", held.created_at)?
        .with("url", config.url())?
        .with("iconPath", &config.icon_path)?
        .with("timeout", timeout)
        .map(drop)
}

/// `(signal?)`.
fn is_connected<'env>(
    shared: &Arc<RuntimeState>,
    handle: &Arc<Handle>,
    scope: Scope<'env>,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    let handle = Arc::clone(handle);
    let work = |_: Manager, call: Arc<Call>| async move {
        let Ok(lease) = handle.lease() else {
            return Ok(false);
        };
        let options = handle.options(&call);
        Ok(lease.connection().is_connected(&options).await)
    };
    let prepared = shared.abortable(scope, arguments.first());
    shared.run(
        scope,
        prepared.map(|call| (call, work)),
        |scope, _, connected| scope.boolean(connected),
    )
}

fn is_stale<'env>(
    _: &Arc<RuntimeState>,
    handle: &Arc<Handle>,
    scope: Scope<'env>,
    arguments: &[Value<'env>],
) -> JsResult<'env> {
    let updated_at = arguments.first().and_then(|value| value.as_number());
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch")]
    let created_at = handle.held(|held| held.created_at) as f64;
    scope.boolean(updated_at.is_some_and(|updated_at| created_at < updated_at))
}

fn connect<'env>(
    shared: &Arc<RuntimeState>,
    handle: &Arc<Handle>,
    scope: Scope<'env>,
    _: &[Value<'env>],
) -> JsResult<'env> {
    let handle = Arc::clone(handle);
    shared.start(scope, |_, call| async move { handle.connect(&call).await })
}

fn disconnect<'env>(
    shared: &Arc<RuntimeState>,
    handle: &Arc<Handle>,
    scope: Scope<'env>,
    _: &[Value<'env>],
) -> JsResult<'env> {
    let handle = Arc::clone(handle);
    shared.start(scope, |_, _| async move {
        handle.disconnect().await;
        Ok(())
    })
}

/// The items of one kind; empty where they cannot be had, as in the reference, which logs the reason.
fn list<'env, T, W, F>(
    shared: &Arc<RuntimeState>,
    handle: &Arc<Handle>,
    scope: Scope<'env>,
    what: &'static str,
    work: W,
    convert: for<'any> fn(Scope<'any>, T) -> JsResult<'any>,
) -> JsResult<'env>
where
    T: Default + Send + 'static,
    F: Future<Output = Result<T>> + Send,
    W: FnOnce(Arc<Handle>, Arc<Call>) -> F + Send + 'static,
{
    let handle = Arc::clone(handle);
    shared.start_with(
        scope,
        move |_, call| async move {
            let outcome = work(Arc::clone(&handle), Arc::clone(&call)).await;
            Ok(outcome.unwrap_or_else(|error| {
                let prefix = handle.recipe(Recipe::log_prefix);
                let logger = &call.host.logger;
                logger.error(format!("{prefix} Failed to fetch {what}: {error}"));
                T::default()
            }))
        },
        move |scope, _, items| convert(scope, items),
    )
}

fn fetch_tools<'env>(
    shared: &Arc<RuntimeState>,
    handle: &Arc<Handle>,
    scope: Scope<'env>,
) -> JsResult<'env> {
    let work = |handle: Arc<Handle>, call: Arc<Call>| async move {
        let lease = handle.lease()?;
        let list = list_tools(lease.connection(), &handle.options(&call)).await?;
        Ok(list.tools)
    };
    list(shared, handle, scope, "tools", work, |scope, tools| {
        scope.tools(&tools)
    })
}

fn fetch<'env>(
    shared: &Arc<RuntimeState>,
    handle: &Arc<Handle>,
    scope: Scope<'env>,
    method: &'static str,
    member: &'static str,
) -> JsResult<'env> {
    let work = move |handle: Arc<Handle>, call: Arc<Call>| async move {
        let lease = handle.lease()?;
        let options = handle.options(&call);
        let answer = lease.connection().request(method, None, &options).await?;
        let mut members: IndexMap<String, Box<RawValue>> = serde_json::from_str(answer.get())
            .map_err(|_| {
                let message =
                    format!("The server answered {method} with something that is no object");
                Error::new(Code::InvalidResponse, message)
            })?;
        Ok(members.swap_remove(member))
    };
    list(shared, handle, scope, member, work, |scope, items| {
        items.map_or_else(|| scope.array(&[]), |items| scope.parse_json(items.get()))
    })
}

/// Resolves when the tools have been listed, published and told, or could not be.
fn refresh_tool_list<'env>(
    shared: &Arc<RuntimeState>,
    handle: &Arc<Handle>,
    scope: Scope<'env>,
    _: &[Value<'env>],
) -> JsResult<'env> {
    let handle = Arc::clone(handle);
    shared.start(scope, |manager, _| async move {
        manager.refresh_now(&handle.key).await;
        Ok(())
    })
}

fn uses_oauth<'env>(
    _: &Arc<RuntimeState>,
    handle: &Arc<Handle>,
    scope: Scope<'env>,
    _: &[Value<'env>],
) -> JsResult<'env> {
    scope.boolean(handle.recipe(|recipe| recipe.uses_oauth))
}

fn list_all<'env>(
    shared: &Arc<RuntimeState>,
    handle: &Arc<Handle>,
    scope: Scope<'env>,
    _: &[Value<'env>],
) -> JsResult<'env> {
    let handle = Arc::clone(handle);
    shared.start(scope, |_, call| async move {
        let lease = handle.lease()?;
        let list = list_tools(lease.connection(), &handle.options(&call)).await?;
        Ok([("tools", list.tools)])
    })
}

fn instructions<'env>(
    _: &Arc<RuntimeState>,
    handle: &Arc<Handle>,
    scope: Scope<'env>,
    _: &[Value<'env>],
) -> JsResult<'env> {
    let lease = handle.lease().ok();
    let described = lease.and_then(|lease| lease.connection().described().ok());
    let instructions = described.as_ref().and_then(|it| it.instructions.as_deref());
    scope.optional_string(instructions)
}

fn protocol_version<'env>(
    _: &Arc<RuntimeState>,
    handle: &Arc<Handle>,
    scope: Scope<'env>,
    _: &[Value<'env>],
) -> JsResult<'env> {
    let lease = handle.lease().ok();
    let described = lease.and_then(|lease| lease.connection().described().ok());
    let version = described.as_ref().map(|it| it.version.as_str());
    scope.optional_string(version)
}

fn capabilities<'env>(
    _: &Arc<RuntimeState>,
    handle: &Arc<Handle>,
    scope: Scope<'env>,
    _: &[Value<'env>],
) -> JsResult<'env> {
    let lease = handle.lease().ok();
    let capabilities = lease.and_then(|lease| lease.connection().described().ok());
    let capabilities =
        capabilities.and_then(|described| serde_json::to_value(&described.capabilities).ok());
    capabilities.map_or_else(
        || Ok(scope.undefined()),
        |capabilities| scope.json(&capabilities),
    )
}
