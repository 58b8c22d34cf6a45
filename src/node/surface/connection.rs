//! `MCPConnection`: an event emitter that stands for the connection of one owner to one server, whichever session
//! serves it at the moment.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::value::RawValue;

use super::call::Call;
use super::client_request::request;
use super::handle::{Backing, Handle};
use super::methods::{Invocation, Method, set_methods};
use super::resource_subscriptions::{subscribe_resource, unsubscribe_resource};
use super::snapshot::{fetch_ordered_tools_snapshot, fetch_tools_snapshot};
use super::state::RuntimeState;
use crate::connection::{Described, Params, Recipe, ToolList, list_tools};
use crate::error::{Code, Error, Result};
use crate::manager::Manager;
use crate::node::engine::{JsResult, Scope, Value};
use crate::node::marshal::to_js::WithMembers;

/// A call of a function of the object, or of its `client`.
type Invoked<'env> = Invocation<'env, Arc<Handle>>;

const METHODS: &[Method<Arc<Handle>>] = &[
    Method::new("fetchTools", fetch_tools),
    Method::new("fetchResources", |invoked| {
        fetch(invoked, "resources/list", "resources")
    }),
    Method::new("fetchPrompts", |invoked| {
        fetch(invoked, "prompts/list", "prompts")
    }),
    Method::new("fetchToolsSnapshot", fetch_tools_snapshot),
    Method::new("fetchOrderedToolsSnapshot", fetch_ordered_tools_snapshot),
    Method::new("refreshToolList", refresh_tool_list),
    Method::new("subscribeResource", subscribe_resource),
    Method::new("unsubscribeResource", unsubscribe_resource),
    Method::new("usesOAuth", |invoked| {
        let uses_oauth = invoked.target.recipe(|recipe| recipe.uses_oauth);
        invoked.scope.boolean(uses_oauth)
    }),
    Method::new("isConnected", is_connected),
    Method::new("isStale", is_stale),
    Method::new("connect", connect),
    Method::new("disconnect", disconnect),
    Method::new("dispose", disconnect),
];

/// The SDK client's surface as far as LibreChat uses it.
const CLIENT: &[Method<Arc<Handle>>] = &[
    Method::new("request", request),
    Method::new("listTools", list_all),
    Method::new("getInstructions", |invoked| {
        let described = described(&invoked.target);
        let instructions = described.as_ref().and_then(|it| it.instructions.as_deref());
        invoked.scope.optional_string(instructions)
    }),
    Method::new("getProtocolVersion", |invoked| {
        let described = described(&invoked.target);
        let version = described.as_ref().map(|it| it.version.as_str());
        invoked.scope.optional_string(version)
    }),
    Method::new("getServerCapabilities", |invoked| {
        let described = described(&invoked.target);
        let Some(described) = described else {
            return Ok(invoked.scope.undefined());
        };
        let written = described.raw_capabilities.as_deref();
        invoked
            .scope
            .parse_json(written.map_or("{}", RawValue::get))
    }),
];

/// Builds the object.
pub fn create<'env>(
    scope: Scope<'env>,
    shared: &Arc<RuntimeState>,
    handle: &Arc<Handle>,
) -> JsResult<'env> {
    let object = shared.realm.event_emitter(scope)?;
    handle.backing(|backing| describe(object, backing))?;
    let this = Arc::clone(handle);
    object.getter("connectionState", move |scope| {
        scope.string(this.state().as_str())
    })?;
    set_methods(object, shared, handle, METHODS)?;
    let client = set_methods(scope.object()?, shared, handle, CLIENT)?;
    object.set("client", client)?;
    Ok(object)
}

/// The properties that say what the connection is made from.
pub fn describe<'env>(object: Value<'env>, backing: &Backing) -> JsResult<'env, ()> {
    let recipe = &backing.recipe;
    let config = &recipe.config;
    let timeout = config.timeout.map(|timeout| timeout.as_secs_f64() * 1000.0);
    object
        .with("serverName", &recipe.server_name)?
        .with("createdAt", backing.created_at)?
        .with("url", config.url())?
        .with("iconPath", &config.icon_path)?
        .with("timeout", timeout)
        .map(drop)
}

