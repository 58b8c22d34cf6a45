//! What `runtime.client` (`lib/client.js`) makes its requests through: one object for each client, whose requests belong to
//! one user and server.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value as Json;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::call::Call;
use super::connection_params::{self, Connects};
use super::connections::object;
use super::handle::Backing;
use super::methods::Begins::InTurnWithParameters;
use super::methods::{Invocation, Method, set_methods};
use super::request_options::RequestOptions;
use super::task_handle;
use crate::connection::{Described, Params as RpcParams, TaskCall};
use crate::error::{Code, Error, Result};
use crate::manager::{Consent, Key, Lease, Manager, Owner, ServerCall};
use crate::node::engine::JsResult;
use crate::node::marshal::convert;
use crate::node::marshal::to_js::WithMembers;
use crate::server_config::Fingerprint;

/// What a client knows of its connection.
#[derive(Default)]
struct Client {
    /// The connection of the last request; absent before the first.
    served: Mutex<Option<Served>>,
    closed: CancellationToken,
    under_way: TaskTracker,
}

/// Whose connection it is, and what the server has said of itself.
struct Served {
    key: Key,
    described: Option<Arc<Described>>,
    /// Of the config that it is made from.
    template: Fingerprint,
}

type Invoked<'env> = Invocation<'env, Arc<Client>>;

const METHODS: &[Method<Arc<Client>>] = &[
    Method::new("request", request).begins(InTurnWithParameters),
    Method::new("connect", connect).begins(InTurnWithParameters),
    Method::new("described", described),
    Method::new("isShared", |invoked| {
        let served = invoked.target.served.lock();
        let is_shared = served.as_ref().is_some_and(|it| it.key.owner == Owner::App);
        invoked.scope.boolean(is_shared)
    }),
    Method::new("configIdentity", config_identity),
    Method::new("userId", user_id),
    Method::new("connection", connection),
    // The same, if somebody has it.
    Method::new("knownConnection", |invoked| {
        let objects = &invoked.runtime.connections;
        let known = key(invoked).and_then(|key| objects.known(invoked.scope, &key));
        Ok(known.map_or_else(|| invoked.scope.undefined(), |(object, _)| object))
    }),
    Method::new("close", close),
];

/// The object of one client.
pub fn create<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let scope = invocation.scope;
    let client = Arc::<Client>::default();
    set_methods(scope.object()?, &invocation.runtime, &client, METHODS)
}

impl Client {
    /// Work for a caller, which ends with the client, too, and when it is `late`.
    async fn work<T>(
        &self,
        call: &Call,
        late: impl Future<Output = ()>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let _under_way = self.under_way.token();
        let mut work = std::pin::pin!(work);
        let mut is_late = false;
        let outcome = tokio::select! {
            biased;
            () = self.closed.cancelled() => {
                call.cancel.cancel();
                work.await
            }
            outcome = &mut work => outcome,
            () = late => {
                is_late = !call.cancel.is_cancelled();
                call.cancel.cancel();
                work.await
            }
        };
        outcome.map_err(|error| match error.code {
            Code::Aborted if is_late => {
                Error::timeout("Connecting took longer than maxTotalTimeout")
            }
            Code::Aborted if self.closed.is_cancelled() => {
                Error::new(Code::Closed, "The MCP client is closed")
            }
            _ => error,
        })
    }

    fn note(&self, lease: &Lease) {
        *self.served.lock() = Some(Served {
            key: lease.key().clone(),
            described: lease.connection().described().ok(),
            template: lease.connection().recipe.template,
        });
    }

    fn described(&self) -> Option<Arc<Described>> {
        self.served.lock().as_ref()?.described.clone()
    }
}

/// Resolves where nothing was sent within `limit`; what was sent has a bound of its own.
async fn late(limit: Option<Duration>, is_sent: &AtomicBool) {
    if let Some(limit) = limit {
        sleep(limit).await;
        if !is_sent.load(Ordering::Relaxed) {
            return;
        }
    }
    pending::<()>().await;
}

/// What a request is sent with.
struct Request {
    server_name: String,
    method: String,
    params: Option<Json>,
    consent: Option<Consent>,
    options: RequestOptions,
    task: TaskCall,
    /// A list is asked for as it is now.
    anew: bool,
}

/// `({ serverName, method, params?, task?, anew?, options?, …MCPConnectionParams })`: the result as the server wrote it.
/// `task` is the handle of what the tool call has become; a list that is wanted `anew` is none that was valid before.
fn request<'env>(invoked: &Invoked<'env>) -> JsResult<'env> {
    let client = Arc::clone(&invoked.target);
    let prepared = read(invoked).map(|(call, mut wanted)| {
        let since = Instant::now();
        (call, move |manager: Manager, call: Arc<Call>| async move {
            let is_sent = AtomicBool::new(false);
            let carried_by = |lease: &Lease| {
                client.note(lease);
                if wanted.anew {
                    lease.connection().expire_lists();
                }
                is_sent.store(true, Ordering::Relaxed);
            };
            let limit = wanted.options.max_total_timeout;
            let request = ServerCall {
                scope: call.scope(),
                server_name: &wanted.server_name,
                config: call.config().map_err(Box::new),
                method: &wanted.method,
                params: RpcParams::from(wanted.params.as_ref()),
                requires_user_vars: true,
                consent: wanted.consent,
                connect_timeout: call.connection_timeout,
                timeout: wanted.options.timeout,
                max_total_timeout: limit,
                since: Some(since),
                progress: wanted.options.progress,
                carried_by: Some(&carried_by),
                cancel: call.cancel.clone(),
            };
            let work = manager.call_raw(request, &mut wanted.task);
            Box::pin(client.work(&call, late(limit, &is_sent), work)).await
        })
    });
    invoked.run_with(prepared, |scope, _, answer: Box<RawValue>| {
        scope.parse_json(answer.get())
    })
}

