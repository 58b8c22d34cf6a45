//! `createMCPRuntime` and the functions of a runtime.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::FutureExt;
use napi::bindgen_prelude::{FromNapiValue, Unknown};
use napi::{Env, JsValue};
use napi_derive::napi;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::abort::AbortLink;
use super::call::{CallContext, Realm};
use super::convert;
use super::errors;
use super::exchange::Purpose;
use super::host::NodeHost;
use super::js::{JsResult, Scope, Thrown, Type, Value};
use super::log::{NodeLog, StderrLog};
use super::obo;
use super::result;
use super::services::{self, describe};
use super::thread::{JsRef, JsThread};
use crate::error::{Code, Error};
use crate::host::{Environment, Host, Logger};
use crate::manager::Manager;
use crate::network;
use crate::obo::Obo;
use crate::reinit::{Reinit, reinit};
use crate::settings::Settings;
use crate::transport::stdio::StdioTransport;

/// The Tokio runtime of the process. It is never shut down: worker threads come and go, their work with them.
pub fn tokio() -> &'static Handle {
    static HANDLE: OnceLock<Handle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        // Its threads outlive the environment that loaded the addon, which may be a worker.
        napi::bindgen_prelude::retain_current_module_for_unload_safety();
        let built = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(
                std::thread::available_parallelism().map_or(2, |cores| cores.get().min(4)),
            )
            .thread_name("librechat-mcp")
            .enable_all()
            .build();
        match built {
            Ok(runtime) => {
                let handle = runtime.handle().clone();
                // Leaked on purpose: dropping it would block whoever is last.
                std::mem::forget(runtime);
                handle
            }
            // Without threads nothing here can work, and there is nobody to tell.
            Err(_) => std::process::abort(),
        }
    })
}

