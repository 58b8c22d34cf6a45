//! `MCPConnection`: an event emitter that stands for the connection of one owner to one server, whichever session
//! serves it at the moment.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value as Json;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::calls::{Call, Params, Shared};
use super::js::{JsResult, Scope, Value};
use super::thread::JsRef;
use crate::connection::{CallOptions, Progress, list_tools, list_tools_in_order};
use crate::error::{Code, Error, Result};
use crate::host::RawTools;
use crate::manager::{Acquire, ConnectionState, Key, Lease, Manager};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);

/// What an `MCPConnection` object stands for.
pub struct Held {
    pub key: Key,
    /// How to make the connection again.
    pub request: Acquire,
    /// Milliseconds since the epoch.
    pub created_at: i64,
    /// Where the runtime keeps no connections, the object does.
    pub lease: Mutex<Option<Lease>>,
}

impl Held {
    fn options(&self, call: &Call) -> CallOptions {
        let timeout = self
            .request
            .recipe
            .config
            .timeout
            .unwrap_or(REQUEST_TIMEOUT);
        CallOptions {
            deadline: Instant::now() + timeout,
            cancel: call.cancel.clone(),
            headers: None,
            progress: None,
        }
    }

    fn lease(&self, manager: &Manager) -> Result<Lease> {
        manager
            .existing(&self.key)
            .ok_or_else(|| Error::new(Code::ConnectionLost, "Not connected"))
    }

    async fn connect(&self, manager: &Manager, call: &Call) -> Result<()> {
        let limit = self
            .request
            .recipe
            .config
            .init_timeout
            .unwrap_or(CONNECT_TIMEOUT);
        let deadline = Instant::now() + limit;
        let options = CallOptions {
            deadline,
            cancel: call.cancel.clone(),
            ..self.request.options.clone()
        };
        let request = Acquire {
            options,
            ..self.request.clone()
        };
        manager.acquire(&request).await.map(drop)
    }
}

/// Builds the object. It is kept and handed out again for as long as the connection is.
pub fn create<'env>(scope: Scope<'env>, shared: &Arc<Shared>, held: &Arc<Held>) -> JsResult<'env> {
    let object = shared.realm.event_emitter(scope)?;
    let recipe = &held.request.recipe;
    object.set("serverName", scope.string(&recipe.server_name)?)?;
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch")]
    let created_at = held.created_at as f64;
    object.set("createdAt", scope.number(created_at)?)?;
    object.set(
        "url",
        scope.optional_string(recipe.config.url().as_deref())?,
    )?;
    object.set(
        "iconPath",
        scope.optional_string(recipe.config.icon_path.as_deref())?,
    )?;
    if let Some(timeout) = recipe.config.timeout {
        object.set("timeout", scope.number(timeout.as_secs_f64() * 1000.0)?)?;
    }
    let (state_of, manager) = (held.key.clone(), shared.manager.clone());
    object.getter("connectionState", move |scope| {
        scope.string(manager.state(&state_of).as_str())
    })?;

    for (name, method, member) in LISTS {
        let (shared, held) = (Arc::clone(shared), Arc::clone(held));
        object.set(
            name,
            scope.function(name, move |scope, _, _| {
                list(&shared, &held, scope, method, member)
            })?,
        )?;
    }
    let (all, this) = (Arc::clone(shared), Arc::clone(held));
    let snapshot = scope.function("fetchOrderedToolsSnapshot", move |scope, _, _| {
        ordered_snapshot(&all, &this, scope)
    })?;
    object.set("fetchOrderedToolsSnapshot", snapshot)?;

    let (all, this) = (Arc::clone(shared), Arc::clone(held));
    let is_connected = scope.function("isConnected", move |scope, _, _| {
        let held = Arc::clone(&this);
        let call = all.call(scope, None);
        all.run(
            scope,
            call.map(|call| {
                (call, move |manager: Manager, call: Arc<Call>| async move {
                    let Ok(lease) = held.lease(&manager) else {
                        return Ok(false);
                    };
                    Ok(lease.connection().is_connected(&held.options(&call)).await)
                })
            }),
            |scope, _, connected| scope.boolean(connected),
        )
    })?;
    object.set("isConnected", is_connected)?;

    let created = held.created_at;
    let is_stale = scope.function("isStale", move |scope, _, arguments| {
        let updated_at = arguments
            .first()
            .and_then(|value| value.as_number())
            .unwrap_or(f64::NAN);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch")]
        scope.boolean((created as f64) < updated_at)
    })?;
    object.set("isStale", is_stale)?;

    let (all, this) = (Arc::clone(shared), Arc::clone(held));
    let connect = scope.function("connect", move |scope, _, _| {
        let held = Arc::clone(&this);
        let call = all.call(scope, None);
        all.run(
            scope,
            call.map(|call| {
                (call, move |manager: Manager, call: Arc<Call>| async move {
                    held.connect(&manager, &call).await
                })
            }),
            |scope, _, ()| Ok(scope.undefined()),
        )
    })?;
    object.set("connect", connect)?;

    let (all, this) = (Arc::clone(shared), Arc::clone(held));
    let disconnect = scope.function("disconnect", move |scope, _, _| {
        let held = Arc::clone(&this);
        let call = all.call(scope, None);
        all.run(
            scope,
            call.map(|call| {
                (call, move |manager: Manager, _: Arc<Call>| async move {
                    held.lease.lock().take();
                    manager.disconnect(&held.key).await;
                    Ok(())
                })
            }),
            |scope, _, ()| Ok(scope.undefined()),
        )
    })?;
    object.set("disconnect", disconnect)?;
    object.set("dispose", disconnect)?;
    object.set("client", client(scope, shared, held)?)?;
    Ok(object)
}

