//! `createMCPRuntime` and the runtime object.

use std::sync::Arc;
use std::time::Duration;

use napi::Env;
use napi::bindgen_prelude::Unknown;
use napi_derive::napi;
use tokio_util::task::TaskTracker;

use super::call::Call;
use super::catalog_recovery::CatalogRecovery;
use super::handle::Connections;
use super::methods::{Begins, Invocation, Method, set_methods};
use super::request::RequestStore;
use super::state::RuntimeState;
use super::{
    client, exchange, grants, inspect, manager, oauth, redaction, result, statics, telemetry,
};
use crate::flights::Flights;
use crate::manager::Manager;
use crate::network::verification_warning;
use crate::node::engine::workers::{self, spawn};
use crate::node::engine::{JsRef, JsResult, JsThread, Scope, StartBatch, Thrown, Value, raise};
use crate::node::host::audit::AuditTrail;
use crate::node::host::tool_rules::HostRules;
use crate::node::host::{client_profile, embedded, publisher};
use crate::node::marshal::context::{CallContext, JsEnvironment};
use crate::node::marshal::environment::VariableReader;
use crate::node::marshal::log::logger_of;
use crate::node::marshal::{convert, errors, newer_params, services, stderr_log, traffic};
use crate::reinit::{Reinit, reinit};

/// Creates a runtime over the host's services. Their shapes are checked at once; getters are called when a value is
/// used, never before and never cached.
///
/// @throws `TypeError` that names the member whose shape is wrong; `Error` with `code` `MCP_INVALID_CONFIG` for a
/// `config` that cannot be read, `MCP_TOKEN_STORE` for a `CREDS_KEY` beside it that is no key, and `MCP_INTERNAL` where the
/// system gives no threads
#[napi(
    js_name = "createMCPRuntime",
    ts_args_type = "host: MCPHostServices",
    ts_return_type = "MCPRuntime"
)]
pub fn create_mcp_runtime(env: Env, host: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    let scope = Scope::new(&env);
    raise(scope, || create(scope, scope.wrap(&host), env))
}

const METHODS: &[Method] = &[
    Method::new("reinitMCPServer", reinit_mcp_server).begins(Begins::InTurnWithParameters),
    Method::new("exchangeOboToken", exchange::exchange_obo_token).begins(Begins::InTurn),
    Method::new("getGraphApiToken", exchange::get_graph_api_token).begins(Begins::InTurn),
    Method::new("inspectServer", inspect::inspect_server),
    Method::new("describeMachineToken", grants::describe_machine_token),
    Method::new("explainEnterpriseToken", grants::explain_enterprise_token),
    Method::new("stats", telemetry::stats),
    Method::new("metrics", telemetry::metrics),
    Method::new("health", telemetry::health),
    Method::new("client", client::create),
    // After the calls that were made before it.
    Method::new("close", close).begins(Begins::InTurn),
];

fn create<'env>(scope: Scope<'env>, host: Value<'env>, env: Env) -> JsResult<'env> {
    services::check(host)?;
    redaction::note_host(host)?;
    let embedded = embedded::read(scope, host)?;
    let client = client_profile::read(host)?;
    let rules = HostRules::of(host)?;
    let keep = host.get("keepConnections")?.as_bool().unwrap_or(true);
    let thread = JsThread::new(scope)?;
    let tokio = workers::start().map_err(|error| Thrown(errors::to_js(scope, &error)))?;
    let burst = Arc::default();
    let tracing = traffic::read(scope, host)?;
    let (audit, audit_warning) = AuditTrail::read(scope)?;
    let manager = Manager::traced(keep, tokio.clone(), tracing.tracer);
    let metrics = Arc::clone(manager.metrics());
    let shared = Arc::new(RuntimeState {
        realm: Arc::new(JsEnvironment::new(&thread, host, metrics)?),
        host: Arc::new(JsRef::new(&thread, host)?),
        variables: VariableReader::new(&thread, scope, &burst)?,
        burst,
        starts: StartBatch::new(&thread, scope)?,
        thread,
        manager,
        connections: Connections::default(),
        flows: Arc::default(),
        tool_pins: Arc::default(),
        embedded,
        rules,
        client: Arc::new(client),
        audit: Arc::new(audit),
        catalog_recovery: CatalogRecovery::default(),
        newer: newer_params::Seen::default(),
        redemptions: Flights::new(TaskTracker::new(), "A token refresh broke off"),
    });
    // The environment keeps its hooks to the end, a runtime that nobody has any more must not stay as long.
    let teardown = (
        Arc::downgrade(&shared),
        shared.thread.downgrade(),
        shared.manager.downgrade(),
    );
    if env
        .add_env_cleanup_hook(teardown, |(shared, thread, manager)| {
            thread.end();
            if let Some(shared) = shared.upgrade() {
                shared.starts.clear();
            }
            manager.abandon();
            stderr_log::finish();
        })
        .is_err()
    {
        return Err(Thrown(
            scope.error("Error", "The environment takes no cleanup hook"),
        ));
    }
    if let Some(traffic) = tracing.traffic {
        let (thread, realm, host) = (&shared.thread, &shared.realm, &shared.host);
        traffic.tell_in(CallContext::new(thread, realm, host, scope)?);
    }
    if let Some(warn) = tracing.warn {
        let (_, logger) = shared.logger(scope)?;
        let _ = warn.set(Box::new(move |text| logger.warn(text)));
    }
    warn_at_once(scope, &shared, [tracing.warning, audit_warning])?;
    follow_config(scope, &shared)?;
    let runtime = set_methods(scope.object()?, &shared, &(), METHODS)?;
    let manager = manager::create(scope, &shared)?;
    runtime.set(
        "MCPManager",
        statics::manager_statics(scope, &shared, manager)?,
    )?;
    runtime.set(
        "MCPConnection",
        statics::connection_statics(scope, &shared)?,
    )?;
    runtime.set("manager", manager)?;
    oauth::install(&shared, runtime)?;
    Ok(runtime)
}