/// Creates a runtime over the host's services. Their shapes are checked at once; getters are called when a value is
/// used, never before and never cached.
///
/// @throws `TypeError` that names the member whose shape is wrong
#[napi(
    js_name = "createMCPRuntime",
    ts_args_type = "host: MCPHostServices",
    ts_return_type = "MCPRuntime"
)]
pub fn create_mcp_runtime(env: Env, host: Unknown<'_>) -> napi::Result<Unknown<'_>> {
    let scope = Scope::new(&env);
    let outcome = create(scope, scope.value(host.raw()), env);
    raise(scope, outcome)
}

/// Hands a result of ours to napi: an exception becomes the pending one.
#[expect(unsafe_code, reason = "Node-API is a C interface")]
pub(super) fn raise<'any>(scope: Scope<'_>, outcome: JsResult<'_>) -> napi::Result<Unknown<'any>> {
    match outcome {
        Ok(value) => unsafe { Unknown::from_napi_value(scope.raw(), value.raw()) },
        Err(Thrown(value)) => {
            unsafe { napi::sys::napi_throw(scope.raw(), value.raw()) };
            Err(napi::Error::from_status(napi::Status::PendingException))
        }
    }
}

fn create<'env>(scope: Scope<'env>, host: Value<'env>, env: Env) -> JsResult<'env> {
    services::check(host)?;
    let keep = host.get("keepConnections")?.as_bool().unwrap_or(true);
    let thread = JsThread::new(scope)?;
    let runtime = Arc::new(Runtime {
        realm: Arc::new(Realm::new(&thread, scope)?),
        host: Arc::new(JsRef::new(&thread, host)?),
        thread,
        manager: tokio_manager(keep),
    });
    let teardown = Arc::clone(&runtime);
    if env
        .add_env_cleanup_hook(teardown, |runtime| runtime.manager.abandon())
        .is_err()
    {
        return Err(Thrown(
            scope.error("Error", "The environment takes no cleanup hook"),
        ));
    }

    let object = scope.object()?;
    let reinit = Arc::clone(&runtime);
    object.set(
        "reinitMCPServer",
        scope.function("reinitMCPServer", move |scope, _, arguments| {
            reinit.reinit(scope, &arguments)
        })?,
    )?;
    for (name, purpose) in [
        ("exchangeOboToken", Purpose::OnBehalfOf),
        ("getGraphApiToken", Purpose::Graph),
    ] {
        let exchange = Arc::clone(&runtime);
        let function = scope.function(name, move |scope, _, arguments| {
            exchange.exchange(scope, &arguments, purpose)
        })?;
        object.set(name, function)?;
    }
    object.set(
        "close",
        scope.function("close", move |scope, _, _| runtime.close(scope))?,
    )?;
    Ok(object)
}

fn tokio_manager(keep_connections: bool) -> Manager {
    let _entered = tokio().enter();
    Manager::new(keep_connections)
}

pub(super) struct Runtime {
    pub thread: JsThread,
    realm: Arc<Realm>,
    host: Arc<JsRef>,
    pub manager: Manager,
}

/// What `userMCPAuthMap` puts before a server's name (LibreChat's `Constants.mcp_prefix`).
const MCP_PREFIX: &str = "mcp_";

/// One prepared call of `reinitMCPServer`.
struct Prepared {
    call: Reinit,
    host: Arc<NodeHost>,
    server_name: Option<String>,
    abort: Option<AbortLink>,
}

impl Runtime {
    fn close<'env>(&self, scope: Scope<'env>) -> JsResult<'env> {
        let (promise, value) = self.thread.promise(scope)?;
        let manager = self.manager.clone();
        tokio().spawn(async move {
            manager.close().await;
            promise.settle(|scope| Ok(scope.undefined()));
        });
        Ok(value)
    }

    fn reinit<'env>(&self, scope: Scope<'env>, arguments: &[Value<'env>]) -> JsResult<'env> {
        let (promise, value) = self.thread.promise(scope)?;
        if self.manager.closing().is_cancelled() {
            promise.settle(|scope| Err(Thrown(errors::to_js(scope, &Error::closed()))));
            return Ok(value);
        }
        let prepared = match self.prepare(scope, arguments.first().copied()) {
            Ok(prepared) => prepared,
            Err(Thrown(thrown)) => {
                let thrown = JsRef::new(&self.thread, thrown)?;
                promise.settle(move |scope| Err(Thrown(thrown.get(scope))));
                return Ok(value);
            }
        };
        let manager = self.manager.clone();
        tokio().spawn(async move {
            let Prepared {
                call,
                host,
                server_name,
                abort,
            } = prepared;
            let outcome = AssertUnwindSafe(Box::pin(reinit(&manager, &call)))
                .catch_unwind()
                .await;
            drop(call);
            promise.settle(move |scope| {
                if let Some(abort) = &abort {
                    abort.unlink(scope);
                }
                host.context.flush_log(scope);
                match outcome {
                    Ok(Some(outcome)) => {
                        result::reinitialized(scope, &outcome, server_name.as_deref(), &host)
                    }
                    Ok(None) => Ok(scope.undefined()),
                    Err(_) => Err(Thrown(errors::to_js(
                        scope,
                        &Error::new(Code::Internal, "Internal error"),
                    ))),
                }
            });
        });
        Ok(value)
    }

    /// Reads the parameters. A member of a wrong type is a `TypeError`; an absent one never is.
    fn prepare<'env>(
        &self,
        scope: Scope<'env>,
        params: Option<Value<'env>>,
    ) -> JsResult<'env, Prepared> {
        let params = params
            .filter(|params| params.is_object())
            .ok_or_else(|| scope.type_error("reinitMCPServer: the parameters must be an object"))?;
        let member = |name: &'static str,
                      kind: Type,
                      expected: &str|
         -> JsResult<'env, Option<Value<'env>>> {
            let Some(value) = params.get(name)?.present() else {
                return Ok(None);
            };
            if value.kind() == kind {
                return Ok(Some(value));
            }
            let actual = describe(value);
            Err(scope.type_error(&format!(
                "reinitMCPServer: params.{name} must be {expected}, got {actual}"
            )))
        };

        let server_name =
            member("serverName", Type::String, "a string")?.and_then(Value::as_string);
        let user = member("user", Type::Object, "an object")?;
        let config_servers = member("configServers", Type::Object, "an object")?;
        let server_config = member("serverConfig", Type::Object, "an object")?;
        let auth_map = member("userMCPAuthMap", Type::Object, "an object")?;
        let timeout = member(
            "connectionTimeout",
            Type::Number,
            "a number of milliseconds",
        )?;
        let force_new = member("forceNew", Type::Boolean, "a boolean")?;
        member("returnOnOAuth", Type::Boolean, "a boolean")?;
        member("oauthStart", Type::Function, "a function")?;
        member("oauthEnd", Type::Function, "a function")?;
        let body = if params.has("requestBody") {
            let body = member("requestBody", Type::Object, "an object")?;
            Some(body.map(convert::texts).transpose()?.unwrap_or_default())
        } else {
            None
        };
        let signal = member("signal", Type::Object, "an AbortSignal")?;
        if let Some(signal) = signal
            && !signal.get("addEventListener")?.is_function()
        {
            return Err(scope.type_error(
                "reinitMCPServer: params.signal must be an AbortSignal, got an object",
            ));
        }

        let environment = Environment::default();
        for names in [
            Settings::NAMES,
            network::VARIABLES,
            StdioTransport::DEFAULT_ENVIRONMENT,
            Obo::GRAPH_VARIABLES,
            &["MCP_NATIVE_LOG"],
        ] {
            convert::read_variables(scope, names, &environment)?;
        }
        let key = format!(
            "{MCP_PREFIX}{}",
            server_name.as_deref().unwrap_or("undefined")
        );
        let user_vars = auth_map
            .map(|map| map.get(&key))
            .transpose()?
            .filter(|vars| vars.is_object());
        let context = Arc::new(CallContext::new(
            &self.thread,
            &self.realm,
            &self.host,
            scope,
        )?);
        let services = self.host.get(scope);
        let node = Arc::new(NodeHost {
            context: Arc::clone(&context),
            environment: environment.clone(),
            config_servers: config_servers
                .map(|servers| JsRef::new(&self.thread, servers))
                .transpose()?
                .map(Arc::new),
            published: parking_lot::Mutex::default(),
        });
        let logger = logger(services, &context, &environment)?;
        let cancel = CancellationToken::new();
        let mut call = Reinit {
            host: Host {
                registry: Arc::clone(&node) as _,
                publisher: services
                    .get("updateMCPServerTools")?
                    .present()
                    .map(|_| Arc::clone(&node) as _),
                tokens: None,
                flows: None,
                prompt: None,
                lock: None,
                exchanged_tokens: None,
                on_behalf_of: None,
                server_requests: None,
                credentials_key: None,
                logger,
                environment: environment.clone(),
            },
            user: user.map(convert::user).transpose()?,
            server_name: server_name.clone(),
            force_new: force_new.and_then(Value::as_bool).unwrap_or(false),
            user_vars: user_vars.map(convert::texts).transpose()?,
            connection_timeout: timeout.and_then(Value::as_number).map(milliseconds),
            server_config: server_config
                .map(|config| convert::server_config(config, &environment))
                .transpose()?
                .flatten(),
            request_body: body,
            has_config_servers: config_servers.is_some(),
            cancel: cancel.clone(),
        };
        obo::attach(&mut call.host, &context, user, scope)?;
        let abort = match signal {
            Some(signal) => AbortLink::new(&self.thread, signal, &cancel)?,
            None => None,
        };
        Ok(Prepared {
            call,
            host: node,
            server_name,
            abort,
        })
    }
}