/// `fetchTools` and its like: the name, the method, and the member of the result that is returned.
const LISTS: [(&str, &str, &str); 3] = [
    ("fetchTools", "tools/list", "tools"),
    ("fetchResources", "resources/list", "resources"),
    ("fetchPrompts", "prompts/list", "prompts"),
];

/// The items of one kind; empty where they cannot be had, as in the reference, which logs the reason.
fn list<'env>(
    shared: &Arc<Shared>,
    held: &Arc<Held>,
    scope: Scope<'env>,
    method: &'static str,
    member: &'static str,
) -> JsResult<'env> {
    let held = Arc::clone(held);
    let call = shared.call(scope, None);
    shared.run(
        scope,
        call.map(|call| {
            (call, move |manager: Manager, call: Arc<Call>| async move {
                let outcome = items(&manager, &held, &call, method, member).await;
                Ok(outcome.unwrap_or_else(|error| {
                    let prefix = held.request.recipe.log_prefix();
                    call.host
                        .logger
                        .error(format!("{prefix} Failed to fetch {member}: {error}"));
                    "[]".to_owned()
                }))
            })
        }),
        |scope, _, items: String| scope.parse_json(&items),
    )
}

async fn items(
    manager: &Manager,
    held: &Held,
    call: &Call,
    method: &str,
    member: &str,
) -> Result<String> {
    let lease = held.lease(manager)?;
    let options = held.options(call);
    if method == "tools/list" {
        return Ok(list_tools(lease.connection(), &options)
            .await?
            .tools
            .get()
            .to_owned());
    }
    let answer = lease.connection().request(method, None, &options).await?;
    let mut answer: Json = serde_json::from_str(answer.get()).map_err(|_| {
        Error::new(
            Code::InvalidResponse,
            format!("The server answered {method} with invalid JSON"),
        )
    })?;
    Ok(answer
        .get_mut(member)
        .map_or_else(|| Json::Array(Vec::new()), Json::take)
        .to_string())
}

/// `{ tools, complete }`. A list that a budget has cut is complete, as in the reference.
fn ordered_snapshot<'env>(
    shared: &Arc<Shared>,
    held: &Arc<Held>,
    scope: Scope<'env>,
) -> JsResult<'env> {
    let held = Arc::clone(held);
    let prepared = shared.call(scope, None).map(|call| {
        (call, move |manager: Manager, call: Arc<Call>| async move {
            let list = async {
                let lease = held.lease(&manager)?;
                list_tools_in_order(lease.connection(), &held.options(&call)).await
            };
            let list = list.await.and_then(|list| match list.incomplete {
                Some(error) if error.code != Code::ToolsListBudget => Err(error),
                _ => Ok(list.tools),
            });
            Ok(list.inspect_err(|error| {
                let prefix = held.request.recipe.log_prefix();
                let logger = &call.host.logger;
                logger.error(format!("{prefix} Failed to fetch tools: {error}"));
            }))
        })
    });
    shared.run(scope, prepared, |scope, _, list: Result<Arc<RawTools>>| {
        let snapshot = scope.object()?;
        let tools = list.as_ref().map_or("[]", |tools| tools.get());
        snapshot.set("tools", scope.parse_json(tools)?)?;
        snapshot.set("complete", scope.boolean(list.is_ok())?)?;
        Ok(snapshot)
    })
}