/// Tells the host at once what would otherwise show only in what users, or operators, do not see.
fn warn_at_once<'env>(
    scope: Scope<'env>,
    shared: &RuntimeState,
    of_files: [Option<String>; 2],
) -> JsResult<'env, ()> {
    let present = services::present(shared.host.get(scope))?;
    let environment = &shared.variables.read(scope)?.environment;
    let [trace, audit] = of_files;
    let warnings = [
        publisher::incomplete(present).map(str::to_owned),
        verification_warning(environment).map(str::to_owned),
        trace,
        audit,
    ];
    if warnings.iter().any(Option::is_some) {
        let (context, logger) = shared.logger(scope)?;
        for warning in warnings.into_iter().flatten() {
            logger.warn(warning);
        }
        context.flush_log(scope);
    }
    Ok(())
}

/// Has the configuration follow its file. What there is to say of it belongs to no call.
fn follow_config<'env>(scope: Scope<'env>, shared: &RuntimeState) -> JsResult<'env, ()> {
    let Some(live) = shared.embedded.as_ref().filter(|live| live.has_file()) else {
        return Ok(());
    };
    let (thread, realm, host) = (&shared.thread, &shared.realm, &shared.host);
    let context = Arc::new(CallContext::new(thread, realm, host, scope)?);
    let present = services::present(host.get(scope))?;
    let environment = shared.variables.read(scope)?.environment;
    live.follow(&shared.manager, logger_of(present, &context, &environment));
    Ok(())
}

/// `({ drainMs, handOver }?)`
fn close<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let (promise, value) = invocation.runtime.thread.promise(invocation.scope)?;
    let Ending { drain, hands_over } = match ending(invocation) {
        Ok(ending) => ending,
        Err(thrown) => {
            promise.reject(&thrown)?;
            return Ok(value);
        }
    };
    let manager = invocation.runtime.manager.clone();
    // Here, so that no other call is taken between this one and that of another thread.
    manager.refuse_calls();
    spawn(async move {
        if let Some(limit) = drain {
            manager.drain(limit).await;
        }
        if hands_over {
            manager.hand_over();
        }
        manager.close().await;
        promise.settle(|scope| Ok(scope.undefined()));
    });
    Ok(value)
}

/// How a runtime is to close.
#[derive(Default)]
struct Ending {
    drain: Option<Duration>,
    hands_over: bool,
}

fn ending<'env>(invocation: &Invocation<'env>) -> JsResult<'env, Ending> {
    if invocation.given(0).is_none() {
        return Ok(Ending::default());
    }
    let params = invocation.params("close")?;
    Ok(Ending {
        drain: params.duration("drainMs")?,
        hands_over: params.boolean("handOver")?.unwrap_or(false),
    })
}

/// What `userMCPAuthMap` puts before a server's name (LibreChat's `Constants.mcp_prefix`).
const MCP_PREFIX: &str = "mcp_";

/// The parameters that only `reinitMCPServer` has.
struct ReinitParams {
    server_name: Option<String>,
    force_new: bool,
    has_request_body: bool,
    return_on_oauth: bool,
}

fn reinit_mcp_server<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let prepared = read(invocation);
    let server_name = prepared
        .as_ref()
        .ok()
        .and_then(|(_, given)| given.server_name.clone());
    let prepared = prepared.map(|(call, given)| {
        (call, move |manager: Manager, call: Arc<Call>| async move {
            let request = Reinit {
                host: call.host.clone(),
                settings: Arc::clone(&call.settings),
                user: call.user.clone(),
                server_name: given.server_name,
                force_new: given.force_new,
                user_vars: call.user_vars.clone(),
                connection_timeout: call.connection_timeout,
                server_config: call.server_config.clone(),
                request_body: call.request_body.clone().filter(|_| given.has_request_body),
                has_config_servers: call.has_config_servers,
                is_principals: call.is_principals,
                request: call.request.as_ref().map(RequestStore::id),
                return_on_oauth: given.return_on_oauth,
                cancel: call.cancel.clone(),
            };
            Ok(Box::pin(reinit(&manager, &request)).await)
        })
    });
    invocation.run_with(prepared, move |scope, call, outcome| match outcome {
        Some(outcome) => result::reinitialized(scope, &outcome, server_name.as_deref(), &call.node),
        None => Ok(scope.undefined()),
    })
}

fn read<'env>(invocation: &Invocation<'env>) -> JsResult<'env, (Call, ReinitParams)> {
    let params = invocation.params("reinitMCPServer")?;
    let given = ReinitParams {
        server_name: params.text("serverName")?,
        force_new: params.boolean("forceNew")?.unwrap_or(false),
        has_request_body: params.object().has("requestBody"),
        return_on_oauth: params.boolean("returnOnOAuth")?.unwrap_or(true),
    };
    let auth_map = params.object_member("userMCPAuthMap")?;
    let mut call = invocation.runtime.call(invocation.scope, Some(&params))?;
    if let Some(auth_map) = auth_map {
        let name = format!(
            "{MCP_PREFIX}{}",
            given.server_name.as_deref().unwrap_or("undefined")
        );
        let values = auth_map.get_own(&name)?;
        call.user_vars = if values.is_object() {
            Some(convert::texts(values)?)
        } else {
            None
        };
    }
    if given.has_request_body {
        call.request_body.get_or_insert_default();
    }
    if let Some(name) = &given.server_name {
        call.look_up_now(invocation.scope, name);
    }
    Ok((call, given))
}