/// `(signal?)`.
fn is_connected<'env>(invoked: &Invoked<'env>) -> JsResult<'env> {
    let handle = Arc::clone(&invoked.target);
    let work = |_: Manager, call: Arc<Call>| async move {
        let Ok(lease) = handle.lease() else {
            return Ok(false);
        };
        let options = handle.options(&call);
        Ok(lease.connection().is_connected(&options).await)
    };
    let prepared = invoked.abortable_call(0).map(|call| (call, work));
    invoked.run(prepared)
}

fn is_stale<'env>(invoked: &Invoked<'env>) -> JsResult<'env> {
    let updated_at = invoked.argument(0).as_number();
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch")]
    let created_at = invoked.target.backing(|backing| backing.created_at) as f64;
    let is_stale = updated_at.is_some_and(|updated_at| created_at < updated_at);
    invoked.scope.boolean(is_stale)
}

fn connect<'env>(invoked: &Invoked<'env>) -> JsResult<'env> {
    let handle = Arc::clone(&invoked.target);
    invoked.start(|_, call| async move { handle.connect(&call).await })
}

fn disconnect<'env>(invoked: &Invoked<'env>) -> JsResult<'env> {
    let handle = Arc::clone(&invoked.target);
    invoked.start(|_, _| async move {
        handle.disconnect().await;
        Ok(())
    })
}

/// The items of one kind; empty where they cannot be had, as in the reference, which logs the reason.
fn list<'env, T, W, F>(
    invoked: &Invoked<'env>,
    what: &'static str,
    work: W,
    convert: for<'any> fn(Scope<'any>, T) -> JsResult<'any>,
) -> JsResult<'env>
where
    T: Default + Send + 'static,
    F: Future<Output = Result<T>> + Send,
    W: FnOnce(Arc<Handle>, Arc<Call>) -> F + Send + 'static,
{
    let handle = Arc::clone(&invoked.target);
    invoked.start_with(
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

fn fetch_tools<'env>(invoked: &Invoked<'env>) -> JsResult<'env> {
    let work = |handle: Arc<Handle>, call: Arc<Call>| async move {
        Ok(listed(&handle, &call).await?.tools)
    };
    list(invoked, "tools", work, |scope, tools| scope.tools(&tools))
}

fn fetch<'env>(
    invoked: &Invoked<'env>,
    method: &'static str,
    member: &'static str,
) -> JsResult<'env> {
    let work = move |handle: Arc<Handle>, call: Arc<Call>| async move {
        let mut seen = handle.observe(&call, method, Params::None);
        let mut options = handle.options(&call);
        seen.follow(&mut options);
        let answer = async {
            let lease = handle.lease()?;
            seen.carried_by(lease.connection());
            lease.connection().request(method, None, &options).await
        };
        let answer = answer.await;
        seen.end(answer.as_ref(), false, handle.manager(), &call.host.logger);
        let answer = answer?;
        let mut members: IndexMap<String, Box<RawValue>> = serde_json::from_str(answer.get())
            .map_err(|_| {
                let message =
                    format!("The server answered {method} with something that is no object");
                Error::new(Code::InvalidResponse, message)
            })?;
        Ok(members.swap_remove(member))
    };
    list(invoked, member, work, |scope, items| {
        items.map_or_else(|| scope.array(&[]), |items| scope.parse_json(items.get()))
    })
}

/// Resolves when the tools have been listed, published and told, or could not be.
fn refresh_tool_list<'env>(invoked: &Invoked<'env>) -> JsResult<'env> {
    let handle = Arc::clone(&invoked.target);
    invoked.start(|manager, _| async move {
        manager.refresh_now(&handle.key).await;
        Ok(())
    })
}

fn list_all<'env>(invoked: &Invoked<'env>) -> JsResult<'env> {
    let handle = Arc::clone(&invoked.target);
    invoked.start(|_, call| async move {
        let list = listed(&handle, &call).await?;
        Ok([("tools", list.tools)])
    })
}

/// All tools, as one request of the caller.
async fn listed(handle: &Handle, call: &Call) -> Result<ToolList> {
    let mut seen = handle.observe(call, "tools/list", Params::None);
    let mut options = handle.options(call);
    seen.follow(&mut options);
    let list = async {
        call.host.tool_rules()?;
        let lease = handle.lease()?;
        seen.carried_by(lease.connection());
        list_tools(lease.connection(), &options).await
    };
    let list = list.await;
    seen.end(list.as_ref(), false, handle.manager(), &call.host.logger);
    list
}

/// What the server said of itself when the session began.
fn described(handle: &Handle) -> Option<Arc<Described>> {
    handle.lease().ok()?.connection().described().ok()
}