/// The SDK client's surface as far as LibreChat uses it.
fn client<'env>(scope: Scope<'env>, shared: &Arc<Shared>, held: &Arc<Held>) -> JsResult<'env> {
    let client = scope.object()?;
    let (all, this) = (Arc::clone(shared), Arc::clone(held));
    let request = scope.function("request", move |scope, _, arguments| {
        let held = Arc::clone(&this);
        let prepared =
            read_request(&all, scope, &arguments).map(|(call, method, params, timeout)| {
                (call, move |manager: Manager, call: Arc<Call>| async move {
                    let lease = held.lease(&manager)?;
                    let mut options = held.options(&call);
                    let timeout = timeout
                        .or(held.request.recipe.config.timeout)
                        .unwrap_or(REQUEST_TIMEOUT);
                    options.deadline = Instant::now() + Duration::from_hours(24);
                    options.progress = Some(Progress {
                        timeout,
                        sink: None,
                    });
                    lease
                        .connection()
                        .request(&method, params.as_ref(), &options)
                        .await
                })
            });
        all.run(scope, prepared, |scope, _, answer: Box<RawValue>| {
            scope.parse_json(answer.get())
        })
    })?;
    client.set("request", request)?;

    let (all, this) = (Arc::clone(shared), Arc::clone(held));
    let list_all = scope.function("listTools", move |scope, _, _| {
        let held = Arc::clone(&this);
        let call = all.call(scope, None);
        all.run(
            scope,
            call.map(|call| {
                (call, move |manager: Manager, call: Arc<Call>| async move {
                    let lease = held.lease(&manager)?;
                    list_tools(lease.connection(), &held.options(&call)).await
                })
            }),
            |scope, _, list| {
                let result = scope.object()?;
                result.set("tools", scope.parse_json(list.tools.get())?)?;
                Ok(result)
            },
        )
    })?;
    client.set("listTools", list_all)?;

    let (manager, key) = (shared.manager.clone(), held.key.clone());
    let instructions = scope.function("getInstructions", move |scope, _, _| {
        let lease = manager.existing(&key);
        scope.optional_string(
            lease
                .as_ref()
                .and_then(|lease| lease.connection().instructions()),
        )
    })?;
    client.set("getInstructions", instructions)?;

    let (manager, key) = (shared.manager.clone(), held.key.clone());
    let version = scope.function("getProtocolVersion", move |scope, _, _| {
        let lease = manager.existing(&key);
        let version = lease
            .as_ref()
            .map(|lease| lease.connection().protocol_version());
        scope.optional_string(version)
    })?;
    client.set("getProtocolVersion", version)?;

    let (manager, key) = (shared.manager.clone(), held.key.clone());
    let capabilities = scope.function("getServerCapabilities", move |scope, _, _| {
        let capabilities = manager
            .existing(&key)
            .and_then(|lease| serde_json::to_value(lease.connection().capabilities()).ok());
        match capabilities {
            Some(capabilities) => scope.json(&capabilities),
            None => Ok(scope.undefined()),
        }
    })?;
    client.set("getServerCapabilities", capabilities)?;
    Ok(client)
}

type Request = (Call, String, Option<Json>, Option<Duration>);

/// `request({ method, params }, resultSchema?, { signal, timeout }?)`; the schema is not needed.
fn read_request<'env>(
    shared: &Shared,
    scope: Scope<'env>,
    arguments: &[Value<'env>],
) -> JsResult<'env, Request> {
    let request = Params::new(scope, "client.request", arguments.first().copied())?;
    let method = request
        .text("method")?
        .ok_or_else(|| scope.type_error("client.request: method must be a string"))?;
    let params = request
        .object_member("params")?
        .map(Value::to_json)
        .transpose()?
        .flatten();
    let options = match arguments.get(2).and_then(|options| options.present()) {
        Some(options) => Some(Params::new(scope, "client.request", Some(options))?),
        None => None,
    };
    let timeout = options
        .as_ref()
        .map(|options| options.duration("timeout"))
        .transpose()?
        .flatten();
    Ok((
        shared.call(scope, options.as_ref())?,
        method,
        params,
        timeout,
    ))
}

/// Emits an event on an `MCPConnection`; what a listener throws is of no concern to us.
pub fn emit<'env>(scope: Scope<'env>, connection: &JsRef, event: &str, argument: Option<&str>) {
    let connection = connection.get(scope);
    let _ = (|| -> JsResult<'env> {
        let mut arguments = vec![scope.string(event)?];
        if let Some(argument) = argument {
            arguments.push(scope.string(argument)?);
        }
        connection.get("emit")?.call(connection, &arguments)
    })();
}

/// Emits `connectionChange`.
pub fn emit_state(scope: Scope<'_>, connection: &JsRef, state: ConnectionState) {
    emit(scope, connection, "connectionChange", Some(state.as_str()));
}