impl Runtime {
    /// The host services for a call that concerns no server.
    pub(super) fn call_host<'env>(
        &self,
        scope: Scope<'env>,
        user: Option<Value<'env>>,
    ) -> JsResult<'env, (Arc<CallContext>, Host)> {
        let environment = Environment::default();
        for names in [
            network::VARIABLES,
            Obo::GRAPH_VARIABLES,
            &["MCP_NATIVE_LOG"],
        ] {
            convert::read_variables(scope, names, &environment)?;
        }
        let context = CallContext::new(&self.thread, &self.realm, &self.host, scope)?;
        let context = Arc::new(context);
        let registry = NodeHost {
            context: Arc::clone(&context),
            environment: environment.clone(),
            config_servers: None,
            published: parking_lot::Mutex::default(),
        };
        let mut host = Host {
            registry: Arc::new(registry),
            publisher: None,
            server_requests: None,
            tokens: None,
            flows: None,
            prompt: None,
            lock: None,
            exchanged_tokens: None,
            on_behalf_of: None,
            credentials_key: None,
            logger: logger(self.host.get(scope), &context, &environment)?,
            environment,
        };
        obo::attach(&mut host, &context, user, scope)?;
        Ok((context, host))
    }
}

/// The host's logger, else stderr where `MCP_NATIVE_LOG` names a level.
fn logger<'env>(
    services: Value<'env>,
    context: &Arc<CallContext>,
    environment: &Environment,
) -> JsResult<'env, Logger> {
    if services.get("logger")?.present().is_some() {
        return Ok(Logger::new(Arc::new(NodeLog(Arc::clone(context)))));
    }
    Ok(
        StderrLog::from_variable(environment.get("MCP_NATIVE_LOG").as_deref())
            .map_or_else(Logger::silent, |log| Logger::new(Arc::new(log))),
    )
}

/// A number of milliseconds; negative and non-numbers are none, as for JavaScript's timers.
fn milliseconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value / 1000.0).unwrap_or_default()
}