fn read<'env>(invoked: &Invoked<'env>) -> JsResult<'env, (Call, Request)> {
    let (runtime, scope) = (&invoked.runtime, invoked.scope);
    let params = invoked.params("client")?;
    let asks = params.boolean("authorize")?.unwrap_or(true);
    let hands_out = params.boolean("returnOnOAuth")?.unwrap_or(false);
    let server_name = params.text("serverName")?.unwrap_or_default();
    let method = params.text("method")?.unwrap_or_default();
    let message = params
        .object_member("params")?
        .map(|message| message.to_exact_json(&format!("{method}: params")))
        .transpose()?;
    let mut call = runtime.call(scope, Some(&params))?;
    let mut options = RequestOptions::read(scope, "client", &params, &mut call, &runtime.thread)?;
    let consent = Consent::of_call(&call.host).filter(|_| asks);
    let consent = consent.map(|consent| Consent {
        waits: !hands_out,
        ..consent
    });
    // What closes leaves a task to whoever has its handle.
    let closing = vec![
        runtime.manager.closing().clone(),
        invoked.target.closed.clone(),
    ];
    let task = if params.has("task") {
        let handle = task_handle::read(&params, "client")?;
        if handle.server_name != server_name {
            return Err(params.wrong("task.serverName", "must be the server of the client"));
        }
        TaskCall::resuming(handle, closing)
    } else {
        options.task_call(closing)
    };
    call.look_up_now(scope, &server_name);
    let wanted = Request {
        server_name,
        method,
        params: message.flatten(),
        consent,
        task,
        options,
        anew: params.boolean("anew")?.unwrap_or(false),
    };
    Ok((call, wanted))
}

/// `({ serverName, options?, …MCPConnectionParams })`
fn connect<'env>(invoked: &Invoked<'env>) -> JsResult<'env> {
    let client = Arc::clone(&invoked.target);
    let prepared = read_connect(invoked).map(|(call, params, limit)| {
        (call, move |manager: Manager, call: Arc<Call>| async move {
            let work = async {
                let (_, lease) =
                    connection_params::find(&manager, &call, &params, Connects::Client).await?;
                client.note(&lease);
                Ok(())
            };
            let is_sent = AtomicBool::new(false);
            client.work(&call, late(limit, &is_sent), work).await
        })
    });
    invoked.run(prepared)
}

fn read_connect<'env>(
    invoked: &Invoked<'env>,
) -> JsResult<'env, (Call, connection_params::ConnectionParams, Option<Duration>)> {
    let (mut call, wanted) = connection_params::read(invoked, "client")?;
    let (scope, thread) = (invoked.scope, &invoked.runtime.thread);
    let options = RequestOptions::read(
        scope,
        "client",
        &invoked.params("client")?,
        &mut call,
        thread,
    )?;
    Ok((call, wanted, options.max_total_timeout))
}

/// What the server has said of itself; `undefined` before the first request.
fn described<'env>(invoked: &Invoked<'env>) -> JsResult<'env> {
    let scope = invoked.scope;
    let Some(described) = invoked.target.described() else {
        return Ok(scope.undefined());
    };
    let written = |text: &Option<Box<RawValue>>| {
        let text = text.as_ref();
        text.map_or_else(
            || Ok(scope.undefined()),
            |text| scope.parse_json(text.get()),
        )
    };
    scope
        .object()?
        .with("protocolVersion", described.version.as_str())?
        .with("capabilities", written(&described.raw_capabilities)?)?
        .with("serverInfo", written(&described.server_info)?)?
        .optional("instructions", described.instructions.as_ref())
}

/// Of which config the connection was that carried the last request; `undefined` before the first.
fn config_identity<'env>(invoked: &Invoked<'env>) -> JsResult<'env> {
    let served = invoked.target.served.lock();
    let identity = served.as_ref().map(|served| served.template.to_text());
    invoked.scope.optional_string(identity.as_deref())
}

/// `({ user? })`: the text that the user is known by; `undefined` where there is none.
fn user_id<'env>(invoked: &Invoked<'env>) -> JsResult<'env> {
    let user = invoked.params("client")?.object_member("user")?;
    let user = user.map(convert::user).transpose()?;
    let id = user.and_then(|user| user.id);
    invoked.scope.optional_string(id.as_deref())
}

/// Of the connection of the last request.
fn key(invoked: &Invoked<'_>) -> Option<Key> {
    let served = invoked.target.served.lock();
    served.as_ref().map(|served| served.key.clone())
}

/// The `MCPConnection` of the open connection, which emits what happens to it; `undefined` where there is none.
fn connection<'env>(invoked: &Invoked<'env>) -> JsResult<'env> {
    let (runtime, scope) = (&invoked.runtime, invoked.scope);
    match key(invoked).and_then(|key| runtime.manager.existing(&key)) {
        Some(lease) => object(runtime, scope, Backing::existing(&runtime.manager, lease)),
        None => Ok(scope.undefined()),
    }
}

/// `(isNeeded)`: ends what the client has under way, and a connection of its user that nobody else uses or needs.
fn close<'env>(invoked: &Invoked<'env>) -> JsResult<'env> {
    let client = Arc::clone(&invoked.target);
    let is_needed = invoked.argument(0).as_bool().unwrap_or(false);
    invoked.start(move |manager, _| async move {
        client.closed.cancel();
        client.under_way.close();
        client.under_way.wait().await;
        let served = client.served.lock().take();
        let own = served.filter(|served| served.key.owner != Owner::App && !is_needed);
        if let Some(lease) = own.and_then(|served| manager.existing(&served.key)) {
            lease.leave().await;
        }
        Ok(())
    })
}
